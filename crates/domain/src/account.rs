//! Where a role lives: region, account and partition.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::invalid::text_type;
use crate::invalid::{Invalid, InvalidKind};

text_type! {
    /// An AWS region, as it stands in the ARNs of its secrets, such as `us-west-2`.
    Region
}

impl Region {
    /// Reads a region: at least three parts of `[a-z0-9]+` between hyphens, at most 32 characters.
    ///
    /// The list of regions grows, so none is built in; the characters are what matters, since
    /// the text stands in a policy pattern.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let characters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = text.len() <= 32
            && text.bytes().all(characters)
            && text.split('-').count() >= 3
            && text.split('-').all(|part| !part.is_empty());
        if !fits {
            return Err(Invalid::new(
                InvalidKind::Region,
                "must be an AWS region such as us-west-2, of a-z 0-9 and -",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The partition that a region of this name belongs to; none where this service does not
    /// know it, as the isolated ones.
    ///
    /// Source: the partition table of AWS's SDKs (`partitions.json`), by its region patterns.
    pub fn partition(&self) -> Option<Partition> {
        let mut parts = self.0.split('-');
        match (parts.next()?, parts.next()?) {
            ("cn", _) => Some(Partition::AwsCn),
            ("eusc", _) => Some(Partition::AwsEusc),
            ("us", "gov") => Some(Partition::AwsUsGov),
            (_, second) if second.starts_with("iso") => None,
            _ => Some(Partition::Aws),
        }
    }
}

text_type! {
    /// A twelve-digit AWS account.
    AccountId
}

impl AccountId {
    /// Reads an account id.
    ///
    /// # Errors
    /// When it is not twelve digits.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() != 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Invalid::new(
                InvalidKind::AccountId,
                "must be twelve digits",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// One of AWS's partitions that this service knows, each with an IAM of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Partition {
    /// The commercial regions.
    #[serde(rename = "aws")]
    Aws,
    /// China.
    #[serde(rename = "aws-cn")]
    AwsCn,
    /// GovCloud (US).
    #[serde(rename = "aws-us-gov")]
    AwsUsGov,
    /// The European sovereign cloud.
    #[serde(rename = "aws-eusc")]
    AwsEusc,
}

impl Partition {
    /// All partitions.
    pub const ALL: [Self; 4] = [Self::Aws, Self::AwsCn, Self::AwsUsGov, Self::AwsEusc];

    /// Reads the partition field of an ARN.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|partition| partition.as_str() == text)
    }

    /// The text that stands in ARNs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsUsGov => "aws-us-gov",
            Self::AwsEusc => "aws-eusc",
        }
    }

    /// EC2's service principal, which an engine's trust policy names.
    pub fn ec2_principal(self) -> &'static str {
        match self {
            Self::AwsCn => "ec2.amazonaws.com.cn",
            Self::Aws | Self::AwsUsGov | Self::AwsEusc => "ec2.amazonaws.com",
        }
    }

    /// What the names of the partition's services end in, `kms:ViaService` among them.
    ///
    /// Source: the partition table of AWS's SDKs (`partitions.json`), `dnsSuffix`.
    pub fn dns_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::AwsUsGov => "amazonaws.com",
            Self::AwsCn => "amazonaws.com.cn",
            Self::AwsEusc => "amazonaws.eu",
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The account and partition in which this service works.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The account.
    pub account: AccountId,
    /// Its partition.
    pub partition: Partition,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.account, self.partition)
    }
}

impl Scope {
    /// Makes sure that this, the account of a binding, is the one in which the service works now.
    ///
    /// # Errors
    /// When it is another.
    pub fn must_be(&self, now: &Self) -> Result<(), OtherAccount> {
        if self == now {
            Ok(())
        } else {
            Err(OtherAccount::Cluster {
                made: self.clone(),
                now: now.clone(),
            })
        }
    }
}

/// Live bindings belong to another account than the one in which this service works.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtherAccount {
    /// The cluster's own.
    #[error("the cluster's role was made in account {made}, and this service now works in {now}")]
    Cluster {
        /// Where the role was made.
        made: Scope,
        /// Where this service works now.
        now: Scope,
    },
    /// Some of the namespace.
    #[error(
        "live roles of this namespace were made in another account than {now}; nothing is begun until an operator decides"
    )]
    Namespace {
        /// Where this service works now.
        now: Scope,
    },
}
