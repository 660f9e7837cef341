//! The requests about the tree over the audit log.

use std::time::Duration;

use engine_roles_contract::{AuditConsistency, AuditInclusion, ConsistencyQuery, InclusionQuery};
use reqwest::StatusCode;

use super::Client;
use crate::answer::{Answer, Received};
use crate::error::Error;

impl Client {
    /// Sends `GET /v1/audit/checkpoint`: the signed head of the audit log. None where the service
    /// has signed none.
    ///
    /// # Errors
    /// When the request is not answered with a checkpoint, or with 404.
    pub async fn audit_checkpoint(&self) -> Result<Option<String>, Error> {
        let received = self.receive(&["v1", "audit", "checkpoint"]).await?;
        Ok(found(received)?.map(|received| received.text().into_owned()))
    }

    /// Sends `GET /v1/audit/{seq}/proof`: the proof that the audit log has an event.
    ///
    /// # Errors
    /// When the request is not answered with a proof.
    pub async fn prove_event(
        &self,
        seq: i64,
        query: &InclusionQuery,
    ) -> Result<Answer<AuditInclusion>, Error> {
        let segments = ["v1", "audit", &seq.to_string(), "proof"];
        self.get(&segments, query).await
    }

    /// Sends `GET /v1/audit/consistency`: the proof that the audit log only grew.
    ///
    /// # Errors
    /// When the request is not answered with a proof.
    pub async fn prove_consistency(
        &self,
        query: &ConsistencyQuery,
    ) -> Result<Answer<AuditConsistency>, Error> {
        self.get(&["v1", "audit", "consistency"], query).await
    }

    /// Sends `GET /v1/audit/tile/…`: hashes of the tree, or entries. The path begins with `tile/`, as in
    /// C2SP tlog-tiles. None where the tree does not have it, or the entries have expired.
    ///
    /// # Errors
    /// When the request is not answered with a tile, or with 404.
    pub async fn audit_tile(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let segments: Vec<&str> = ["v1", "audit"].into_iter().chain(path.split('/')).collect();
        let received = self.receive(&segments).await?;
        Ok(found(received)?.map(|received| received.body))
    }

    async fn receive(&self, segments: &[&str]) -> Result<Received, Error> {
        let request = self.http.get(self.url(segments)?);
        self.fetch(request, Duration::ZERO).await
    }
}

/// Returns none for a problem of the service that says that there is no such thing.
fn found(received: Received) -> Result<Option<Received>, Error> {
    if received.status.is_success() {
        return Ok(Some(received));
    }
    match received.failure() {
        Error::Problem { status, .. } if status == StatusCode::NOT_FOUND => Ok(None),
        failure => Err(failure),
    }
}
