//! AWS regions, accounts and partitions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::invalid::text_type;
use crate::invalid::{Invalid, InvalidKind};

text_type! {
    /// An AWS region, as the ARNs of secrets contain it, such as `us-west-2`.
    Region
}

impl Region {
    /// Reads a region: at least three parts of `[a-z0-9]+` between hyphens, at most 32 characters.
    /// Records of an older release may have a region of no partition: see [`Region::partition`].
    ///
    /// AWS adds regions, so this crate has no list of them. The characters are checked because the
    /// region becomes part of a policy pattern.
    ///
    /// # Errors
    /// When the text breaks one of these rules.
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

    /// Reads a region of a partition that this service supports.
    ///
    /// # Errors
    /// When the text is not a region, or its name matches the pattern of no supported partition.
    pub fn parse_supported(text: &str) -> Result<Self, Invalid> {
        let region = Self::parse(text)?;
        if region.partition().is_none() {
            return Err(Invalid::new(
                InvalidKind::Region,
                "must be an AWS region such as us-west-2, of a partition that this service supports",
            ));
        }
        Ok(region)
    }

    /// Returns the partition whose pattern the region's name matches; none for another name, and for
    /// a partition that this service does not support, such as the isolated ones.
    ///
    /// Source: the partition table of AWS's SDKs (`partitions.json`), `regionRegex`: for example
    /// `^(us|eu|ap|sa|ca|me|af|il|mx)\-\w+\-\d+$`.
    pub fn partition(&self) -> Option<Partition> {
        let parts: Vec<&str> = self.0.split('-').collect();
        let (number, name) = parts.split_last()?;
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        match name {
            [
                "us" | "eu" | "ap" | "sa" | "ca" | "me" | "af" | "il" | "mx",
                _,
            ] => Some(Partition::Aws),
            ["cn", _] => Some(Partition::AwsCn),
            ["us", "gov", _] => Some(Partition::AwsUsGov),
            ["eusc", "de", _] => Some(Partition::AwsEusc),
            _ => None,
        }
    }
}

text_type! {
    /// The twelve-digit id of an AWS account.
    AccountId
}

impl AccountId {
    /// Reads an account id.
    ///
    /// # Errors
    /// When the text is not twelve digits.
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

/// An AWS partition that this service supports. Each partition has its own IAM.
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
    /// All partitions that this service supports.
    pub const ALL: [Self; 4] = [Self::Aws, Self::AwsCn, Self::AwsUsGov, Self::AwsEusc];

    /// Reads the partition field of an ARN; none for a partition that this service does not
    /// support.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|partition| partition.as_str() == text)
    }

    /// Returns the partition field of ARNs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsUsGov => "aws-us-gov",
            Self::AwsEusc => "aws-eusc",
        }
    }

    /// Returns the region that calls to the partition's IAM are signed for.
    ///
    /// Source: the endpoint rules of IAM in AWS's SDKs.
    pub fn iam_region(self) -> &'static str {
        match self {
            Self::Aws => "us-east-1",
            Self::AwsCn => "cn-north-1",
            Self::AwsUsGov => "us-gov-west-1",
            Self::AwsEusc => "eusc-de-east-1",
        }
    }

    /// Returns EC2's service principal, which an engine role's trust policy names.
    pub fn ec2_principal(self) -> &'static str {
        match self {
            Self::AwsCn => "ec2.amazonaws.com.cn",
            Self::Aws | Self::AwsUsGov | Self::AwsEusc => "ec2.amazonaws.com",
        }
    }

    /// Returns the DNS suffix of the partition's services, which `kms:ViaService` also uses.
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

/// An AWS account and its partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The id of the account.
    pub account: AccountId,
    /// The partition that the account belongs to.
    pub partition: Partition,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.account, self.partition)
    }
}

impl Scope {
    /// Returns the account and partition in an ARN of IAM or STS; none where it has no account, or a
    /// partition that this service does not support.
    pub fn of_arn(arn: &str) -> Option<Self> {
        let mut fields = arn.split(':');
        let is_arn = fields.next() == Some("arn");
        let partition = Partition::parse(fields.next()?)?;
        let account = AccountId::parse(fields.nth(2)?).ok()?;
        is_arn.then_some(Self { account, partition })
    }

    /// Checks that `self`, the account of a binding, is `now`, the account in which this service
    /// works.
    ///
    /// # Errors
    /// When the two differ.
    pub fn must_be(&self, now: &Self) -> Result<(), OtherAccount> {
        if self == now {
            Ok(())
        } else {
            Err(OtherAccount::Cluster {
                created_in: self.clone(),
                now: now.clone(),
            })
        }
    }
}

/// Live bindings belong to an account other than the one in which this service works.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtherAccount {
    /// The cluster's binding belongs to another account.
    #[error(
        "the cluster's role was created in account {created_in}, but this service now works in account {now}"
    )]
    Cluster {
        /// The account in which the role was created.
        created_in: Scope,
        /// The account in which this service works.
        now: Scope,
    },
    /// The credentials belong to another account than the configured one.
    #[error(
        "this service is configured for account {configured}, but its credentials belong to account {now}; nothing is changed until an operator corrects one of the two"
    )]
    Configured {
        /// The account in the configuration.
        configured: Scope,
        /// The account of the credentials.
        now: Scope,
    },
    /// STS and IAM name different accounts for the same credentials, so nobody knows in which account a
    /// call takes effect. One of the two endpoints is not the right one.
    #[error(
        "STS reports account {sts} for this service's credentials, but IAM answers for account {iam}; nothing is changed until an operator corrects the endpoints"
    )]
    Contradictory {
        /// The account that STS reported.
        sts: Scope,
        /// The account in IAM's answers.
        iam: Scope,
    },
    /// Some bindings of the namespace belong to another account.
    #[error(
        "live roles of this namespace were created in an account other than {now}; nothing new is started until an operator decides"
    )]
    Namespace {
        /// The account in which this service works.
        now: Scope,
    },
}
