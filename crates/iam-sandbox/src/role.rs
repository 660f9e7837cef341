use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::errors::ApiError;
use crate::tags::Tags;
use crate::xml::Xml;

/// IAM's limit for all inline policies of one role together, in characters without white space.
const INLINE_SIZE: usize = 10_240;

/// IAM's limit for the managed policies attached to a role.
pub(crate) const ATTACHED: usize = 10;

/// A role, as IAM stores it.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) trust: String,
    pub(crate) description: Option<String>,
    pub(crate) max_session_duration: u32,
    /// The ARN of the permissions boundary, if the role has one.
    pub(crate) boundary: Option<String>,
    pub(crate) tags: Tags,
    /// Inline policies by name.
    pub(crate) inline: BTreeMap<String, InlinePolicy>,
    /// The ARNs of the attached managed policies.
    pub(crate) attached: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct InlinePolicy {
    pub(crate) document: String,
    /// In characters, without white space.
    pub(crate) size: usize,
}

/// The parts of a role that an answer shows, by the action that answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// `CreateRole`.
    Created,
    /// `GetRole`.
    Full,
    /// `ListRoles`, which shows neither tags nor boundary.
    Listed,
    /// A role inside an instance profile.
    InProfile,
}

impl Role {
    /// Adds an inline policy, or replaces the one with this name.
    ///
    /// # Errors
    /// `LimitExceeded` if the inline policies together would be too large.
    pub(crate) fn put_inline(&mut self, name: &str, policy: InlinePolicy) -> Result<(), ApiError> {
        let others = self.inline.iter().filter(|(other, _)| *other != name);
        let size = policy.size + others.map(|(_, other)| other.size).sum::<usize>();
        if size > INLINE_SIZE {
            return Err(ApiError::limit(format!(
                "Maximum policy size of {INLINE_SIZE} bytes exceeded for role {}",
                self.name
            )));
        }
        self.inline.insert(name.to_owned(), policy);
        Ok(())
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) fn inline(&self, name: &str) -> Result<&InlinePolicy, ApiError> {
        self.inline.get(name).ok_or_else(|| no_inline(name))
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) fn remove_inline(&mut self, name: &str) -> Result<(), ApiError> {
        let removed = self.inline.remove(name);
        removed.map(|_| ()).ok_or_else(|| no_inline(name))
    }

    pub(crate) fn write(&self, xml: &mut Xml, detail: Detail) {
        xml.text("Path", &self.path)
            .text("RoleName", &self.name)
            .text("RoleId", &self.id)
            .text("Arn", &self.arn)
            .date("CreateDate", self.created)
            .document("AssumeRolePolicyDocument", &self.trust);
        if matches!(detail, Detail::Full | Detail::Listed) {
            if let Some(description) = &self.description {
                xml.text("Description", description);
            }
            xml.text("MaxSessionDuration", self.max_session_duration.to_string());
        }
        if matches!(detail, Detail::Full | Detail::Created) {
            self.write_boundary(xml);
            self.write_tags(xml);
        }
        if detail == Detail::Full {
            xml.element("RoleLastUsed", |_| {});
        }
    }

    pub(crate) fn write_boundary(&self, xml: &mut Xml) {
        if let Some(boundary) = &self.boundary {
            xml.element("PermissionsBoundary", |xml| {
                xml.text("PermissionsBoundaryType", "Policy")
                    .text("PermissionsBoundaryArn", boundary);
            });
        }
    }

    pub(crate) fn write_tags(&self, xml: &mut Xml) {
        if !self.tags.is_empty() {
            xml.list("Tags", self.tags.iter(), |xml, tag| tag.write(xml));
        }
    }

    /// Returns the role as `GET /_sandbox/state` shows it.
    pub(crate) fn state(&self) -> Value {
        let inline = self.inline.iter();
        json!({
            "name": self.name,
            "arn": self.arn,
            "id": self.id,
            "path": self.path,
            "tags": tags_state(&self.tags),
            "trust": document_state(&self.trust),
            "boundary": self.boundary,
            "inline": inline
                .map(|(name, policy)| (name.clone(), document_state(&policy.document)))
                .collect::<serde_json::Map<_, _>>(),
            "attached": self.attached,
        })
    }
}

fn no_inline(name: &str) -> ApiError {
    ApiError::absent(format!("The role policy with name {name} cannot be found."))
}

pub(crate) fn tags_state(tags: &Tags) -> Value {
    let tags = tags.iter();
    tags.map(|tag| (tag.key.clone(), Value::from(tag.value.as_str())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

pub(crate) fn document_state(document: &str) -> Value {
    serde_json::from_str(document).expect("a stored document is JSON")
}
