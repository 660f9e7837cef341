//! What the documents of `policies/` are filled with here.

use engine_roles_domain::{Placeholders, RoleReference};

use crate::Provisioner;

impl Provisioner {
    /// This service's own settings, as values for the documents; account and partition only
    /// where they are known already. AWS is not asked.
    pub fn placeholders(&self) -> Placeholders {
        let inner = &self.inner;
        let defaults = &inner.settings.defaults;
        let scope = inner.scope.known();
        let boundaries = defaults.permissions_boundary.iter();
        let listed = defaults.pass_through_roles.iter().map(|entry| &entry.role);
        let mut roles: Vec<RoleReference> = Vec::new();
        for role in listed.chain(&defaults.iam_role) {
            if !roles.iter().any(|known| known.same_role(role)) {
                roles.push(role.clone());
            }
        }
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
            pass_through_roles: roles,
            service_roles: Vec::new(),
            kms_key: defaults.kms_key.clone(),
        }
    }
}
