//! The values with which this service fills in the templates in `policies/`.

use engine_roles_domain::cluster::Defaults;
use engine_roles_domain::grant::Placeholders;
use engine_roles_domain::resources::Namespace;

use crate::aws::{CapabilityDetector, Gateway};

/// Returns this service's settings as values for the templates; account and partition are none when
/// they are not known yet. Makes no call to AWS.
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
        partition: scope.as_ref().map(|scope| scope.partition),
        account: scope.map(|scope| scope.account),
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
