//! What a cluster's role can reach.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::binding::Mode;
use crate::open::Open;

/// What a document is to its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// Written into the role.
    Inline,
    /// A policy of its own, attached to the role.
    Managed,
    /// The permissions boundary.
    Boundary,
}

/// What a cluster's role can reach, evaluated from the documents that IAM holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Access {
    pub cluster: String,
    #[schema(value_type = String)]
    pub mode: Open<Mode>,
    /// Its name, ARN, path and unique id.
    #[schema(value_type = Object)]
    pub role: Value,
    pub evaluated_at: DateTime<Utc>,
    /// The policies that were evaluated.
    pub documents: Vec<EvaluatedDocument>,
    /// What could not be read, each in a sentence: it makes what hangs on it `indeterminate`.
    pub unread: Vec<String>,
    /// Each secret of the cluster that its spec names, or all of them: `resource` as a pattern,
    /// `decision` (`allowed`, `denied`, `indeterminate`), `by` (the statement that decides), and
    /// for `indeterminate` `because`.
    #[schema(value_type = Vec<Object>)]
    pub own_secrets: Value,
    /// Other clusters' secrets: `decision`, `by` or `because`, and the `grants` that reach them.
    #[schema(value_type = Object)]
    pub other_secrets: Value,
    /// Whatever the role reaches beyond what the binding may have, in the same form.
    #[schema(value_type = Object)]
    pub anything_else: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvaluatedDocument {
    /// `inline`, `managed` or `boundary`.
    #[schema(value_type = String)]
    pub kind: Open<DocumentKind>,
    /// The inline policy's name, or the managed policy's ARN.
    pub name: String,
    /// Why it could not be read, where that is so.
    pub unread: Option<String>,
}
