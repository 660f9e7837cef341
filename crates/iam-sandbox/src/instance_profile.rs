use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::role::{Detail, Role, tags_state};
use crate::tags::Tags;
use crate::xml::Xml;

/// An instance profile, as IAM stores it.
#[derive(Clone, Debug)]
pub(crate) struct InstanceProfile {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) tags: Tags,
    /// The key of the role in the profile; IAM allows at most one.
    pub(crate) role: Option<String>,
}

impl InstanceProfile {
    /// Writes the profile with its role, and with its tags if `with_tags` is set.
    pub(crate) fn write(&self, xml: &mut Xml, role: Option<&Role>, with_tags: bool) {
        xml.text("Path", &self.path)
            .text("InstanceProfileName", &self.name)
            .text("InstanceProfileId", &self.id)
            .text("Arn", &self.arn)
            .date("CreateDate", self.created)
            .list("Roles", role, |xml, role| {
                role.write(xml, Detail::InProfile);
            });
        if with_tags && !self.tags.is_empty() {
            xml.list("Tags", self.tags.iter(), |xml, tag| tag.write(xml));
        }
    }

    /// Returns the profile as `GET /_sandbox/state` shows it.
    pub(crate) fn state(&self, role: Option<&Role>) -> Value {
        json!({
            "name": self.name,
            "arn": self.arn,
            "id": self.id,
            "path": self.path,
            "tags": tags_state(&self.tags),
            "roles": role.map(|role| &role.name).into_iter().collect::<Vec<_>>(),
        })
    }
}
