//! ARN patterns of engines' secrets.

use crate::account::{AccountId, Partition, Region, Scope};
use crate::cluster::name::ClusterName;

/// The IAM action that reads a secret.
pub(crate) const READ_SECRET: &str = "secretsmanager:GetSecretValue";

/// The pattern of all secrets of all engines, as the documents of `policies/` contain it.
pub(crate) const ALL_ENGINES: &str = "secret:compute-engine/*";

/// Returns the ARN pattern of one cluster's secrets, or of the secrets of all engines.
pub(crate) fn secrets_arn(
    partition: Partition,
    region: &Region,
    account: &AccountId,
    cluster: Option<&ClusterName>,
) -> String {
    let secrets = narrowed(ALL_ENGINES, cluster);
    format!("arn:{partition}:secretsmanager:{region}:{account}:{secrets}")
}

/// Returns the text with the pattern of all engines' secrets replaced by that of one cluster.
///
/// A cluster's name has no character that is special in a pattern.
pub(crate) fn narrowed(text: &str, cluster: Option<&ClusterName>) -> String {
    match cluster {
        Some(cluster) => text.replace(ALL_ENGINES, &format!("secret:compute-engine/{cluster}/*")),
        None => text.to_owned(),
    }
}

/// Returns the ARN pattern of the secrets of all engines of the account, in all regions.
pub(crate) fn engines_secrets(scope: &Scope) -> String {
    let Scope { account, partition } = scope;
    format!("arn:{partition}:secretsmanager:*:{account}:secret:compute-engine/*")
}
