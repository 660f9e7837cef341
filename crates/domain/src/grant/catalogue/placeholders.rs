//! The values that the documents of `policies/` are filled with.

use crate::account::{AccountId, Partition, Region, Scope};
use crate::cluster::name::ClusterName;
use crate::cluster::spec::RoleReference;
use crate::grant::boundary::BoundaryArn;
use crate::grant::catalogue::error::CatalogueError;
use crate::grant::kms_key::KmsKeyArn;
use crate::resources::arn::{IamArn, IamResource};
use crate::resources::names::Namespace;

/// What documents are filled with; what a document does not need may be absent.
#[derive(Clone, Debug, Default)]
pub struct Placeholders {
    /// The partition; the region's where it is absent.
    pub partition: Option<Partition>,
    /// The account.
    pub account: Option<AccountId>,
    /// This installation.
    pub namespace: Option<Namespace>,
    /// Where engines run.
    pub region: Option<Region>,
    /// The one cluster that an engine's document is about; all clusters where it is absent.
    pub cluster: Option<ClusterName>,
    /// The boundaries that a created role may have; the conventional one where there are none.
    pub boundaries: Vec<BoundaryArn>,
    /// The roles that may be passed.
    pub pass_through_roles: Vec<RoleReference>,
    /// The roles that this service may have.
    pub service_roles: Vec<RoleReference>,
    /// The key under which the engines' secrets are encrypted.
    pub kms_key: Option<KmsKeyArn>,
}

/// The name of the boundary that `engine-boundary` is made into, where nothing else is said.
const CONVENTIONAL_BOUNDARY: &str = "ai-unlimited-engine-boundary";

impl Placeholders {
    /// The same values for an account, without the boundaries and roles of others. A key stays:
    /// secrets may be encrypted under another account's.
    #[must_use]
    pub fn of_account(mut self, account: AccountId) -> Self {
        // A name is meant for the account that was known before; an ARN without one is AWS's own.
        let same = self.account.as_ref().is_none_or(|known| *known == account);
        let ours = |arn: Option<IamArn>| match arn {
            Some(arn) => arn.account.is_none_or(|owner| owner == account),
            None => same,
        };
        let boundary = |arn: &BoundaryArn| IamArn::parse(IamResource::Policy, arn.as_str()).ok();
        self.boundaries.retain(|arn| ours(boundary(arn)));
        self.pass_through_roles.retain(|role| ours(role.arn()));
        self.service_roles.retain(|role| ours(role.arn()));
        self.account = Some(account);
        self
    }

    /// The partition, given or of the region.
    pub(super) fn partition(&self) -> Result<Option<Partition>, CatalogueError> {
        let Some(region) = &self.region else {
            return Ok(self.partition);
        };
        match (region.partition(), self.partition) {
            (Some(of_region), None) => Ok(Some(of_region)),
            (Some(of_region), Some(given)) if of_region == given => Ok(Some(given)),
            _ => Err(CatalogueError::RegionOfOtherPartition {
                region: region.clone(),
            }),
        }
    }

    /// The value of a placeholder that has one; none where it is not given.
    pub(super) fn single(&self, name: &str, partition: Option<Partition>) -> Option<&str> {
        match name {
            "PARTITION" => partition.map(Partition::as_str),
            "EC2_PRINCIPAL" => partition.map(Partition::ec2_principal),
            "DNS_SUFFIX" => partition.map(Partition::dns_suffix),
            "REGION" => self.region.as_ref().map(Region::as_str),
            "ACCOUNT_ID" => self.account.as_ref().map(AccountId::as_str),
            "NAMESPACE" => self.namespace.as_ref().map(Namespace::as_str),
            _ => None,
        }
    }

    /// The values of a placeholder that has many: none where it is no such placeholder, or where
    /// a value needs account and partition and they are not given.
    pub(super) fn many(&self, name: &str, partition: Option<Partition>) -> Option<Vec<String>> {
        let here = partition.zip(self.account.as_ref());
        let arn_of = |role: &RoleReference| match role.arn() {
            Some(arn) => Some(arn.to_string()),
            // A name does not say the path; a role that has one must be given by its ARN.
            None => here.map(|(partition, account)| {
                let account = account.clone();
                role.arn_in(&Scope { account, partition }).to_string()
            }),
        };
        match name {
            "PERMISSIONS_BOUNDARY" if self.boundaries.is_empty() => {
                here.map(|(partition, account)| {
                    vec![format!(
                        "arn:{partition}:iam::{account}:policy/{CONVENTIONAL_BOUNDARY}"
                    )]
                })
            }
            "PERMISSIONS_BOUNDARY" => {
                Some(self.boundaries.iter().map(ToString::to_string).collect())
            }
            "PASS_THROUGH_ROLE" => self.pass_through_roles.iter().map(arn_of).collect(),
            "SERVICE_ROLE" => self.service_roles.iter().map(arn_of).collect(),
            _ => None,
        }
    }
}

/// The field that gives a placeholder's value; none where there is no such placeholder.
pub(super) fn field(name: &str, account: Option<&AccountId>) -> Option<&'static str> {
    match name {
        "REGION" | "PARTITION" | "EC2_PRINCIPAL" | "DNS_SUFFIX" => Some("region"),
        "ACCOUNT_ID" => Some("account_id"),
        "NAMESPACE" => Some("namespace"),
        // Those of many values need account and partition, to make ARNs.
        "PERMISSIONS_BOUNDARY" | "PASS_THROUGH_ROLE" | "SERVICE_ROLE" => Some(match account {
            None => "account_id",
            Some(_) => "region",
        }),
        _ => None,
    }
}
