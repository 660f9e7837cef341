//! The table of states and transitions.

use std::collections::BTreeSet;

use engine_roles_domain::binding::Binding;
use insta::assert_snapshot;

use super::{Case, changed_spec};
use crate::fixtures::{Stage, in_stage};

/// The last spec that AWS accepted in full, compared with the current spec.
#[derive(Clone, Copy, Debug)]
enum Applied {
    Nothing,
    TheSameSpec,
    AnotherSpec,
}

impl Applied {
    const ALL: [Self; 3] = [Self::Nothing, Self::TheSameSpec, Self::AnotherSpec];

    fn label(self) -> &'static str {
        match self {
            Self::Nothing => "nothing was applied",
            Self::TheSameSpec => "the same spec was applied",
            Self::AnotherSpec => "another spec was applied",
        }
    }

    fn to(self, binding: Binding) -> Binding {
        let applied_spec = match self {
            Self::Nothing => None,
            Self::TheSameSpec => Some(binding.spec.clone()),
            Self::AnotherSpec => Some(changed_spec()),
        };
        Binding {
            applied_generation: applied_spec.as_ref().map(|_| 1),
            applied_spec,
            ..binding
        }
    }
}

/// The result: the new state, the event's action, and by how much the generation grows.
fn outcome(case: Case, before: &Binding) -> String {
    match case.apply_to(before.clone()) {
        Ok(after) => {
            let state = format!("{:?}", Stage::of(&after.binding));
            let action = after.event.map_or("-", |event| event.action().as_str());
            let growth = after.binding.generation - before.generation;
            format!("{state:<22}{action:<22}+{growth}")
        }
        Err(wrong) => {
            assert_eq!(wrong.state, before.state());
            assert_eq!(wrong.event, case.transition());
            CAN_NOT.to_owned()
        }
    }
}

const CAN_NOT: &str = "can't happen";

/// The lines for one transition in one state: one line where the applied spec does not matter, else
/// three. None where the transition is not possible.
fn lines(case: Case, stage: Stage) -> Vec<String> {
    let before = Binding {
        attempts: 0,
        drift: Vec::new(),
        ..in_stage(stage)
    };
    let outcomes = Applied::ALL.map(|applied| outcome(case, &applied.to(before.clone())));
    let label = format!("  {:<32}", case.label());
    if outcomes.iter().any(|outcome| *outcome != outcomes[0]) {
        let rows = Applied::ALL.iter().zip(outcomes);
        return rows
            .map(|(applied, outcome)| format!("{label}{outcome:<44}  {}", applied.label()))
            .collect();
    }
    if outcomes[0] == CAN_NOT {
        return Vec::new();
    }
    vec![format!("{label}{}", outcomes[0])]
}

#[test]
fn each_transition_in_each_state_has_its_result() {
    let mut table = Vec::new();
    for stage in Stage::all() {
        table.push(format!("{stage:?}"));
        let mut impossible = Vec::new();
        for case in Case::all() {
            let lines = lines(case, stage);
            if lines.is_empty() {
                impossible.push(case.label());
            }
            table.extend(lines);
        }
        table.push(format!("  {CAN_NOT}: {}", impossible.join(", ")));
    }
    assert_snapshot!(table.join("\n"), @"
    Provisioning
      change_requested                Provisioning          update_requested      +1
      teardown_begun                  Deleting              teardown_requested    +1
      activated                       Active                provisioned           +0  nothing was applied
      activated                       Active                updated               +0  the same spec was applied
      activated                       Active                updated               +0  another spec was applied
      rejected                        WithdrawingProvision  rejected              +0  nothing was applied
      rejected                        Active                rejected              +0  the same spec was applied
      rejected                        WithdrawingChange     rejected              +1  another spec was applied
      rejected_with_nothing_created   Failed                rejected              +0  nothing was applied
      rejected_with_nothing_created   can't happen                                  the same spec was applied
      rejected_with_nothing_created   can't happen                                  another spec was applied
      delayed                         Provisioning          delayed               +0
      can't happen: teardown_resumed, closed, blocked, resources_gone, resources_gone (nothing found), verified, drift_found, drift_repaired, drift_repaired (all denied)
    WithdrawingChange
      change_requested                Provisioning          update_requested      +1
      teardown_begun                  Deleting              teardown_requested    +1
      activated                       Active                provisioned           +0  nothing was applied
      activated                       Active                withdrawn             +0  the same spec was applied
      activated                       Active                withdrawn             +0  another spec was applied
      rejected                        WithdrawingProvision  rejected              +0  nothing was applied
      rejected                        Active                rejected              +0  the same spec was applied
      rejected                        WithdrawingChange     rejected              +1  another spec was applied
      delayed                         WithdrawingChange     delayed               +0
      can't happen: teardown_resumed, closed, rejected_with_nothing_created, blocked, resources_gone, resources_gone (nothing found), verified, drift_found, drift_repaired, drift_repaired (all denied)
    Active
      change_requested                Provisioning          update_requested      +1
      teardown_begun                  Deleting              teardown_requested    +1
      verified                        Active                -                     +0
      drift_found                     Active                drift_found           +0
      drift_repaired                  Active                drift_repaired        +0
      drift_repaired (all denied)     Active                -                     +0
      can't happen: teardown_resumed, closed, activated, rejected, rejected_with_nothing_created, delayed, blocked, resources_gone, resources_gone (nothing found)
    Deleting
      delayed                         Deleting              delayed               +0
      blocked                         Blocked               blocked               +0
      resources_gone                  Deleted               torn_down             +0
      resources_gone (nothing found)  Deleted               torn_down             +0
      can't happen: change_requested, teardown_begun, teardown_resumed, closed, activated, rejected, rejected_with_nothing_created, verified, drift_found, drift_repaired, drift_repaired (all denied)
    Blocked
      teardown_resumed                Deleting              teardown_requested    +1
      delayed                         Blocked               delayed               +0
      blocked                         Blocked               -                     +0
      resources_gone                  Deleted               torn_down             +0
      resources_gone (nothing found)  Deleted               torn_down             +0
      can't happen: change_requested, teardown_begun, closed, activated, rejected, rejected_with_nothing_created, verified, drift_found, drift_repaired, drift_repaired (all denied)
    WithdrawingProvision
      teardown_begun                  Deleting              teardown_requested    +1
      delayed                         WithdrawingProvision  delayed               +0
      blocked                         Blocked               blocked               +0
      resources_gone                  Failed                withdrawn             +0
      resources_gone (nothing found)  Failed                withdrawn             +0
      can't happen: change_requested, teardown_resumed, closed, activated, rejected, rejected_with_nothing_created, verified, drift_found, drift_repaired, drift_repaired (all denied)
    Failed
      closed                          Deleted               torn_down             +1
      delayed                         Failed                delayed               +0
      blocked                         Failed                blocked               +0
      resources_gone                  Failed                late_resource_removed +0
      resources_gone (nothing found)  Failed                -                     +0
      can't happen: change_requested, teardown_begun, teardown_resumed, activated, rejected, rejected_with_nothing_created, verified, drift_found, drift_repaired, drift_repaired (all denied)
    Deleted
      delayed                         Deleted               delayed               +0
      blocked                         Deleted               blocked               +0
      resources_gone                  Deleted               late_resource_removed +0
      resources_gone (nothing found)  Deleted               -                     +0
      can't happen: change_requested, teardown_begun, teardown_resumed, closed, activated, rejected, rejected_with_nothing_created, verified, drift_found, drift_repaired, drift_repaired (all denied)
    ");
}

#[test]
fn the_fixture_of_a_state_is_in_that_state() {
    for stage in Stage::all() {
        assert_eq!(Stage::of(&in_stage(stage)), stage);
    }
}

#[test]
fn every_transition_of_the_module_is_in_the_table() {
    // These transitions create a binding or merge what was learned under an older intent. Other
    // tests cover these transitions.
    let others = [
        "provision_requested",
        "adopted",
        "adopted_as_deleted",
        "superseded",
    ];
    let tested = Case::all().map(Case::transition);
    let tested: BTreeSet<&str> = tested.into_iter().chain(others).collect();
    let module = include_str!("../../../src/binding/lifecycle/mod.rs");
    let exports = module.split("pub use ").skip(1);
    let exports = exports.filter_map(|rest| rest.split_once(';'));
    let names = exports.flat_map(|(list, _)| {
        let list = list.split_once('{').map_or(list, |(_, list)| list);
        list.trim_end_matches('}').split(',').map(str::trim)
    });
    let transitions = names.filter(|name| name.starts_with(|first: char| first.is_lowercase()));
    assert_eq!(transitions.collect::<BTreeSet<_>>(), tested);
}
