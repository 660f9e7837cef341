//! The values with which the documents of `policies/` are rendered here.

use engine_roles_domain::cluster::Defaults;
use engine_roles_domain::grant::Placeholders;
use engine_roles_domain::resources::Namespace;

use crate::aws::{CapabilityDetector, Gateway};

/// Returns this service's own settings as values for the documents; account and partition only
/// where they are known already. AWS is not asked.
pub(crate) fn placeholders(
    gateway: &Gateway,
    detector: &CapabilityDetector,
    defaults: &Defaults,
    namespace: &Namespace,
) -> Placeholders {
    let scope = gateway.known_account();
    let boundaries = defaults.permissions_boundary.iter();
    let listed = defaults.listed_roles().into_iter();
    Placeholders {
        partition: scope.map(|scope| scope.partition),
        account: scope.map(|scope| scope.account.clone()),
        namespace: Some(namespace.clone()),
        region: defaults.region.clone(),
        cluster: None,
        boundaries: boundaries
            .chain(&defaults.allowed_boundaries)
            .cloned()
            .collect(),
        pass_through_roles: listed.map(|entry| entry.role).collect(),
        service_roles: detector.own_role().into_iter().collect(),
        kms_key: defaults.kms_key.clone(),
    }
}
