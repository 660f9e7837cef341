//! What a PUT would do.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::open::Open;

/// What a plan was made against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Nothing exists yet, for certain.
    Nothing,
    /// What AWS answered just now.
    Observed,
    /// What is recorded; AWS could not be read.
    Recorded,
}

/// What a PUT of the same body would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    pub cluster: String,
    /// `new`, `change` or `unchanged`.
    pub intent: String,
    /// What the plan was made against: `nothing` (there is nothing, for certain), `observed`
    /// (AWS was read just now) or `recorded` (AWS could not be read).
    #[schema(value_type = String)]
    pub basis: Open<Basis>,
    /// The request as resolved.
    #[schema(value_type = Object)]
    pub spec: Value,
    /// The name of what would be made; a new binding's last sixteen characters are not known
    /// yet and stand as question marks.
    pub name: String,
    /// How many calls to IAM that would be.
    pub call_count: usize,
    /// How many stages they come in.
    pub stage_count: usize,
    pub steps: Vec<PlanStep>,
    /// The inline policy, in mode create.
    #[schema(value_type = Option<Object>)]
    pub policy: Option<Value>,
    /// The trust policy, in mode create.
    #[schema(value_type = Option<Object>)]
    pub trust: Option<Value>,
    /// What the caller should look at.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanStep {
    /// From 1; the steps of one stage run side by side.
    pub stage: usize,
    pub action: String,
    pub target: String,
    #[schema(value_type = Option<Object>)]
    pub document: Option<Value>,
}
