//! Invariant 3: every acknowledged request is in the database.

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
            return Some(format!("binding {id} does not exist"));
        };
        if binding.generation < promise.generation {
            return Some(format!(
                "its generation went back from {} to {}",
                promise.generation, binding.generation
            ));
        }
        if promise.method == Method::DELETE {
            let is_torn_down = ["deleting", "deleted", "blocked"].contains(&binding.state.as_str());
            return (!is_torn_down).then(|| format!("its binding is {}", binding.state));
        }
        // A conditional request that was sent again gets the first one's answer.
        let mut same = self.acknowledged.iter().filter(|other| {
            other.status == 201 && other.binding_id == *id && other.cluster == promise.cluster
        });
        if promise.status == 201
            && !same.any(|other| self.has_event(&other.request_id, "provision_requested"))
        {
            return Some("the audit log does not have the request".to_owned());
        }
        let is_over = !["provisioning", "active"].contains(&binding.state.as_str());
        let is_requested = self.events_of(binding).any(|event| {
            event.generation > promise.generation
                && ["teardown_requested", "torn_down"].contains(&event.action.as_str())
        });
        // A request that was answered 202 may still fail.
        (is_over && !is_requested && promise.status != 202).then(|| {
            format!(
                "its binding is {}, which no caller requested",
                binding.state
            )
        })
    }

    fn has_event(&self, request_id: &str, action: &str) -> bool {
        self.events
            .iter()
            .any(|event| event.action == action && event.request_id.as_deref() == Some(request_id))
    }
}
