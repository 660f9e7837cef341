//! Invariant 5: every change at IAM has an intent that was recorded before the call.

use super::{Checker, Mutation};
use crate::database::EventRow;

impl Checker {
    pub(super) fn check_intents(&self, breaches: &mut Vec<String>) {
        for mutation in &self.mutations {
            let call = &mutation.call;
            let names = ["InstanceProfileName", "RoleName"];
            let mut names = names.iter().filter_map(|name| call.params.get(*name));
            let Some(binding) = names.find_map(|name| self.binding_named(name)) else {
                continue; // Invariant 6 reports it.
            };
            let written = self.events.iter().zip(&self.written);
            let before = written
                .filter(|(event, at)| event.binding_id == binding.id && **at <= mutation.at)
                .map(|(event, _)| event);
            let intended = before.into_iter().any(|event| intends(event, mutation));
            if !intended {
                breaches.push(format!(
                    "5: call {} {} for {} at {} has no intent before it",
                    call.n, call.action, binding.cluster, mutation.at
                ));
            }
        }
    }
}

/// Whether this event allows such a call after it.
fn intends(event: &EventRow, mutation: &Mutation) -> bool {
    let removes = ["Delete", "Remove", "Detach"]
        .iter()
        .any(|verb| mutation.call.action.starts_with(verb));
    if removes {
        if event.action == "drift_found" && mutation.call.action == "RemoveRoleFromInstanceProfile"
        {
            // A role that was passed by its name, and is not the one that the administrator listed.
            let drift = event.detail["drift"].as_array().into_iter().flatten();
            let mut kinds = drift.map(|drift| &drift["kind"]);
            return kinds.any(|kind| kind == "other_role_in_profile");
        }
        return ["deleting", "deleted", "failed"].contains(&event.to_state.as_str());
    }
    matches!(
        event.action.as_str(),
        "provision_requested" | "update_requested"
    )
}
