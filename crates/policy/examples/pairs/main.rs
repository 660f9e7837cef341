//! Prints pairs of policies and a request, one JSON object a line, with the decisions of this crate
//! and of `iam-rs`. `.ci/policy-comparison` compares them with other implementations.
//!
//! The pairs are the decisions of `corpus/` and generated ones. The seed is fixed, so that the list
//! of known disagreements can name pairs.

#[path = "../../tests/cases/mod.rs"]
mod cases;
mod generate;
mod other;

use std::collections::BTreeMap;

use engine_roles_policy::{Context, Decision, Document, Kind, Request, evaluate};
use serde_json::{Value, json};

/// The numbers of generated pairs.
const PAIRS: usize = 4_000;
const ACTION_PAIRS: usize = 1_000;

/// Policies and a request.
#[derive(Debug)]
struct Pair {
    id: String,
    policies: Vec<Value>,
    boundary: Option<Value>,
    action: String,
    resource: String,
    context: BTreeMap<String, Vec<String>>,
}

fn main() {
    let generated = generate::pairs(PAIRS)
        .into_iter()
        .chain(generate::actions(ACTION_PAIRS));
    for pair in corpus().into_iter().chain(generated) {
        let line = json!({
            "id": pair.id,
            "policies": pair.policies,
            "boundary": pair.boundary,
            "action": pair.action,
            "resource": pair.resource,
            "context": pair.context,
            "decisions": {"engine-roles": ours(&pair), "iam-rs": other::decision(&pair)},
        });
        println!("{line}");
    }
}

/// Returns the decisions of the corpus about identity policies in complete contexts; the other
/// implementations know no partial ones.
fn corpus() -> Vec<Pair> {
    let files = cases::load().into_iter();
    let cases = files.flat_map(|(file, cases)| {
        let cases = cases.into_iter();
        cases.map(move |case| {
            (
                format!("{}: {}", file.trim_end_matches(".json"), case.name),
                case,
            )
        })
    });
    cases
        .filter_map(|(id, case)| match case.form {
            cases::Form::Decision(asked)
                if asked.trust.is_none() && !asked.partial && !asked.lenient =>
            {
                Some(Pair {
                    id,
                    policies: asked.policies.iter().map(|text| value(text)).collect(),
                    boundary: asked.boundary.as_deref().map(value),
                    action: asked.request.action,
                    resource: asked.request.resource,
                    context: asked.keys,
                })
            }
            _ => None,
        })
        // A JSON number of more than 64 bits is not the same for every reader.
        .filter(|pair| !pair.policies.iter().any(|it| it.to_string().contains("e+")))
        .collect()
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("the corpus has valid JSON")
}

fn ours(pair: &Pair) -> &'static str {
    let parse = |kind, value: &Value| Document::parse(kind, &value.to_string());
    let policies = pair.policies.iter().map(|it| parse(Kind::Identity, it));
    let Ok(policies) = policies.collect::<Result<Vec<_>, _>>() else {
        return "error";
    };
    let boundary = pair.boundary.as_ref().map(|it| parse(Kind::Boundary, it));
    let Ok(boundary) = boundary.transpose() else {
        return "error";
    };
    let context = pair
        .context
        .iter()
        .fold(Context::new(), |context, (key, values)| {
            context.with_values(key, values)
        });
    let request = Request::new(&pair.action, &pair.resource).in_context(context);
    let policies: Vec<&Document> = policies.iter().collect();
    match evaluate(&request, &policies, boundary.as_ref()) {
        Decision::Allowed { .. } => "allowed",
        Decision::Denied { .. } | Decision::NotAllowed => "denied",
        Decision::Indeterminate { .. } => "indeterminate",
    }
}
