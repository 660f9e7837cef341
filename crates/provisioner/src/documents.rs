//! What the documents of `policies/` are filled with here.

use engine_roles_domain::grant::Placeholders;

use crate::Provisioner;

impl Provisioner {
    /// This service's own settings, as values for the documents; account and partition only
    /// where they are known already. AWS is not asked.
    pub fn placeholders(&self) -> Placeholders {
        let inner = &self.inner;
        let defaults = &inner.settings.defaults;
        let scope = inner.scope.known();
        let boundaries = defaults.permissions_boundary.iter();
        let listed = defaults.listed_roles().into_iter();
        Placeholders {
            partition: scope.map(|scope| scope.partition),
            account: scope.map(|scope| scope.account.clone()),
            namespace: Some(inner.store.namespace().clone()),
            region: defaults.region.clone(),
            cluster: None,
            boundaries: boundaries
                .chain(&defaults.allowed_boundaries)
                .cloned()
                .collect(),
            pass_through_roles: listed.map(|entry| entry.role).collect(),
            service_roles: inner.own_role().into_iter().collect(),
            kms_key: defaults.kms_key.clone(),
        }
    }
}
