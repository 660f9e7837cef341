//! Invariant 3: what was acknowledged is in the database.

use reqwest::Method;

use super::Checker;
use crate::client::Acknowledged;

impl Checker {
    pub(super) fn check_promises(&self, breaches: &mut Vec<String>) {
        for promise in &self.acknowledged {
            if let Some(reason) = self.broken(promise) {
                breaches.push(format!(
                    "3: {} of {} was answered {} ({}), and {reason}",
                    promise.method, promise.cluster, promise.status, promise.request_id
                ));
            }
        }
    }

    fn broken(&self, promise: &Acknowledged) -> Option<String> {
        let id = &promise.binding_id;
        let binding = self
            .bindings
            .iter()
            .map(|named| &named.row)
            .find(|row| row.id.to_string() == *id);
        let Some(binding) = binding else {
            return Some(format!("there is no binding {id}"));
        };
        if binding.generation < promise.generation {
            return Some(format!(
                "its generation went back from {} to {}",
                promise.generation, binding.generation
            ));
        }
        if promise.method == Method::DELETE {
            let goes = ["deleting", "deleted", "blocked"].contains(&binding.state.as_str());
            return (!goes).then(|| format!("its binding is {}", binding.state));
        }
        if promise.status == 201 && !self.has_event(&promise.request_id, "provision_requested") {
            return Some("the audit log has no such request".to_owned());
        }
        let gone = !["provisioning", "active"].contains(&binding.state.as_str());
        let asked = self.events_of(binding).any(|event| {
            event.generation > promise.generation
                && ["teardown_requested", "torn_down"].contains(&event.action.as_str())
        });
        // What was accepted with 202 may still be refused.
        (gone && !asked && promise.status != 202)
            .then(|| format!("its binding is {}, for which nobody asked", binding.state))
    }

    fn has_event(&self, request_id: &str, action: &str) -> bool {
        self.events
            .iter()
            .any(|event| event.action == action && event.request_id.as_deref() == Some(request_id))
    }
}
