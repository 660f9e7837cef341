//! The policy documents of the repository.

use serde_json::Value;

/// The IAM actions that AI Unlimited's manager role allows. The service needs no other IAM action.
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

/// Reads `policies/{name}.json`.
///
/// # Panics
/// When the file does not exist or is not JSON.
pub fn policy_document(name: &str) -> Value {
    let path = format!("{}/../policies/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}
