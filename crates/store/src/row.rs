//! A binding as the database holds it.

use chrono::{DateTime, Utc};
use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::{Binding, BindingId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::StoreError;

pub(crate) struct BindingRow {
    pub id: Uuid,
    pub namespace: String,
    pub cluster: String,
    pub account_id: String,
    pub aws_partition: String,
    pub state: String,
    pub live: bool,
    pub generation: i64,
    pub applied_generation: Option<i64>,
    pub spec: Value,
    pub applied_spec: Option<Value>,
    pub unapplied_tags: Vec<String>,
    pub role: Option<Value>,
    pub profile: Option<Value>,
    pub policy: Option<Value>,
    pub drift: Value,
    pub last_error: Option<Value>,
    pub receipt: Option<Value>,
    pub usable_after: Option<DateTime<Utc>>,
    pub verified_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub attempts: i32,
    pub reads_settle_at: Option<DateTime<Utc>>,
    pub writes_settle_at: Option<DateTime<Utc>>,
}

/// The columns of [`BindingRow`], each query's own text around them.
macro_rules! select_binding {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::row::BindingRow,
            "SELECT b.id, b.namespace, b.cluster, b.account_id, b.aws_partition, b.state, b.live,
                    b.generation, b.applied_generation, b.spec, b.applied_spec, b.unapplied_tags, b.role, b.profile,
                    b.policy, b.drift, b.last_error, b.receipt, b.usable_after, b.verified_at,
                    b.created_at, b.updated_at, b.attempts, b.reads_settle_at, b.writes_settle_at
             FROM bindings b " + $rest
            $(, $argument)*
        )
    };
}
pub(crate) use select_binding;

impl BindingRow {
    pub(crate) fn into_binding(self) -> Result<Binding, StoreError> {
        let id = self.id;
        Ok(Binding {
            id: BindingId(id),
            cluster: json(id, "cluster", Value::String(self.cluster))?,
            namespace: json(id, "namespace", Value::String(self.namespace))?,
            scope: Scope {
                account: json(id, "account_id", Value::String(self.account_id))?,
                partition: json(id, "aws_partition", Value::String(self.aws_partition))?,
            },
            state: json(id, "state", Value::String(self.state))?,
            live: self.live,
            generation: self.generation,
            applied_generation: self.applied_generation,
            spec: json(id, "spec", self.spec)?,
            applied_spec: optional(id, "applied_spec", self.applied_spec)?,
            unapplied_tags: self.unapplied_tags.into_iter().collect(),
            role: optional(id, "role", self.role)?,
            profile: optional(id, "profile", self.profile)?,
            policy: self.policy,
            usable_after: self.usable_after,
            verified_at: self.verified_at,
            drift: json(id, "drift", self.drift)?,
            last_error: optional(id, "last_error", self.last_error)?,
            attempts: self.attempts,
            reads_settle_at: self.reads_settle_at,
            writes_settle_at: self.writes_settle_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
            receipt: optional(id, "receipt", self.receipt)?,
        })
    }
}

fn json<T: DeserializeOwned>(
    id: Uuid,
    column: &'static str,
    value: Value,
) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(|source| StoreError::Corrupt {
        id,
        column,
        source: Box::new(source),
    })
}

fn optional<T: DeserializeOwned>(
    id: Uuid,
    column: &'static str,
    value: Option<Value>,
) -> Result<Option<T>, StoreError> {
    value.map(|value| json(id, column, value)).transpose()
}

/// A word of the domain as a JSON column. All of them are plain data with text keys, which
/// can't fail to serialise.
pub(crate) fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("plain data with text keys serialises")
}

pub(crate) fn optional_json(value: Option<&impl Serialize>) -> Option<Value> {
    value.map(to_json)
}
