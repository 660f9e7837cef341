//! ARNs of IAM resources.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Partition};
use crate::invalid::{Invalid, InvalidKind};

/// The kinds of IAM resources whose ARNs a caller or an administrator may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IamResource {
    /// A role.
    Role,
    /// An instance profile.
    InstanceProfile,
    /// A managed policy.
    Policy,
}

impl IamResource {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::InstanceProfile => "instance-profile",
            Self::Policy => "policy",
        }
    }

    fn kind(self) -> InvalidKind {
        match self {
            Self::Role => InvalidKind::Role,
            Self::InstanceProfile => InvalidKind::InstanceProfile,
            Self::Policy => InvalidKind::Boundary,
        }
    }
}

/// `arn:{partition}:iam::{account}:{resource}{path}{name}`.
///
/// Source: Service Authorization Reference, "Resource types defined by IAM".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String")]
#[serde(try_from = "String")]
pub struct IamArn {
    /// The partition.
    pub partition: Partition,
    /// The account; none for AWS's own managed policies, whose ARNs have `aws` as account.
    pub account: Option<AccountId>,
    /// The kind of resource.
    pub resource: IamResource,
    /// The path, with a slash at both ends.
    pub path: String,
    /// The name after the path.
    pub name: String,
}

impl IamArn {
    /// The greatest length that is accepted, in characters: enough for a path and a name of IAM's greatest
    /// lengths (512 and 128). A limit of the whole ARN can be stated in a schema; a limit of the path can't.
    pub const LONGEST: usize = 700;

    /// Reads an ARN of the given kind.
    ///
    /// # Errors
    /// When the text is not an ARN of that kind, or its path or name has a character that IAM or
    /// this service does not allow.
    pub fn parse(resource: IamResource, text: &str) -> Result<Self, Invalid> {
        let arn = Self::split(text)
            .filter(|arn| arn.resource == resource)
            .filter(|arn| arn.account.is_some() || resource == IamResource::Policy);
        arn.ok_or_else(|| {
            Invalid::new(
                resource.kind(),
                format!(
                    "must be an ARN of the form arn:aws:iam::123456789012:{}/name",
                    resource.as_str()
                ),
            )
        })
    }

    fn split(text: &str) -> Option<Self> {
        let mut fields = text.splitn(6, ':');
        let mut next = || fields.next();
        if next()? != "arn" {
            return None;
        }
        let partition = Partition::parse(next()?)?;
        if next()? != "iam" || !next()?.is_empty() {
            return None;
        }
        let account = match next()? {
            "aws" => None,
            digits => Some(AccountId::parse(digits).ok()?),
        };
        let (kind, rest) = next()?.split_once('/')?;
        let resource = [
            IamResource::Role,
            IamResource::InstanceProfile,
            IamResource::Policy,
        ]
        .into_iter()
        .find(|resource| resource.as_str() == kind)?;
        let (path, name) = match rest.rsplit_once('/') {
            Some((path, name)) => (format!("/{path}/"), name),
            None => ("/".to_owned(), rest),
        };
        let longest = if resource == IamResource::Role {
            64
        } else {
            128
        };
        let name_fits = (1..=longest).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
        // IAM allows any visible ASCII character in a path. Characters that are special in a policy
        // pattern are excluded here, because the path may become part of one.
        let path_fits = text.len() <= Self::LONGEST
            && !path.contains("//")
            && path
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"*?${}<>\"\\".contains(&b));
        (name_fits && path_fits).then(|| Self {
            partition,
            account,
            resource,
            path,
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for IamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account.as_ref().map_or("aws", AccountId::as_str);
        let (partition, resource) = (self.partition, self.resource.as_str());
        write!(
            f,
            "arn:{partition}:iam::{account}:{resource}{}{}",
            self.path, self.name
        )
    }
}

impl From<IamArn> for String {
    fn from(arn: IamArn) -> String {
        arn.to_string()
    }
}

impl TryFrom<String> for IamArn {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::split(&text)
            .ok_or_else(|| Invalid::new(InvalidKind::Role, "must be an ARN of an IAM resource"))
    }
}
