//! The ARNs of engines' secrets, as patterns.

use crate::account::{AccountId, Partition, Region, Scope};
use crate::cluster::name::ClusterName;

/// The action that reads a secret.
pub(crate) const READ_SECRET: &str = "secretsmanager:GetSecretValue";

/// The pattern of every secret of every engine, in the documents of `policies/`.
pub(crate) const ALL_ENGINES: &str = "secret:compute-engine/*";

/// The secrets of one cluster as one pattern, or those of all engines.
pub(crate) fn secrets_arn(
    partition: Partition,
    region: &Region,
    account: &AccountId,
    cluster: Option<&ClusterName>,
) -> String {
    let secrets = narrowed(ALL_ENGINES, cluster);
    format!("arn:{partition}:secretsmanager:{region}:{account}:{secrets}")
}

/// The same text, with the secrets of one cluster where all engines' were.
///
/// A cluster's name has no character that would be live in a pattern.
pub(crate) fn narrowed(text: &str, cluster: Option<&ClusterName>) -> String {
    match cluster {
        Some(cluster) => text.replace(ALL_ENGINES, &format!("secret:compute-engine/{cluster}/*")),
        None => text.to_owned(),
    }
}

/// The secrets of all engines of the account, in all regions.
pub(crate) fn engines_secrets(scope: &Scope) -> String {
    let Scope { account, partition } = scope;
    format!("arn:{partition}:secretsmanager:*:{account}:secret:compute-engine/*")
}
