//! Invariant 4: every change of state has exactly one audit event, and every event its change.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use crate::database::{BindingRow, EventRow};

/// Events, with the states before and the state after each.
const STEPS: [(&str, &[&str], &str); 5] = [
    ("provision_requested", &[""], "provisioning"),
    (
        "update_requested",
        &["active", "provisioning"],
        "provisioning",
    ),
    (
        "teardown_requested",
        &["active", "provisioning", "failed", "blocked"],
        "deleting",
    ),
    ("provisioned", &["provisioning"], "active"),
    ("updated", &["provisioning"], "active"),
];

impl Checker {
    pub(super) fn check_history(&self, breaches: &mut Vec<String>) {
        let mut report = |what: String| breaches.push(format!("4: {what}"));
        let numbers: Vec<i64> = self.events.iter().filter_map(|event| event.seq).collect();
        for (place, number) in (1..).zip(&numbers) {
            if *number != place {
                report(format!("event {place} of the log has number {number}"));
                break;
            }
        }
        for binding in &self.bindings {
            for what in self.broken_chain(&binding.row) {
                report(format!(
                    "{} ({}): {what}",
                    binding.row.cluster, binding.row.id
                ));
            }
        }
        let mut intents: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| begins_generation(event)) {
            intents
                .entry(&event.cluster)
                .or_default()
                .push(event.generation);
        }
        for cluster in &self.clusters {
            let mut begun = intents.remove(cluster.cluster.as_str()).unwrap_or_default();
            begun.sort_unstable();
            let distinct: BTreeSet<i64> = begun.iter().copied().collect();
            if distinct.len() != begun.len() {
                report(format!(
                    "{}: a generation begins twice: {begun:?}",
                    cluster.cluster
                ));
            }
            // The withdrawal of a denied change has its own generation.
            let rejected = self
                .events
                .iter()
                .filter(|event| event.cluster == cluster.cluster && event.action == "rejected");
            let all: BTreeSet<i64> = rejected
                .map(|event| event.generation)
                .chain(distinct)
                .collect();
            let expected: BTreeSet<i64> = (1..=cluster.generation).collect();
            if all != expected {
                report(format!(
                    "{} is at generation {}, and the log has {all:?}",
                    cluster.cluster, cluster.generation
                ));
            }
        }
    }

    fn broken_chain(&self, binding: &BindingRow) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut state: Option<&str> = None;
        let mut last = 0;
        let mut endings: BTreeMap<(&str, i64), usize> = BTreeMap::new();
        for event in self.events_of(binding) {
            let from = event.from_state.as_deref();
            if from != state {
                wrong.push(format!(
                    "{} has the state before {from:?}, but the event before it left {state:?}",
                    event.action
                ));
            }
            let known = STEPS.iter().find(|(action, ..)| *action == event.action);
            if let Some((_, before, after)) = known
                && (!before.contains(&from.unwrap_or_default()) || event.to_state != *after)
            {
                wrong.push(format!(
                    "{} from {from:?} to {}",
                    event.action, event.to_state
                ));
            }
            if event.generation < last {
                wrong.push(format!(
                    "{} has generation {} after {last}",
                    event.action, event.generation
                ));
            }
            if ["provisioned", "updated", "torn_down"].contains(&event.action.as_str()) {
                *endings
                    .entry((&event.action, event.generation))
                    .or_default() += 1;
            }
            last = event.generation;
            state = Some(&event.to_state);
        }
        for ((action, generation), times) in endings.into_iter().filter(|(_, times)| *times > 1) {
            wrong.push(format!(
                "generation {generation} was {action} {times} times"
            ));
        }
        if state != Some(binding.state.as_str()) {
            wrong.push(format!(
                "the state is {}, but the log left it {state:?}",
                binding.state
            ));
        }
        wrong
    }
}

fn begins_generation(event: &EventRow) -> bool {
    event.action.ends_with("_requested") || !event.detail["nothing_was_made"].is_null()
}
