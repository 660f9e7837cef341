//! The tree over the audit log: `/v1/audit/checkpoint`, proofs and tiles.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use engine_roles_contract::{
    AuditConsistency, AuditInclusion, Code, ConsistencyQuery, InclusionQuery,
    Problem as ProblemBody,
};
use engine_roles_provisioner::Provisioner;

use crate::problem::Problem;
use crate::request_query::Parameters;

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// Get the signed head of the audit log.
///
/// The answer is a checkpoint (C2SP tlog-checkpoint) of the tree over the audit log. Keep checkpoints
/// outside of the service: they show later that the log only grew.
#[utoipa::path(
    get, path = "/v1/audit/checkpoint", operation_id = "getAuditCheckpoint", tag = "audit",
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "The largest signed checkpoint"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "The service has no key to sign with, or has not signed yet"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "The service rejected the request, or AWS denied a call; `code` says why"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json", description = "The service could not carry out the request; `code` says why"),
    ),
)]
pub(crate) async fn checkpoint(
    State(provisioner): State<Provisioner>,
    query: Parameters,
) -> Result<Response, Problem> {
    query.end()?;
    let note = provisioner.audit_checkpoint().await?;
    Ok(([(CONTENT_TYPE, TEXT)], note).into_response())
}

/// Prove that an event is in the audit log.
#[utoipa::path(
    get, path = "/v1/audit/{seq}/proof", operation_id = "proveAuditEvent", tag = "audit",
    params(("seq" = i64, Path, description = "The number of the event"), InclusionQuery),
    responses(
        (status = 200, body = AuditInclusion, description = "The proof"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "The tree does not have the event, or has another size"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "The service rejected the request, or AWS denied a call; `code` says why"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json", description = "The service could not carry out the request; `code` says why"),
    ),
)]
pub(crate) async fn inclusion(
    State(provisioner): State<Provisioner>,
    seq: Result<Path<String>, PathRejection>,
    mut query: Parameters,
) -> Result<Json<AuditInclusion>, Problem> {
    let seq = seq.ok().and_then(|Path(seq)| size(&seq));
    if seq.is_none() {
        query.reject("seq", NUMBER);
    }
    let of_size = query.read("size", NUMBER, size);
    query.end()?;
    let proof = provisioner.prove_inclusion(seq.unwrap_or_default(), of_size);
    let proof = proof.await?;
    Ok(Json(AuditInclusion {
        seq: proof.seq,
        size: proof.size,
        leaf: proof.leaf,
        root: proof.root,
        hashes: proof.hashes,
        entry: proof.entry,
        proof: proof.text,
    }))
}

/// Prove that the audit log only grew between two sizes.
#[utoipa::path(
    get, path = "/v1/audit/consistency", operation_id = "proveAuditConsistency", tag = "audit",
    params(ConsistencyQuery),
    responses(
        (status = 200, body = AuditConsistency, description = "The proof"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "The tree is smaller than `to`"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "The service rejected the request, or AWS denied a call; `code` says why"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json", description = "The service could not carry out the request; `code` says why"),
    ),
)]
pub(crate) async fn consistency(
    State(provisioner): State<Provisioner>,
    mut query: Parameters,
) -> Result<Json<AuditConsistency>, Problem> {
    let mut taken = |name| {
        if !query.has(name) {
            query.reject(name, "is missing");
        }
        query.read(name, NUMBER, size).unwrap_or_default()
    };
    let (from, to) = (taken("from"), taken("to"));
    if from > to {
        query.reject("from", "must not be greater than `to`");
    }
    query.end()?;
    let proof = provisioner.prove_consistency(from, to).await?;
    Ok(Json(AuditConsistency {
        from: proof.from,
        to: proof.to,
        from_root: proof.from_root,
        to_root: proof.to_root,
        hashes: proof.hashes,
    }))
}

/// Get a tile of the tree, or a bundle of its entries.
///
/// Paths and contents are those of C2SP tlog-tiles, so that monitors and witnesses for such logs can
/// read the audit log: `LEVEL/INDEX[.p/WIDTH]` are hashes, `entries/INDEX[.p/WIDTH]` are entries.
#[utoipa::path(
    get, path = "/v1/audit/tile/{*path}", operation_id = "getAuditTile", tag = "audit",
    params(("path" = String, Path, description = "The place of the tile, such as `0/x001/234.p/5` or `entries/000`")),
    responses(
        (status = 200, body = [u8], content_type = "application/octet-stream", description = "The hashes, or the entries each after its length in two bytes"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No tile has this path, the tree does not have it yet, or its entries have expired"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "The service rejected the request, or AWS denied a call; `code` says why"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json", description = "The service could not carry out the request; `code` says why"),
    ),
)]
pub(crate) async fn tile(
    State(provisioner): State<Provisioner>,
    path: Result<Path<String>, PathRejection>,
    query: Parameters,
) -> Result<Response, Problem> {
    query.end()?;
    let path = path.map(|Path(path)| path).unwrap_or_default();
    let bytes = provisioner.audit_tile(&format!("tile/{path}")).await?;
    let bytes = bytes.ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            "the tree of the audit log has no such tile, or its entries have expired",
        )
    })?;
    Ok(([(CONTENT_TYPE, BYTES)], bytes).into_response())
}

const NUMBER: &str = "must be a number without sign and without leading zeros";

/// Reads a number or a size. Each has one spelling only.
fn size(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number >= 0 && number.to_string() == text).then_some(number)
}
