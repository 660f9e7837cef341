//! The values of the placeholders in the documents of `policies/`.

use crate::account::{AccountId, Partition, Region, Scope};
use crate::cluster::name::ClusterName;
use crate::cluster::spec::RoleReference;
use crate::grant::boundary::BoundaryArn;
use crate::grant::catalogue::error::CatalogueError;
use crate::grant::kms_key::KmsKeyArn;
use crate::resources::arn::{IamArn, IamResource};
use crate::resources::names::Namespace;

/// The values of placeholders. A value that a document does not need may be absent.
#[derive(Clone, Debug, Default)]
pub struct Placeholders {
    /// The partition; where absent, the partition of the region is used.
    pub partition: Option<Partition>,
    /// The account in which the document will be used.
    pub account: Option<AccountId>,
    /// The namespace of this installation.
    pub namespace: Option<Namespace>,
    /// The region of the engines' secrets.
    pub region: Option<Region>,
    /// The cluster that an engine's document is limited to; where absent, all clusters.
    pub cluster: Option<ClusterName>,
    /// The boundaries that a created role may have; where empty, the conventional one is used.
    pub boundaries: Vec<BoundaryArn>,
    /// The pass-through roles.
    pub pass_through_roles: Vec<RoleReference>,
    /// The roles that this service may run as.
    pub service_roles: Vec<RoleReference>,
    /// The KMS key that encrypts the engines' secrets; none for AWS's own key.
    pub kms_key: Option<KmsKeyArn>,
}

/// The default name of the managed policy that an administrator creates from `engine-boundary`.
const CONVENTIONAL_BOUNDARY: &str = "ai-unlimited-engine-boundary";

impl Placeholders {
    /// Returns the same values for an account, without the boundaries and roles of other accounts.
    /// The key stays, because another account's key may encrypt the secrets.
    #[must_use]
    pub fn of_account(mut self, account: AccountId) -> Self {
        // A role given by name belongs to the account that was set before. An ARN without an
        // account is AWS's own policy.
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

    /// Returns the given partition, or else the region's.
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

    /// Returns the value of a placeholder that takes one value; none where the value is not given
    /// or the placeholder takes many.
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

    /// Returns the values of a placeholder that takes many; none where the placeholder does not, or
    /// where a value needs account and partition and they are not given.
    pub(super) fn many(&self, name: &str, partition: Option<Partition>) -> Option<Vec<String>> {
        let place = partition.zip(self.account.as_ref());
        let arn_of = |role: &RoleReference| match role.arn() {
            Some(arn) => Some(arn.to_string()),
            // A name does not contain the path; a role with a path must be given by its ARN.
            None => place.map(|(partition, account)| {
                let account = account.clone();
                role.arn_in(&Scope { account, partition }).to_string()
            }),
        };
        match name {
            "PERMISSIONS_BOUNDARY" if self.boundaries.is_empty() => {
                place.map(|(partition, account)| {
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

/// Returns the field that gives a placeholder's value; none for an unknown placeholder.
pub(super) fn field(name: &str, account: Option<&AccountId>) -> Option<&'static str> {
    match name {
        "REGION" | "PARTITION" | "EC2_PRINCIPAL" | "DNS_SUFFIX" => Some("region"),
        "ACCOUNT_ID" => Some("account_id"),
        "NAMESPACE" => Some("namespace"),
        // These placeholders are filled in with ARNs, which need account and partition.
        "PERMISSIONS_BOUNDARY" | "PASS_THROUGH_ROLE" | "SERVICE_ROLE" => Some(match account {
            None => "account_id",
            Some(_) => "region",
        }),
        _ => None,
    }
}
