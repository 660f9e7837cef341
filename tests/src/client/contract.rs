//! Each answer of the service is one of the contract's, and the contract's types lose nothing of
//! it.

use engine_roles_contract::{
    Access, AuditPage, Binding, BindingList, Capabilities, PassThroughRoleList, Plan, PolicyList,
    Problem, Readiness,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Answer;

/// Checks an answer of the service to a request of this path.
///
/// # Panics
/// When the answer is not what the contract says.
pub(crate) fn assert_kept(path: &str, answer: &Answer) {
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
        ["v1", "clusters", _, "role"] => assert_words(&read(path, answer)),
        ["v1", "clusters", _, "role", "plan"] => drop(read::<Plan>(path, answer)),
        ["v1", "clusters", _, "role", "access"] => drop(read::<Access>(path, answer)),
        ["v1", "clusters"] => {
            let list: BindingList = read(path, answer);
            list.items.iter().for_each(assert_words);
        }
        ["v1", "audit"] => drop(read::<AuditPage>(path, answer)),
        ["v1", "capabilities"] => drop(read::<Capabilities>(path, answer)),
        ["v1", "pass-through-roles"] => drop(read::<PassThroughRoleList>(path, answer)),
        ["v1", "policies"] => drop(read::<PolicyList>(path, answer)),
        ["readyz"] => drop(read::<Readiness>(path, answer)),
        // A policy document and the OpenAPI document are JSON of others.
        _ => {}
    }
}

fn read<T: DeserializeOwned + Serialize>(path: &str, answer: &Answer) -> T {
    let text = &answer.text;
    let read: T = serde_json::from_value(answer.body.clone())
        .unwrap_or_else(|error| panic!("{path} is not answered by the contract: {error}: {text}"));
    let again = serde_json::to_value(&read).expect("plain data serialises");
    assert_eq!(again, answer.body, "{path}: the contract loses something");
    read
}

fn assert_words(binding: &Binding) {
    let known = binding.state.known().is_some() && binding.mode.known().is_some();
    assert!(known, "{binding:?}");
}
