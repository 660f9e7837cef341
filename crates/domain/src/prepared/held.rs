//! A role with the policies that it holds, as IAM returns them.

use engine_roles_policy::{Document, Kind};
use serde::{Deserialize, Serialize};

use crate::binding::record::RoleRecord;
use crate::cluster::spec::RoleReference;
use crate::resources::names::ProfileName;

/// A role with the documents that decide what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRole {
    /// The role's name, ARN, unique id and path.
    pub role: RoleRecord,
    /// The trust policy as JSON text; none where IAM did not return it.
    pub trust: Option<String>,
    /// The inline policies and the attached managed policies.
    pub policies: Vec<HeldPolicy>,
    /// The permissions boundary; none where the role has none.
    pub boundary: Option<HeldPolicy>,
    /// The denied permissions because of which not all policies could be listed.
    pub unlisted: Vec<String>,
    /// The instance profile through which an engine gets the role; none where no profile was asked
    /// for. Where the profile contains another role, this is that other role.
    #[serde(default)]
    pub profile: Option<HeldProfile>,
}

/// An instance profile with what it contains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldProfile {
    /// The profile's name.
    pub name: ProfileName,
    /// What it contains.
    pub contents: ProfileContents,
}

/// What an instance profile contains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileContents {
    /// The profile does not exist.
    Absent,
    /// The profile contains no role.
    Nothing,
    /// The profile contains the role with this ARN.
    Role(RoleReference),
    /// The profile could not be read, for this reason.
    Unread(String),
}

impl HeldProfile {
    /// Returns whether the profile certainly contains another role than this one.
    pub fn contains_other_than(&self, role: &RoleReference) -> bool {
        matches!(&self.contents, ProfileContents::Role(held) if !held.same_role(role))
    }

    /// Returns whether the profile certainly contains this role.
    pub fn contains(&self, role: &RoleReference) -> bool {
        matches!(&self.contents, ProfileContents::Role(held) if held.same_role(role))
    }
}

/// One policy of a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPolicy {
    /// The kind of the policy, with its name or ARN.
    pub name: PolicyName,
    /// The policy's JSON text, or why it could not be read.
    pub text: Result<String, String>,
}

/// The name of a role's policy.
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
    /// Reads the document. AWS accepted it, so what is not understood of it makes only the decisions
    /// uncertain that it can affect.
    ///
    /// # Errors
    /// A sentence about the policy that could not be read, or that is not a policy document.
    pub fn document(&self) -> Result<Document, String> {
        let text = self
            .text
            .as_ref()
            .map_err(|reason| format!("{} could not be read: {reason}", self.name))?;
        Document::read(Kind::Identity, text)
            .map_err(|error| format!("{} can't be parsed: {error}", self.name))
    }
}

impl HeldRole {
    /// Returns why it is not known whether this is the role that engines get; none where it is known.
    pub(crate) fn uncertainty(&self) -> Option<String> {
        let profile = self.profile.as_ref()?;
        let ProfileContents::Unread(reason) = &profile.contents else {
            return None;
        };
        let name = &profile.name;
        Some(format!(
            "it is not known which role instance profile {name} contains: {reason}"
        ))
    }

    /// Returns the documents that could be read, and a sentence about each that could not.
    pub(crate) fn identity(&self) -> (Vec<(&PolicyName, Document)>, Vec<String>) {
        let (mut read, mut unread) = (Vec::new(), Vec::new());
        for policy in &self.policies {
            match policy.document() {
                Ok(document) => read.push((&policy.name, document)),
                Err(reason) => unread.push(reason),
            }
        }
        unread.extend(self.unlisted.iter().map(|permission| {
            format!("not all policies could be listed, because {permission} is denied")
        }));
        (read, unread)
    }
}
