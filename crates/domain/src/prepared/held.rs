//! The policies that a role holds, as IAM shows them.

use engine_roles_policy::{Document, Kind};
use serde::{Deserialize, Serialize};

use crate::binding::record::RoleRecord;

/// A role with the documents that decide what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRole {
    /// Name, ARN, unique id and path.
    pub role: RoleRecord,
    /// Its trust policy as JSON text; none where it was not shown.
    pub trust: Option<String>,
    /// Its inline policies and the managed ones attached to it.
    pub policies: Vec<HeldPolicy>,
    /// Its permissions boundary.
    pub boundary: Option<HeldPolicy>,
    /// The permissions without which its policies could not be listed.
    pub unlisted: Vec<String>,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPolicy {
    /// Which.
    pub name: PolicyName,
    /// Its JSON text, or why it could not be read.
    pub text: Result<String, String>,
}

/// Which policy of a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyName {
    /// An inline policy, by name.
    Inline(String),
    /// A managed policy, by ARN.
    Managed(String),
}

impl std::fmt::Display for PolicyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline(name) => write!(f, "inline policy {name}"),
            Self::Managed(arn) => write!(f, "managed policy {arn}"),
        }
    }
}

impl HeldPolicy {
    /// The document, or why there is none to go by.
    ///
    /// # Errors
    /// A sentence about this policy.
    pub fn document(&self) -> Result<Document, String> {
        let text = self
            .text
            .as_ref()
            .map_err(|reason| format!("{} could not be read: {reason}", self.name))?;
        Document::parse(Kind::Identity, text)
            .map_err(|error| format!("{} is not understood: {error}", self.name))
    }
}

impl HeldRole {
    /// The documents that can be read, by name, and a sentence about each that can't.
    pub(crate) fn identity(&self) -> (Vec<(&PolicyName, Document)>, Vec<String>) {
        let (mut read, mut unread) = (Vec::new(), Vec::new());
        for policy in &self.policies {
            match policy.document() {
                Ok(document) => read.push((&policy.name, document)),
                Err(reason) => unread.push(reason),
            }
        }
        unread.extend(self.unlisted.iter().map(|permission| {
            format!("not all policies could be listed, for want of {permission}")
        }));
        (read, unread)
    }
}
