//! Invariant 2: the resources of every active binding are as requested.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::ownership::role_in_profile;
use super::{Checker, Named, expected, text};
use crate::database::BindingRow;

impl Checker {
    pub(super) fn check_contents(&self, breaches: &mut Vec<String>) {
        for binding in &self.bindings {
            let row = &binding.row;
            if self.idle && row.live && row.state != "active" {
                breaches.push(format!(
                    "2: {} is still {} when the service is idle: {:?}",
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
                wrong.push(format!("drift is recorded: {}", row.drift));
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
            return wrong.push("the role does not exist".to_owned());
        };
        let mut differ = |what: &str, is: String, expected: String| {
            if is != expected {
                wrong.push(format!("{what} is {is}, expected {expected}"));
            }
        };
        let recorded = row.role.as_ref().unwrap_or(&Value::Null);
        for field in ["name", "arn", "id", "path"] {
            let (is, expected) = (text(role, field), text(recorded, field));
            differ(
                &format!("the role's {field}"),
                is.to_owned(),
                expected.to_owned(),
            );
        }
        differ(
            "the role's path",
            text(role, "path").to_owned(),
            expected::path(row),
        );
        differ(
            "the trust policy",
            format!("{:?}", expected::normalized(&role["trust"])),
            format!("{:?}", expected::normalized(&expected::trust(row))),
        );
        differ(
            "the boundary",
            role["boundary"].to_string(),
            row.spec["permissions_boundary"].to_string(),
        );
        differ(
            "the role's tags",
            format!("{:?}", self.our_tags(row, role)),
            format!("{:?}", expected::tags(row)),
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
        let expected = format!("{:?}", expected::normalized(&expected::policy(row)));
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
                format!("{:?}", expected::normalized(document)),
                expected.clone(),
            );
        }
    }

    fn check_profile(&self, binding: &Named, wrong: &mut Vec<String>) {
        let row = &binding.row;
        let Some(profile) = named(&self.profiles, &binding.name) else {
            return wrong.push("the instance profile does not exist".to_owned());
        };
        let mut differ = |what: &str, is: String, expected: String| {
            if is != expected {
                wrong.push(format!("the profile's {what} is {is}, expected {expected}"));
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
        differ(
            "path",
            text(profile, "path").to_owned(),
            expected::path(row),
        );
        differ(
            "tags",
            format!("{:?}", self.our_tags(row, profile)),
            format!("{:?}", expected::tags(row)),
        );
        let expected = json!([role_in_profile(row, &binding.name)]);
        differ("role", profile["roles"].to_string(), expected.to_string());
    }

    /// Returns the tags that belong to the service: ownership tags, and keys that any intent of this
    /// binding named. Other tags belong to others.
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
