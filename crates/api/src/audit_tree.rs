//! The tree over the audit log: `/v1/audit/checkpoint`, proofs and tiles.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use engine_roles_contract::text::{Bytes, TilePath};
use engine_roles_contract::{
    AuditConsistency, AuditInclusion, Code, ConsistencyQuery, InclusionQuery,
};
use engine_roles_domain::caller::Caller;
use engine_roles_provisioner::Provisioner;

use crate::audit::GREATEST_SEQ;
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
    ),
)]
pub(crate) async fn checkpoint(
    State(provisioner): State<Provisioner>,
    Extension(caller): Extension<Caller>,
    query: Parameters,
) -> Result<Response, Problem> {
    query.end()?;
    must_see_all(&caller)?;
    let note = provisioner.audit_checkpoint().await?;
    Ok(([(CONTENT_TYPE, TEXT)], note).into_response())
}

/// Prove that an event is in the audit log.
#[utoipa::path(
    get, path = "/v1/audit/{seq}/proof", operation_id = "proveAuditEvent", tag = "audit",
    params(
        ("seq" = i64, Path, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 17, description = "The number of the event"),
        InclusionQuery,
    ),
    responses(
        (status = 200, body = AuditInclusion, description = "The proof"),
    ),
)]
pub(crate) async fn inclusion(
    State(provisioner): State<Provisioner>,
    Extension(caller): Extension<Caller>,
    seq: Result<Path<String>, PathRejection>,
    mut query: Parameters,
) -> Result<Json<AuditInclusion>, Problem> {
    let seq = seq.ok().and_then(|Path(seq)| size(&seq));
    let seq = seq.filter(|seq| *seq > 0);
    if seq.is_none() {
        query.reject("seq", SEQ);
    }
    let of_size = query.read("size", NUMBER, size);
    query.end()?;
    must_see_all(&caller)?;
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
    ),
)]
pub(crate) async fn consistency(
    State(provisioner): State<Provisioner>,
    Extension(caller): Extension<Caller>,
    mut query: Parameters,
) -> Result<Json<AuditConsistency>, Problem> {
    let mut taken = |name| {
        if !query.has(name) {
            query.reject(name, "is missing");
        }
        query.read(name, NUMBER, size)
    };
    let sizes = (taken("from"), taken("to"));
    if let (Some(from), Some(to)) = sizes
        && from > to
    {
        query.reject("from", "must not be greater than `to`");
    }
    query.end()?;
    must_see_all(&caller)?;
    let (from, to) = (sizes.0.unwrap_or_default(), sizes.1.unwrap_or_default());
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
    params(("path" = TilePath, Path, description = "The place of the tile, such as `0/x001/234.p/5` or `entries/000`")),
    responses(
        (status = 200, body = Bytes, content_type = "application/octet-stream", description = "The hashes, or the entries each after its length in two bytes"),
    ),
)]
pub(crate) async fn tile(
    State(provisioner): State<Provisioner>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    query: Parameters,
) -> Result<Response, Problem> {
    query.end()?;
    must_see_all(&caller)?;
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

const NUMBER: &str = "must be a number from 0 to 9007199254740991, without leading zeros";

const SEQ: &str = "must be a number from 1 to 9007199254740991, without leading zeros";

/// Checks that a caller may see the events of all clusters: the tree is over the whole log.
fn must_see_all(caller: &Caller) -> Result<(), Problem> {
    if caller.prefix.is_none() {
        return Ok(());
    }
    let detail =
        "the API key is limited to some clusters, and the tree is over the whole audit log";
    Err(Problem::new(Code::Forbidden, detail))
}

/// Reads a number or a size. Each has one spelling only.
fn size(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    let is_in_range = (0..=GREATEST_SEQ).contains(&number);
    (is_in_range && number.to_string() == text).then_some(number)
}
