//! The policy documents of the repository.

use serde_json::Value;

/// The IAM actions that the manager role has; the service needs no other.
pub const MANAGER_IAM_ACTIONS: [&str; 17] = [
    "AddRoleToInstanceProfile",
    "CreateInstanceProfile",
    "CreateRole",
    "DeleteInstanceProfile",
    "DeleteRole",
    "DeleteRolePolicy",
    "GetInstanceProfile",
    "GetRole",
    "GetRolePolicy",
    "ListAttachedRolePolicies",
    "ListInstanceProfilesForRole",
    "ListRolePolicies",
    "PassRole",
    "PutRolePolicy",
    "RemoveRoleFromInstanceProfile",
    "TagInstanceProfile",
    "TagRole",
];

/// One of the documents of `policies/`.
///
/// # Panics
/// When there is none of that name.
pub fn policy_document(name: &str) -> Value {
    let path = format!("{}/../policies/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}
