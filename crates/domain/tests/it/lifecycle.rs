//! Every state of a binding against every transition.

use engine_roles_domain::binding::lifecycle::{
    Activation, DeniedStep, Transition, WrongState, activated, blocked, change_requested, closed,
    delayed, drift_found, drift_repaired, rejected, rejected_with_nothing_created, resources_gone,
    teardown_begun, teardown_resumed, verified,
};
use engine_roles_domain::binding::{Binding, DriftKind, Failure, Receipt};
use engine_roles_domain::cluster::RoleSpec;
use engine_roles_domain::resources::Step;
use serde_json::json;

use crate::fixtures::{GENERATION, at, drift_of, every, rejection_of, spec, tag_role};

mod answers;
mod checks;
mod outcomes;
mod removals;
mod requests;
mod stored;
mod table;

/// The time of the transitions in these tests, later than all times in the fixtures.
const NOW: i64 = 1_000;
const LATER: i64 = 2_000;

/// A call of a transition. Where the result depends on an argument, there are several cases for the
/// same transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    ChangeRequested,
    TeardownBegun,
    TeardownResumed,
    Closed,
    Activated,
    Rejected,
    RejectedWithNothingCreated,
    Delayed,
    Blocked,
    ResourcesGone,
    NothingFound,
    Verified,
    DriftFound,
    DriftRepaired,
    RepairDenied,
}

impl Case {
    fn all() -> [Self; 15] {
        every!(Case {
            ChangeRequested,
            TeardownBegun,
            TeardownResumed,
            Closed,
            Activated,
            Rejected,
            RejectedWithNothingCreated,
            Delayed,
            Blocked,
            ResourcesGone,
            NothingFound,
            Verified,
            DriftFound,
            DriftRepaired,
            RepairDenied,
        })
    }

    /// The name of the transition.
    fn transition(self) -> &'static str {
        match self {
            Self::ChangeRequested => "change_requested",
            Self::TeardownBegun => "teardown_begun",
            Self::TeardownResumed => "teardown_resumed",
            Self::Closed => "closed",
            Self::Activated => "activated",
            Self::Rejected => "rejected",
            Self::RejectedWithNothingCreated => "rejected_with_nothing_created",
            Self::Delayed => "delayed",
            Self::Blocked => "blocked",
            Self::ResourcesGone | Self::NothingFound => "resources_gone",
            Self::Verified => "verified",
            Self::DriftFound => "drift_found",
            Self::DriftRepaired | Self::RepairDenied => "drift_repaired",
        }
    }

    /// The name of the transition, with the argument that distinguishes this variant.
    fn label(self) -> String {
        let detail = match self {
            Self::NothingFound => " (nothing found)",
            Self::RepairDenied => " (all denied)",
            _ => "",
        };
        format!("{}{detail}", self.transition())
    }

    fn apply_to(self, binding: Binding) -> Result<Transition, WrongState> {
        let now = at(NOW);
        match self {
            Self::ChangeRequested => change_requested(binding, changed_spec(), now),
            Self::TeardownBegun => teardown_begun(binding, now),
            Self::TeardownResumed => teardown_resumed(binding, now),
            Self::Closed => closed(binding, now),
            Self::Activated => activated(binding, activation(), now),
            Self::Rejected => {
                let failure = rejection_of(binding.generation);
                rejected(binding, failure, now)
            }
            Self::RejectedWithNothingCreated => {
                let failure = rejection_of(binding.generation);
                rejected_with_nothing_created(binding, failure, now)
            }
            Self::Delayed => delayed(binding, "IAM is throttling".to_owned(), at(LATER), now),
            Self::Blocked => {
                let failure = obstacle(&binding);
                blocked(binding, failure, at(LATER), now)
            }
            Self::ResourcesGone => resources_gone(binding, true, now),
            Self::NothingFound => resources_gone(binding, false, now),
            Self::Verified => verified(binding, now),
            Self::DriftFound => drift_found(binding, vec![drift_of(DriftKind::PolicyMissing)], now),
            Self::DriftRepaired => {
                drift_repaired(binding, vec!["TagRole (role x)".to_owned()], &[], now)
            }
            Self::RepairDenied => drift_repaired(binding, Vec::new(), &[denied(tag_role())], now),
        }
    }
}

fn changed_spec() -> RoleSpec {
    RoleSpec {
        session_manager: true,
        ..spec()
    }
}

fn activation() -> Activation {
    Activation {
        policy: Some(json!({"Statement": ["new"]})),
        usable_after: Some(at(LATER)),
        calls: 3,
    }
}

/// The failure of a removal that found a resource which it may not remove.
fn obstacle(binding: &Binding) -> Failure {
    Failure {
        blockers: vec!["instance profile theirs".to_owned()],
        detail: "the role is in instance profile theirs".to_owned(),
        ..rejection_of(binding.generation)
    }
}

fn denied(step: Step) -> DeniedStep {
    DeniedStep {
        permission: format!("iam:{}", step.action()),
        step,
    }
}

fn apply(case: Case, binding: &Binding) -> Transition {
    case.apply_to(binding.clone())
        .expect("the transition is possible")
}

/// The binding with the generation, attempts and times that a new intent gives it.
fn with_next_intent(before: &Binding) -> Binding {
    Binding {
        generation: GENERATION + 1,
        attempts: 0,
        updated_at: at(NOW),
        ..before.clone()
    }
}

fn touched(before: &Binding) -> Binding {
    Binding {
        updated_at: at(NOW),
        ..before.clone()
    }
}

fn receipt_of(binding: &Binding) -> Receipt {
    binding.receipt().cloned().expect("a receipt")
}
