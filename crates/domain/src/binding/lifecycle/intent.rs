//! Transitions that a request causes. Each gives the cluster a new intent.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::account::Scope;
use crate::binding::consistency::Consistency;
use crate::binding::event::EventDetail;
use crate::binding::id::{BindingId, Generation};
use crate::binding::lifecycle::stage::Lifecycle;
use crate::binding::lifecycle::{Transition, WrongState};
use crate::binding::receipt::Receipt;
use crate::binding::record::Binding;
use crate::cluster::name::ClusterName;
use crate::cluster::spec::RoleSpec;
use crate::resources::names::Namespace;

/// The parts of a new binding that the caller supplies.
#[derive(Clone, Debug)]
pub struct NewBinding {
    /// The id of the incarnation, a new one for each binding.
    pub id: BindingId,
    /// The cluster that gets the role.
    pub cluster: ClusterName,
    /// The installation that records the binding.
    pub namespace: Namespace,
    /// The account and partition in which the binding's resources are created.
    pub scope: Scope,
    /// The resources that should exist, with all defaults filled in.
    pub spec: RoleSpec,
    /// The generation of the cluster's new intent.
    pub generation: Generation,
}

impl NewBinding {
    fn in_state(self, lifecycle: Lifecycle, now: DateTime<Utc>) -> Binding {
        Binding {
            id: self.id,
            cluster: self.cluster,
            namespace: self.namespace,
            scope: self.scope,
            lifecycle,
            generation: self.generation,
            revision: 1,
            intent_key: None,
            applied_generation: None,
            spec: self.spec,
            applied_spec: None,
            unapplied_tags: BTreeSet::new(),
            role: None,
            profile: None,
            policy: None,
            usable_after: None,
            verified_at: None,
            drift: Vec::new(),
            attempts: 0,
            consistency: Consistency::default(),
            created_at: now,
            updated_at: now,
        }
    }
}

/// A caller asked for a role for a cluster that has none.
pub fn provision_requested(new: NewBinding, now: DateTime<Utc>) -> Transition {
    let event = EventDetail::ProvisionRequested {
        adopted: false,
        spec: new.spec.clone(),
    };
    let provisioning = Lifecycle::Provisioning { last_error: None };
    Transition::with(new.in_state(provisioning, now), event)
}

/// An operator adopted an orphan as its cluster's live role.
pub fn adopted(orphan: NewBinding, now: DateTime<Utc>) -> Transition {
    let event = EventDetail::ProvisionRequested {
        adopted: true,
        spec: orphan.spec.clone(),
    };
    let provisioning = Lifecycle::Provisioning { last_error: None };
    Transition::with(orphan.in_state(provisioning, now), event)
}

/// An operator wants an orphan removed. The orphan gets a tombstone; the reconciler then removes it
/// like any late resource of a finished incarnation.
pub fn adopted_as_deleted(orphan: NewBinding, now: DateTime<Utc>) -> Transition {
    let event = EventDetail::TeardownRequested {
        again: false,
        adopted: Some(orphan.spec.clone()),
    };
    let deleted = Lifecycle::Deleted {
        last_error: None,
        receipt: None,
    };
    Transition::with(orphan.in_state(deleted, now), event)
}

/// Returns the keys of the tags that intents may have set or removed although AWS did not accept all
/// of their steps, the current intent included.
pub(super) fn tags_in_doubt(binding: &Binding) -> BTreeSet<String> {
    let applied = binding.applied_spec.as_ref();
    let specs = applied.into_iter().chain([&binding.spec]);
    let keys = specs.flat_map(|spec| spec.tags.iter().map(|(key, _)| key.to_owned()));
    keys.chain(binding.unapplied_tags.iter().cloned()).collect()
}

/// A caller asked for another spec, or asked again for the same spec after the intent was rejected
/// or a resource was deleted.
///
/// # Errors
/// When the binding is being removed or is gone.
pub fn change_requested(
    binding: Binding,
    spec: RoleSpec,
    now: DateTime<Utc>,
) -> Result<Transition, WrongState> {
    if !binding.lifecycle.wants_presence() {
        return Err(WrongState::new("change_requested", &binding));
    }
    let event = EventDetail::UpdateRequested { spec: spec.clone() };
    let unapplied_tags = if binding.is_intent_pending() {
        tags_in_doubt(&binding)
    } else {
        binding.unapplied_tags.clone()
    };
    let binding = Binding {
        lifecycle: Lifecycle::Provisioning { last_error: None },
        spec,
        unapplied_tags,
        ..next_intent(binding, now)
    };
    Ok(Transition::with(binding, event))
}

/// A caller asked for the role to be removed.
///
/// # Errors
/// When the role is being removed already, or is gone.
pub fn teardown_begun(binding: Binding, now: DateTime<Utc>) -> Result<Transition, WrongState> {
    match binding.lifecycle {
        Lifecycle::Provisioning { .. }
        | Lifecycle::WithdrawingChange { .. }
        | Lifecycle::Active { .. }
        | Lifecycle::WithdrawingProvision { .. } => {}
        Lifecycle::Deleting { .. }
        | Lifecycle::Blocked { .. }
        | Lifecycle::Failed { .. }
        | Lifecycle::Deleted { .. } => return Err(WrongState::new("teardown_begun", &binding)),
    }
    let event = EventDetail::TeardownRequested {
        again: false,
        adopted: None,
    };
    let binding = Binding {
        lifecycle: Lifecycle::Deleting {
            last_error: None,
            receipt: Receipt::default(),
        },
        drift: Vec::new(),
        ..next_intent(binding, now)
    };
    Ok(Transition::with(binding, event))
}

/// A caller asked again for a teardown that is blocked. The request is recorded as a new intent, so
/// that the worker of the old intent is superseded and the caller can wait for the outcome. The
/// receipt is continued.
///
/// # Errors
/// When the teardown is not blocked.
pub fn teardown_resumed(binding: Binding, now: DateTime<Utc>) -> Result<Transition, WrongState> {
    let Lifecycle::Blocked { receipt, .. } = &binding.lifecycle else {
        return Err(WrongState::new("teardown_resumed", &binding));
    };
    let event = EventDetail::TeardownRequested {
        again: true,
        adopted: None,
    };
    let binding = Binding {
        lifecycle: Lifecycle::Deleting {
            last_error: None,
            receipt: receipt.clone(),
        },
        ..next_intent(binding, now)
    };
    Ok(Transition::with(binding, event))
}

/// A caller asked for the removal of a role that has no resources. Only the record is closed; what the
/// service had to leave in another account stays listed.
///
/// # Errors
/// When the binding is not in the state `Failed`.
pub fn closed(binding: Binding, now: DateTime<Utc>) -> Result<Transition, WrongState> {
    let Lifecycle::Failed { rejection, receipt } = &binding.lifecycle else {
        return Err(WrongState::new("closed", &binding));
    };
    let with_left = receipt.clone().filter(|receipt| !receipt.left.is_empty());
    let event = match with_left.clone() {
        Some(receipt) => EventDetail::TornDown { receipt },
        None => EventDetail::NothingToTearDown,
    };
    let binding = Binding {
        lifecycle: Lifecycle::Deleted {
            last_error: Some(rejection.clone()),
            receipt: Some(with_left.unwrap_or_default()),
        },
        generation: binding.generation + 1,
        updated_at: now,
        ..binding
    };
    Ok(Transition::with(binding, event))
}

pub(crate) fn next_intent(binding: Binding, now: DateTime<Utc>) -> Binding {
    Binding {
        generation: binding.generation + 1,
        intent_key: None,
        attempts: 0,
        updated_at: now,
        ..binding
    }
}
