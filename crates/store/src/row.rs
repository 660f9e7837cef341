//! Rows of the table `bindings`.

use chrono::{DateTime, Utc};
use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::lifecycle::Lifecycle;
use engine_roles_domain::binding::{Binding, BindingId, Consistency};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde_json::Value;
use sqlx::types::JsonRawValue;
use uuid::Uuid;

use crate::StoreError;

/// The text of a JSON column. It is parsed once, into the type that the column is for.
pub(crate) type JsonText = Box<JsonRawValue>;

pub(crate) struct BindingRow {
    pub id: Uuid,
    pub namespace: String,
    pub cluster: String,
    pub account_id: String,
    pub aws_partition: String,
    pub state: String,
    pub live: bool,
    pub generation: i64,
    pub revision: i64,
    pub intent_key: Option<JsonText>,
    pub applied_generation: Option<i64>,
    pub spec: JsonText,
    pub applied_spec: Option<JsonText>,
    pub unapplied_tags: Vec<String>,
    pub role: Option<JsonText>,
    pub profile: Option<JsonText>,
    pub policy: Option<Value>,
    pub drift: JsonText,
    pub last_error: Option<JsonText>,
    pub receipt: Option<JsonText>,
    pub usable_after: Option<DateTime<Utc>>,
    pub verified_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub attempts: i32,
    pub reads_consistent_at: Option<DateTime<Utc>>,
    pub writes_resolved_at: Option<DateTime<Utc>>,
    /// The token of the last lease, held or ended.
    pub lease_token: Option<Uuid>,
    /// When the row was read.
    pub now: Option<DateTime<Utc>>,
}

/// Selects the columns of [`BindingRow`], with the comment that begins the statement and the rest
/// of the statement as given.
macro_rules! select_binding {
    ($comment:literal, $rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::row::BindingRow,
            $comment
                + r#"SELECT b.id, b.namespace, b.cluster, b.account_id, b.aws_partition, b.state, b.live,
                    b.generation, b.revision, b.intent_key AS "intent_key: crate::row::JsonText",
                    b.applied_generation, b.spec AS "spec: crate::row::JsonText",
                    b.applied_spec AS "applied_spec: crate::row::JsonText", b.unapplied_tags,
                    b.role AS "role: crate::row::JsonText",
                    b.profile AS "profile: crate::row::JsonText", b.policy,
                    b.drift AS "drift: crate::row::JsonText",
                    b.last_error AS "last_error: crate::row::JsonText",
                    b.receipt AS "receipt: crate::row::JsonText",
                    b.usable_after, b.verified_at, b.created_at, b.updated_at, b.attempts,
                    w.reads_consistent_at, w.writes_resolved_at, w.lease_token,
                    service_now() AS now
             FROM bindings b LEFT JOIN work w ON w.binding_id = b.id "# + $rest
            $(, $argument)*
        )
    };
}
pub(crate) use select_binding;

/// A statement that writes all fields of a [`Binding`] to its row. `$before` is what precedes the
/// UPDATE, with the comment; `$after` is what follows its SET clause. Their own arguments start at
/// `$21`. `writes_settle_at` never gets smaller, so that a write that may still take effect is never
/// forgotten. The update reads the time from a relation `clock`.
macro_rules! update_binding {
    ($row:ty, $comment:literal, $before:literal, $after:literal, $binding:expr, $updated_at:expr
     $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            $row,
            $comment + $before + "UPDATE bindings b SET
                 state = $2, live = $3, generation = $4, spec = $5, applied_generation = $6,
                 applied_spec = $7, unapplied_tags = $8, role = $9, profile = $10, policy = $11,
                 drift = $12, last_error = $13, receipt = $14, usable_after = $15,
                 verified_at = $16, attempts = $17, reads_settle_at = $18,
                 writes_settle_at = GREATEST(writes_settle_at, $19),
                 updated_at = COALESCE($20, clock.now), written_by_this_release = true
             " + $after,
            $binding.id.0,
            $binding.state().as_str(),
            $binding.is_live(),
            $binding.generation,
            $crate::row::to_json(&$binding.spec),
            $binding.applied_generation,
            $crate::row::optional_json($binding.applied_spec.as_ref()),
            &$binding.unapplied_tags.iter().cloned().collect::<Vec<_>>(),
            $crate::row::optional_json($binding.role.as_ref()),
            $crate::row::optional_json($binding.profile.as_ref()),
            $binding.policy.clone(),
            $crate::row::to_json(&$binding.drift),
            $crate::row::optional_json($binding.last_error()),
            $crate::row::optional_json($binding.receipt()),
            $binding.usable_after,
            $binding.verified_at,
            $binding.attempts,
            $binding.consistency.reads_consistent_at,
            $binding.consistency.writes_resolved_at,
            $updated_at
            $(, $argument)*
        )
    };
}
pub(crate) use update_binding;

impl BindingRow {
    pub(crate) fn into_binding(self) -> Result<Binding, StoreError> {
        let id = self.id;
        let lifecycle = Lifecycle::from_stored(
            word(id, "state", self.state)?,
            self.live,
            self.generation,
            optional(id, "last_error", self.last_error.as_deref())?,
            optional(id, "receipt", self.receipt.as_deref())?,
        );
        Ok(Binding {
            id: BindingId(id),
            cluster: word(id, "cluster", self.cluster)?,
            namespace: word(id, "namespace", self.namespace)?,
            scope: Scope {
                account: word(id, "account_id", self.account_id)?,
                partition: word(id, "aws_partition", self.aws_partition)?,
            },
            lifecycle: lifecycle.map_err(|source| corrupt(id, "state", source))?,
            generation: self.generation,
            revision: self.revision,
            intent_key: optional(id, "intent_key", self.intent_key.as_deref())?,
            applied_generation: self.applied_generation,
            spec: json(id, "spec", &self.spec)?,
            applied_spec: optional(id, "applied_spec", self.applied_spec.as_deref())?,
            unapplied_tags: self.unapplied_tags.into_iter().collect(),
            role: optional(id, "role", self.role.as_deref())?,
            profile: optional(id, "profile", self.profile.as_deref())?,
            policy: self.policy,
            usable_after: self.usable_after,
            verified_at: self.verified_at,
            drift: json(id, "drift", &self.drift)?,
            attempts: self.attempts,
            consistency: Consistency {
                reads_consistent_at: self.reads_consistent_at,
                writes_resolved_at: self.writes_resolved_at,
            },
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

pub(crate) fn corrupt(
    id: Uuid,
    column: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt {
        id,
        column,
        source: source.into(),
    }
}

/// Parses a text column.
fn word<T: DeserializeOwned>(
    id: Uuid,
    column: &'static str,
    text: String,
) -> Result<T, StoreError> {
    T::deserialize(text.into_deserializer())
        .map_err(|source: serde_json::Error| corrupt(id, column, source))
}

/// Parses a JSON column.
fn json<T: DeserializeOwned>(
    id: Uuid,
    column: &'static str,
    text: &JsonRawValue,
) -> Result<T, StoreError> {
    serde_json::from_str(text.get()).map_err(|source| corrupt(id, column, source))
}

fn optional<T: DeserializeOwned>(
    id: Uuid,
    column: &'static str,
    text: Option<&JsonRawValue>,
) -> Result<Option<T>, StoreError> {
    text.map(|text| json(id, column, text)).transpose()
}

/// Serialises a value of the domain for a JSON column. Serialising can't fail: the values are
/// plain data with text keys.
pub(crate) fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("plain data with text keys serialises")
}

pub(crate) fn optional_json(value: Option<&impl Serialize>) -> Option<Value> {
    value.map(to_json)
}
