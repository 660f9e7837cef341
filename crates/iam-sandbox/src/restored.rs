//! Puts resources into an account as `GET /_sandbox/state` shows them, with their unique ids.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_policy::size_of_text;
use serde_json::Value;

use crate::account::Account;
use crate::instance_profile::InstanceProfile;
use crate::managed_policy::ManagedPolicy;
use crate::role::{InlinePolicy, Role};
use crate::tags::Tags;

impl Account {
    /// Adds the roles, instance profiles and managed policies of a state; those with the same names are
    /// replaced. What the state does not show, such as descriptions, is as in a new resource.
    pub(crate) fn restore(&mut self, state: &Value, now: Duration, date: DateTime<Utc>) {
        for policy in list(state, "policies") {
            let policy = managed_policy(policy, date);
            let key = policy.name.to_ascii_lowercase();
            self.policies.put(&key, now, now, Some(Arc::new(policy)));
        }
        for role in list(state, "roles") {
            let role = role_of(role, date);
            let key = role.name.to_ascii_lowercase();
            self.roles.put(&key, now, now, Some(Arc::new(role)));
        }
        for profile in list(state, "instance_profiles") {
            let role = list(profile, "roles").next();
            let profile = InstanceProfile {
                name: text(profile, "name"),
                path: text(profile, "path"),
                id: text(profile, "id"),
                arn: text(profile, "arn"),
                created: date,
                tags: tags(profile),
                role: role.and_then(Value::as_str).map(str::to_ascii_lowercase),
            };
            let key = profile.name.to_ascii_lowercase();
            let profile = Some(Arc::new(profile));
            self.instance_profiles.put(&key, now, now, profile);
        }
    }
}

fn role_of(role: &Value, created: DateTime<Utc>) -> Role {
    let inline = role["inline"].as_object().into_iter().flatten();
    let inline = inline.map(|(name, document)| {
        let document = document.to_string();
        let size = size_of_text(&document);
        (name.clone(), InlinePolicy { document, size })
    });
    let attached = list(role, "attached").filter_map(Value::as_str);
    Role {
        name: text(role, "name"),
        path: text(role, "path"),
        id: text(role, "id"),
        arn: text(role, "arn"),
        created,
        trust: role["trust"].to_string(),
        description: None,
        max_session_duration: 3_600,
        boundary: role["boundary"].as_str().map(str::to_owned),
        tags: tags(role),
        inline: inline.collect(),
        attached: attached.map(str::to_owned).collect(),
    }
}

fn managed_policy(policy: &Value, created: DateTime<Utc>) -> ManagedPolicy {
    let arn = text(policy, "arn");
    let resource = arn
        .split_once(":policy")
        .map_or("/", |(_, resource)| resource);
    let (path, name) = resource.rsplit_once('/').unwrap_or(("", resource));
    ManagedPolicy {
        name: name.to_owned(),
        path: format!("{path}/"),
        // The state does not show it, and nothing refers to it.
        id: "ANPARESTORED000000000".to_owned(),
        arn: arn.clone(),
        created,
        description: None,
        document: policy["document"].to_string(),
        tags: Tags::default(),
    }
}

fn tags(resource: &Value) -> Tags {
    let tags = resource["tags"].as_object().into_iter().flatten();
    Tags::stored(tags.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default())))
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
