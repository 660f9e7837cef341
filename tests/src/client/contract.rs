//! Checks that every answer of the service can be read into the contract's types without losing
//! anything.

use engine_roles_contract::{
    Access, AuditConsistency, AuditInclusion, AuditPage, AwsToken, Binding, BindingList,
    Capabilities, IncarnationList, LogLevel, PassThroughRoleList, Plan, PolicyList, Problem,
    Readiness,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Answer;

/// Checks the answer to a request for this path.
///
/// # Panics
/// When the answer does not conform to the contract.
pub(crate) fn assert_valid(path: &str, answer: &Answer) {
    let content_type = answer.header("content-type").unwrap_or_default();
    if content_type == "application/problem+json" {
        let problem: Problem = read(path, answer);
        assert!(problem.code.known().is_some(), "{path}: {}", answer.text);
        return;
    }
    if content_type != "application/json" {
        return;
    }
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments[..] {
        ["v1", "clusters", _, "role"] => assert_known_words(&read(path, answer)),
        ["v1", "clusters", _, "role", "plan"] => drop(read::<Plan>(path, answer)),
        ["v1", "clusters", _, "role", "access"] => drop(read::<Access>(path, answer)),
        ["v1", "clusters"] => {
            let list: BindingList = read(path, answer);
            list.items.iter().for_each(assert_known_words);
        }
        ["v1", "clusters", _, "incarnations"] => {
            let list: IncarnationList = read(path, answer);
            list.items.iter().for_each(assert_known_words);
        }
        ["v1", "audit"] => drop(read::<AuditPage>(path, answer)),
        ["v1", "audit", _, "proof"] => drop(read::<AuditInclusion>(path, answer)),
        ["v1", "audit", "consistency"] => drop(read::<AuditConsistency>(path, answer)),
        ["v1", "capabilities"] => drop(read::<Capabilities>(path, answer)),
        ["v1", "pass-through-roles"] => drop(read::<PassThroughRoleList>(path, answer)),
        ["v1", "policies"] => drop(read::<PolicyList>(path, answer)),
        ["v1", "auth", "aws"] => drop(read::<AwsToken>(path, answer)),
        ["v1", "log-level"] => drop(read::<LogLevel>(path, answer)),
        ["readyz"] => drop(read::<Readiness>(path, answer)),
        // Policy documents and the OpenAPI document are JSON too, but not types of the contract.
        _ => {}
    }
}

fn read<T: DeserializeOwned + Serialize>(path: &str, answer: &Answer) -> T {
    let text = &answer.text;
    let read: T = serde_json::from_value(answer.body.clone()).unwrap_or_else(|error| {
        panic!("the answer to {path} does not conform to the contract: {error}: {text}")
    });
    let again = serde_json::to_value(&read).expect("plain data serialises");
    assert_eq!(
        again, answer.body,
        "{path}: the contract's type loses a member"
    );
    read
}

fn assert_known_words(binding: &Binding) {
    let known = binding.state.known().is_some() && binding.mode.known().is_some();
    assert!(known, "{binding:?}");
}
