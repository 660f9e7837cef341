//! The invariants of every history.

use std::collections::BTreeSet;

use engine_roles_domain::binding::lifecycle::{Lifecycle, Transition};
use engine_roles_domain::binding::{Binding, EventDetail, Receipt};
use proptest::prelude::*;

use crate::fixtures::Stage;

pub(super) type Checked = Result<(), TestCaseError>;

/// Checks the invariants of a single binding.
pub(super) fn check_binding(binding: &Binding) -> Checked {
    let stage = Stage::of(binding);
    let stored = Lifecycle::from_stored(
        binding.state(),
        binding.is_live(),
        binding.generation,
        binding.last_error().cloned(),
        binding.receipt().cloned(),
    );
    prop_assert_eq!(stored.as_ref(), Ok(&binding.lifecycle));
    prop_assert!(binding.applied_generation <= Some(binding.generation));
    prop_assert_eq!(
        binding.applied_generation.is_some(),
        binding.applied_spec.is_some()
    );
    // A tombstone that left something under our name keeps our unique ids.
    let has_left = binding
        .receipt()
        .is_some_and(|receipt| !receipt.left.is_empty());
    if stage == Stage::Failed || stage == Stage::Deleted && !has_left {
        prop_assert_eq!((&binding.role, &binding.profile), (&None, &None));
    }
    match stage {
        Stage::Provisioning | Stage::WithdrawingChange | Stage::Active => {
            prop_assert_eq!(binding.receipt(), None);
        }
        Stage::Deleting | Stage::Blocked => prop_assert!(binding.receipt().is_some()),
        Stage::WithdrawingProvision | Stage::Failed | Stage::Deleted => {}
    }
    if let Some(receipt) = binding.receipt() {
        prop_assert!(receipt.access_ended_at.is_none() || receipt.grant_ended_at.is_some());
        let distinct: BTreeSet<_> = receipt.removed.iter().collect();
        prop_assert_eq!(distinct.len(), receipt.removed.len());
    }
    Ok(())
}

/// Checks that a receipt loses nothing until another removal begins or a withdrawal ends.
pub(super) fn check_receipts(before: &Binding, transition: &Transition) -> Checked {
    let begins = matches!(
        transition.event,
        Some(EventDetail::TeardownRequested { again: false, .. } | EventDetail::NothingToTearDown)
    );
    if begins {
        prop_assert_eq!(transition.binding.receipt(), Some(&Receipt::default()));
        return Ok(());
    }
    let Some(earlier) = before.receipt() else {
        return Ok(());
    };
    let Some(later) = transition.binding.receipt() else {
        let (from, to) = (Stage::of(before), Stage::of(&transition.binding));
        prop_assert_eq!((from, to), (Stage::WithdrawingProvision, Stage::Failed));
        return Ok(());
    };
    prop_assert!(
        earlier.grant_ended_at.is_none() || later.grant_ended_at == earlier.grant_ended_at
    );
    prop_assert!(
        earlier.access_ended_at.is_none() || later.access_ended_at == earlier.access_ended_at
    );
    prop_assert!(later.removed.starts_with(&earlier.removed));
    Ok(())
}
