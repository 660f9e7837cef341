//! The decision of `iam-rs`.

use iam_rs::{Decision, IAMPolicy, IAMRequest, PolicyEvaluator};
use serde_json::{Map, Value, json};

use crate::Pair;

/// Returns `allowed`, `denied` or `error`.
pub(crate) fn decision(pair: &Pair) -> &'static str {
    let request = json!({
        "Principal": {"AWS": "arn:aws:iam::111122223333:user/ann"},
        "Action": pair.action,
        "Resource": pair.resource,
        "Context": context(pair),
    });
    let Ok(request) = serde_json::from_value::<IAMRequest>(request) else {
        return "error";
    };
    let decide = |policies: &[Value]| {
        let policies: Result<Vec<IAMPolicy>, _> = policies
            .iter()
            .map(|policy| IAMPolicy::from_json(&policy.to_string()))
            .collect();
        let evaluator = PolicyEvaluator::with_policies(policies.ok()?);
        evaluator
            .evaluate(&request)
            .ok()
            .map(|found| found.decision)
    };
    // It has no boundaries: both have to allow the request.
    let boundary = pair
        .boundary
        .as_ref()
        .map(|it| decide(std::slice::from_ref(it)));
    match (decide(&pair.policies), boundary) {
        (None, _) | (_, Some(None)) => "error",
        (Some(Decision::Allow), None | Some(Some(Decision::Allow))) => "allowed",
        _ => "denied",
    }
}

/// Returns the context with the JSON types that the library expects for its operators.
fn context(pair: &Pair) -> Map<String, Value> {
    let keys = pair.context.iter().filter(|(_, values)| !values.is_empty());
    keys.map(|(key, values)| {
        let value = match (key.to_lowercase().as_str(), values.as_slice()) {
            ("aws:securetransport" | "aws:multifactorauthpresent", [value]) => {
                value.parse::<bool>().map_or(json!(value), |it| json!(it))
            }
            ("s3:max-keys" | "aws:multifactorauthage", [value]) => {
                value.parse::<f64>().map_or(json!(value), |it| json!(it))
            }
            ("aws:tagkeys", values) => json!(values),
            (_, [value]) => json!(value),
            (_, values) => json!(values),
        };
        (key.clone(), value)
    })
    .collect()
}
