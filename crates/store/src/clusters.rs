//! A cluster's newest binding, as a request reads it before it decides.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Binding, Generation};
use engine_roles_domain::cluster::ClusterName;
use serde_json::Value;
use uuid::Uuid;

use crate::operation::run_for;
use crate::row::{BindingRow, JsonText};
use crate::{Operation, Store, StoreError};

/// A cluster's newest binding. Nothing is locked while the caller decides: the write that follows
/// compares the generation and the revision that were read.
#[derive(Clone, Debug)]
pub struct Latest {
    /// The binding, live or a tombstone; none when the cluster never had one.
    pub binding: Option<Binding>,
    /// The generation of the cluster's last intent; 0 when it had none.
    pub generation: Generation,
    /// The database's time; never earlier than the binding's last change.
    pub now: DateTime<Utc>,
}

/// One row, whether the cluster has a binding or not. Its columns after the first two are those of
/// [`BindingRow`].
struct LatestRow {
    now: DateTime<Utc>,
    cluster_generation: Option<i64>,
    id: Option<Uuid>,
    namespace: Option<String>,
    cluster: Option<String>,
    account_id: Option<String>,
    aws_partition: Option<String>,
    state: Option<String>,
    live: Option<bool>,
    generation: Option<i64>,
    revision: Option<i64>,
    intent_key: Option<JsonText>,
    applied_generation: Option<i64>,
    spec: Option<JsonText>,
    applied_spec: Option<JsonText>,
    unapplied_tags: Option<Vec<String>>,
    role: Option<JsonText>,
    profile: Option<JsonText>,
    policy: Option<Value>,
    drift: Option<JsonText>,
    last_error: Option<JsonText>,
    receipt: Option<JsonText>,
    usable_after: Option<DateTime<Utc>>,
    verified_at: Option<DateTime<Utc>>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    attempts: Option<i32>,
    reads_consistent_at: Option<DateTime<Utc>>,
    writes_resolved_at: Option<DateTime<Utc>>,
}

impl LatestRow {
    /// Returns the row of the binding; none when the cluster has no binding.
    fn into_row(self) -> Option<BindingRow> {
        Some(BindingRow {
            id: self.id?,
            namespace: self.namespace?,
            cluster: self.cluster?,
            account_id: self.account_id?,
            aws_partition: self.aws_partition?,
            state: self.state?,
            live: self.live?,
            generation: self.generation?,
            revision: self.revision?,
            intent_key: self.intent_key,
            applied_generation: self.applied_generation,
            spec: self.spec?,
            applied_spec: self.applied_spec,
            unapplied_tags: self.unapplied_tags?,
            role: self.role,
            profile: self.profile,
            policy: self.policy,
            drift: self.drift?,
            last_error: self.last_error,
            receipt: self.receipt,
            usable_after: self.usable_after,
            verified_at: self.verified_at,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            attempts: self.attempts?,
            reads_consistent_at: self.reads_consistent_at,
            writes_resolved_at: self.writes_resolved_at,
            lease_token: None,
            now: None,
        })
    }
}

impl Store {
    /// Reads a cluster's newest binding for a request that may change it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read_latest(
        &self,
        cluster: &ClusterName,
        operation: Operation,
    ) -> Result<Latest, StoreError> {
        macro_rules! statement {
            ($comment:literal) => {
                sqlx::query_as!(
                    LatestRow,
                    $comment
                        + r#"SELECT clock.now AS "now!", c.generation AS "cluster_generation?",
                    b.id AS "id?", b.namespace AS "namespace?", b.cluster AS "cluster?",
                    b.account_id AS "account_id?", b.aws_partition AS "aws_partition?",
                    b.state AS "state?", b.live AS "live?", b.generation AS "generation?",
                    b.revision AS "revision?", b.intent_key AS "intent_key?: JsonText",
                    b.applied_generation, b.spec AS "spec?: JsonText",
                    b.applied_spec AS "applied_spec?: JsonText",
                    b.unapplied_tags AS "unapplied_tags?", b.role AS "role?: JsonText",
                    b.profile AS "profile?: JsonText", b.policy, b.drift AS "drift?: JsonText",
                    b.last_error AS "last_error?: JsonText", b.receipt AS "receipt?: JsonText",
                    b.usable_after,
                    b.verified_at, b.created_at AS "created_at?", b.updated_at AS "updated_at?",
                    b.attempts AS "attempts?", w.reads_consistent_at, w.writes_resolved_at
             FROM (SELECT service_now() AS now) clock
             LEFT JOIN clusters c ON c.namespace = $1 AND c.cluster = $2
             LEFT JOIN bindings b ON b.namespace = c.namespace AND b.cluster = c.cluster
                                 AND b.generation = c.generation
             LEFT JOIN work w ON w.binding_id = b.id"#,
                    self.namespace.as_str(),
                    cluster.as_str(),
                )
            };
        }
        let row = run_for!(read, operation, self, fetch_one, statement)?;
        let (now, generation) = (row.now, row.cluster_generation.unwrap_or_default());
        let binding = row.into_row().map(BindingRow::into_binding).transpose()?;
        // Another replica may have written the binding with a time that this statement's snapshot
        // contains although its own clock was read earlier.
        let updated_at = binding.as_ref().map(|binding| binding.updated_at);
        Ok(Latest {
            now: updated_at.map_or(now, |updated_at| updated_at.max(now)),
            binding,
            generation,
        })
    }
}
