//! AWS identities: the roles and users that may log in.

use std::fmt;

use crate::account::Scope;
use crate::invalid::text_type;
use crate::invalid::{Invalid, InvalidKind};

/// The longest ARN of an identity, in characters: the name of an actor in the audit log is not longer.
const LONGEST: usize = 256;

/// An IAM role or user. The name of a role is unique in its account whatever its path, and the ARN of a
/// session does not have the path, so that a principal does not have it either.
///
/// Source: IAM User Guide, "IAM identifiers"; STS API Reference, `GetCallerIdentity`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    scope: Scope,
    kind: Kind,
    /// The name of a role, or the path and the name of a user, without the first slash.
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Role,
    User,
}

impl Principal {
    /// Reads the ARN of a role, with or without its path, or of a user, with its path.
    ///
    /// # Errors
    /// When the text is no such ARN, has a wildcard, or belongs to a partition that this service does not
    /// support.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let parsed = Self::split(text);
        parsed.ok_or_else(|| {
            Invalid::new(
                InvalidKind::Principal,
                "must be the ARN of one role or user, such as arn:aws:iam::123456789012:role/manager, \
                 without wildcards",
            )
        })
    }

    fn split(text: &str) -> Option<Self> {
        let (scope, resource) = parts(text, "iam")?;
        let (kind, rest) = resource.split_once('/')?;
        let name = rest.rsplit('/').next()?;
        let has_empty_part = rest.split('/').any(str::is_empty);
        if !is_name(name) || !rest.bytes().all(is_in_path) || has_empty_part {
            return None;
        }
        let (kind, name) = match kind {
            "role" => (Kind::Role, name),
            "user" => (Kind::User, rest),
            _ => return None,
        };
        let name = name.to_owned();
        Some(Self { scope, kind, name })
    }

    /// Returns the account and partition.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { account, partition } = &self.scope;
        let kind = match self.kind {
            Kind::Role => "role",
            Kind::User => "user",
        };
        write!(f, "arn:{partition}:iam::{account}:{kind}/{}", self.name)
    }
}

/// An identity as STS states it: a session of a role, or a user. No other identity can log in: neither the
/// root user of an account nor a federated user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsIdentity {
    arn: String,
    principal: Principal,
}

impl AwsIdentity {
    /// Reads an ARN of STS's answer; none for another kind of identity, and for a partition that this
    /// service does not support.
    pub fn of_arn(arn: &str) -> Option<Self> {
        let principal = match parts(arn, "sts") {
            Some((scope, resource)) => {
                let session = resource.strip_prefix("assumed-role/")?;
                let (role, session) = session.split_once('/')?;
                (is_name(role) && is_name(session)).then(|| Principal {
                    scope,
                    kind: Kind::Role,
                    name: role.to_owned(),
                })?
            }
            None => Principal::split(arn).filter(|found| found.kind == Kind::User)?,
        };
        let arn = arn.to_owned();
        Some(Self { arn, principal })
    }

    /// Returns the ARN as STS states it, with the name of the session. The audit log shows it as the
    /// actor.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns the role or the user.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}

text_type! {
    /// The name of a service, which callers sign so that their request is of no use to another service.
    ServerName
}

impl ServerName {
    /// The longest name, in characters: that of a host.
    pub const MAX: usize = 253;

    /// Reads a name.
    ///
    /// # Errors
    /// When the text is empty, too long, or has another character.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let is_valid = |b: u8| b.is_ascii_alphanumeric() || b"._:/-".contains(&b);
        let fits = (1..=Self::MAX).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(is_valid);
        fits.then(|| Self(text.to_owned())).ok_or_else(|| {
            Invalid::new(
                InvalidKind::ServerName,
                "must be 1 to 253 characters of A-Z a-z 0-9 . _ : / - and begin with a letter or digit",
            )
        })
    }
}

/// Returns the account and the resource in an ARN of a service without a region.
fn parts<'a>(arn: &'a str, service: &str) -> Option<(Scope, &'a str)> {
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, found, "", _, resource] = fields[..] else {
        return None;
    };
    if found != service || arn.len() > LONGEST {
        return None;
    }
    Some((Scope::of_arn(arn)?, resource))
}

/// Whether a text is the name of a role, a user or a session.
fn is_name(text: &str) -> bool {
    let is_valid = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    (1..=64).contains(&text.len()) && text.bytes().all(is_valid)
}

/// Whether a character may be in a path. IAM allows more, which are special in a policy pattern.
fn is_in_path(b: u8) -> bool {
    b.is_ascii_graphic() && !b"*?${}<>\"\\".contains(&b)
}
