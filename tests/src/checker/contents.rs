//! Invariant 2: what is active is exactly what was meant.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::ownership::role_in_profile;
use super::{Checker, Named, meant, text};
use crate::database::BindingRow;

impl Checker {
    pub(super) fn check_contents(&self, breaches: &mut Vec<String>) {
        for binding in &self.bindings {
            let row = &binding.row;
            if self.quiet && row.live && row.state != "active" {
                breaches.push(format!(
                    "2: {} is still {} at rest: {:?}",
                    row.cluster, row.state, row.last_error
                ));
            }
            if row.state != "active" {
                continue;
            }
            let mut wrong = Vec::new();
            if row.applied_generation != Some(row.generation) {
                wrong.push(format!(
                    "generation {} is active, {:?} is applied",
                    row.generation, row.applied_generation
                ));
            }
            if row.drift != json!([]) {
                wrong.push(format!("it has drifted: {}", row.drift));
            }
            if row.mode == "create" {
                self.check_role(binding, &mut wrong);
            }
            if row.spec["instance_profile"].is_null() {
                self.check_profile(binding, &mut wrong);
            }
            breaches.extend(
                wrong
                    .into_iter()
                    .map(|what| format!("2: {} ({}): {what}", row.cluster, binding.name)),
            );
        }
    }

    fn check_role(&self, binding: &Named, wrong: &mut Vec<String>) {
        let row = &binding.row;
        let Some(role) = named(&self.roles, &binding.name) else {
            return wrong.push("there is no role".to_owned());
        };
        let mut differ = |what: &str, is: String, meant: String| {
            if is != meant {
                wrong.push(format!("{what} is {is}, meant is {meant}"));
            }
        };
        let recorded = row.role.as_ref().unwrap_or(&Value::Null);
        for field in ["name", "arn", "id", "path"] {
            let (is, meant) = (text(role, field), text(recorded, field));
            differ(
                &format!("the role's {field}"),
                is.to_owned(),
                meant.to_owned(),
            );
        }
        differ(
            "the role's path",
            text(role, "path").to_owned(),
            meant::path(row),
        );
        differ(
            "the trust policy",
            format!("{:?}", meant::meaning(&role["trust"])),
            format!("{:?}", meant::meaning(&meant::trust(row))),
        );
        differ(
            "the boundary",
            role["boundary"].to_string(),
            row.spec["permissions_boundary"].to_string(),
        );
        differ(
            "the role's tags",
            format!("{:?}", self.our_tags(row, role)),
            format!("{:?}", meant::tags(row)),
        );
        differ(
            "attached policies",
            role["attached"].to_string(),
            "[]".to_owned(),
        );
        let inline = role["inline"].as_object().cloned().unwrap_or_default();
        let names: Vec<&String> = inline.keys().collect();
        differ(
            "inline policies",
            format!("{names:?}"),
            "[\"engine-access\"]".to_owned(),
        );
        let meant = format!("{:?}", meant::meaning(&meant::policy(row)));
        let shown = row.policy.as_ref().unwrap_or(&Value::Null);
        for (what, document) in [
            (
                "the inline policy",
                &inline.get("engine-access").cloned().unwrap_or_default(),
            ),
            ("the recorded policy", shown),
        ] {
            differ(
                what,
                format!("{:?}", meant::meaning(document)),
                meant.clone(),
            );
        }
    }

    fn check_profile(&self, binding: &Named, wrong: &mut Vec<String>) {
        let row = &binding.row;
        let Some(profile) = named(&self.profiles, &binding.name) else {
            return wrong.push("there is no instance profile".to_owned());
        };
        let mut differ = |what: &str, is: String, meant: String| {
            if is != meant {
                wrong.push(format!("the profile's {what} is {is}, meant is {meant}"));
            }
        };
        let recorded = row.profile.as_ref().unwrap_or(&Value::Null);
        for field in ["name", "arn", "id"] {
            differ(
                field,
                text(profile, field).to_owned(),
                text(recorded, field).to_owned(),
            );
        }
        differ("path", text(profile, "path").to_owned(), meant::path(row));
        differ(
            "tags",
            format!("{:?}", self.our_tags(row, profile)),
            format!("{:?}", meant::tags(row)),
        );
        let meant = json!([role_in_profile(row, &binding.name)]);
        differ("role", profile["roles"].to_string(), meant.to_string());
    }

    /// The tags whose keys are ours: this service's own, and those that any intent of this
    /// binding ever named. What others put beside them is theirs.
    fn our_tags(&self, row: &BindingRow, found: &Value) -> BTreeMap<String, String> {
        let named = self
            .events
            .iter()
            .filter(|event| event.binding_id == row.id);
        let named: BTreeSet<&String> = named
            .filter_map(|event| event.detail["spec"]["tags"].as_object())
            .flat_map(|tags| tags.keys())
            .collect();
        let mut tags = tags(found);
        tags.retain(|key, _| key.starts_with("ai-unlimited:") || named.contains(key));
        tags
    }
}

fn named<'a>(all: &'a [Value], name: &str) -> Option<&'a Value> {
    all.iter().find(|found| text(found, "name") == name)
}

fn tags(found: &Value) -> BTreeMap<String, String> {
    let tags = found["tags"].as_object().into_iter().flatten();
    let tags =
        tags.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
    tags.collect()
}
