//! What a PUT would do.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::open::Open;
use crate::spec::{EffectiveSpec, Spec};
use crate::text::{ClusterName, Word};

/// What a plan was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// AWS was not read: the binding would be new, so none of its resources can exist.
    Nothing,
    /// The resources that AWS returned just now.
    Observed,
    /// The recorded resources, because AWS could not be read.
    Recorded,
}

/// What a PUT with the same body would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// The cluster's name.
    #[schema(value_type = ClusterName)]
    pub cluster: String,
    /// `new` (the PUT would record a new binding), `change` (the PUT would change the live binding)
    /// or `unchanged` (the live binding has this spec already).
    #[schema(value_type = Word)]
    pub intent: String,
    /// What the plan was compared with: `nothing` (the binding would be new, so none of its
    /// resources can exist), `observed` (the resources that AWS returned just now) or `recorded`
    /// (the recorded resources, because AWS could not be read).
    #[schema(value_type = Basis)]
    pub basis: Open<Basis>,
    /// What the role would be.
    pub spec: Spec,
    /// The spec with what the configuration adds to it.
    pub effective: EffectiveSpec,
    /// The name of the role and the instance profile that would be created. The last 16
    /// characters of a new binding's name are not known yet and are shown as question marks.
    pub name: String,
    /// The number of calls with which the PUT would change IAM.
    pub call_count: usize,
    /// The number of stages in which the calls would be made.
    pub stage_count: usize,
    /// The calls, in their order; empty where AWS has everything already, or where a warning says
    /// what prevents the change.
    pub steps: Vec<PlanStep>,
    /// The inline policy that the role would have; null in mode `pass_through`.
    #[schema(value_type = Option<Object>)]
    pub policy: Option<Value>,
    /// The trust policy that the role would have; null in mode `pass_through`.
    #[schema(value_type = Option<Object>)]
    pub trust: Option<Value>,
    /// What the caller should know before sending the PUT, one sentence each.
    pub warnings: Vec<String>,
}

/// One call to IAM that a PUT would make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanStep {
    /// The stage, from 1. The calls of one stage are made at the same time; the next stage begins
    /// when all of these calls have finished.
    pub stage: usize,
    /// The IAM call, such as `CreateRole`.
    pub action: String,
    /// The role or instance profile that the call would change.
    pub target: String,
    /// The document that the call would write; null where the call writes none.
    #[schema(value_type = Option<Object>)]
    pub document: Option<Value>,
}
