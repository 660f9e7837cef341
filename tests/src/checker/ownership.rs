//! Invariants 1 and 6: every resource under our path has a live binding, and the service changes no
//! other resource.

use serde_json::Value;

use super::{Checker, Mutation, text};
use crate::database::BindingRow;

const OUR_PATH: &str = "/ai-unlimited/engine/";

impl Checker {
    pub(super) fn check_ownership(&self, breaches: &mut Vec<String>) {
        let kinds = [("role", &self.roles), ("instance profile", &self.profiles)];
        for (kind, all) in kinds {
            for found in all.iter().filter(|found| is_under_our_path(found)) {
                let name = text(found, "name");
                match self.binding_named(name) {
                    None => breaches.push(format!("1: {kind} {name} belongs to no binding")),
                    Some(binding) if !binding.live => breaches.push(format!(
                        "1: {kind} {name} exists, and its binding is finished: {}",
                        binding.state
                    )),
                    Some(_) => {}
                }
            }
        }
        for mutation in &self.mutations {
            if let Some(reason) = self.changes_foreign(mutation) {
                breaches.push(format!(
                    "6: call {} {} {reason}",
                    mutation.call.n, mutation.call.action
                ));
            }
        }
    }

    fn changes_foreign(&self, mutation: &Mutation) -> Option<String> {
        let parameter = |name: &str| mutation.call.params.get(name).map(String::as_str);
        let (role, profile) = (parameter("RoleName"), parameter("InstanceProfileName"));
        let Some(binding) = profile.or(role).and_then(|name| self.binding_named(name)) else {
            return Some(format!(
                "changes {role:?} {profile:?}, which belongs to no binding"
            ));
        };
        let role = role?;
        if profile.is_none() {
            return (binding.mode != "create")
                .then(|| format!("changes role {role}, which the service did not create"));
        }
        (role != role_in_profile(binding, &self.name_of(binding)))
            .then(|| format!("is about role {role}, which does not belong into the profile"))
    }

    fn name_of(&self, binding: &BindingRow) -> String {
        let found = self
            .bindings
            .iter()
            .find(|named| named.row.id == binding.id);
        found.map(|named| named.name.clone()).unwrap_or_default()
    }
}

/// The name of the role that a binding's instance profile should have.
pub(super) fn role_in_profile(binding: &BindingRow, own: &str) -> String {
    if binding.mode == "create" {
        return own.to_owned();
    }
    let named = text(&binding.spec, "iam_role");
    named.rsplit('/').next().unwrap_or(named).to_owned()
}

fn is_under_our_path(found: &Value) -> bool {
    text(found, "path").starts_with(OUR_PATH)
}
