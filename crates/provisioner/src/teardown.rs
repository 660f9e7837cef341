//! A request for no role: DELETE.

use engine_roles_domain::binding::{DeletionRefusal, decide_delete};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_store::StoreError;

use crate::{Answer, Provisioner, Request};

/// Why a request to tear down changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum TeardownError {
    /// The request may not be carried out.
    #[error(transparent)]
    Refused(#[from] DeletionRefusal),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Provisioner {
    /// Tears a cluster's role down, and waits as the request says. Asked again, it says the same.
    ///
    /// # Errors
    /// When nothing was changed: there never was a role, or the database failed.
    pub async fn tear_down(
        &self,
        cluster: &ClusterName,
        request: &Request,
    ) -> Result<Answer, TeardownError> {
        let inner = &self.inner;
        // Not asked of STS here: a teardown is declared even where AWS can't be reached.
        let scope = inner.scope.known();
        let declaration = request.declaration(cluster);
        let declared = inner
            .store
            .declare_teardown(&declaration, |latest| {
                decide_delete(latest, scope, request.if_match)
            })
            .await??;
        Ok(inner.follow(declared, request).await?)
    }
}
