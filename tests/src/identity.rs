//! The service's least-privilege policy and the permissions boundary of its roles, rendered from
//! the files in `policies/` as an administrator renders them.

use std::collections::BTreeMap;

use engine_roles_domain::account::{AccountId, Partition, Region};
use engine_roles_domain::cluster::RoleReference;
use engine_roles_domain::grant::{BoundaryArn, Placeholders, PolicyTemplate};
use engine_roles_domain::resources::Namespace;
use engine_roles_iam_sandbox::SandboxConfig;
use serde_json::Value;

/// The name of the permissions boundary of every role that the service creates.
pub const BOUNDARY: &str = "ai-unlimited-engine-boundary";

/// The ARN of [`BOUNDARY`].
pub fn boundary_arn(account: &SandboxConfig) -> String {
    let SandboxConfig {
        account_id,
        partition,
        ..
    } = account;
    format!("arn:{partition}:iam::{account_id}:policy/{BOUNDARY}")
}

/// The policy document of [`BOUNDARY`].
pub fn boundary(account: &SandboxConfig) -> Value {
    let region = match account.partition.as_str() {
        "aws-cn" => "cn-north-1",
        _ => "us-west-2",
    };
    let values = Placeholders {
        region: Some(Region::parse(region).expect("a region")),
        ..placeholders(account)
    };
    render("engine-boundary", &values)
}

/// The policy of the service's identity for these settings, rendered from
/// `policies/engine-role-service.json`. The policy allows only what the service needs.
pub fn least_privilege(account: &SandboxConfig, environment: &BTreeMap<String, String>) -> Value {
    let setting = |name: &str| environment.get(name).map_or("", String::as_str);
    let entries = |name: &str| {
        let entries = setting(name).split(',').filter(|entry| !entry.is_empty());
        entries.map(str::to_owned).collect::<Vec<String>>()
    };
    let boundary_settings = ["PERMISSIONS_BOUNDARY", "ALLOWED_BOUNDARIES"];
    let boundaries = boundary_settings
        .iter()
        .flat_map(|name| entries(&format!("ENGINE_ROLES_{name}")));
    let role_settings = ["PASS_THROUGH_ROLES", "DEFAULT_IAM_ROLE"];
    let roles = role_settings
        .iter()
        .flat_map(|name| entries(&format!("ENGINE_ROLES_{name}")));
    let service = format!(
        "arn:{}:iam::{}:role/engine-roles-service",
        account.partition, account.account_id
    );
    let namespace = match setting("ENGINE_ROLES_NAMESPACE") {
        "" => "default",
        namespace => namespace,
    };
    let values = Placeholders {
        namespace: Some(Namespace::parse(namespace).expect("a namespace")),
        boundaries: boundaries
            .map(|arn| BoundaryArn::parse(&arn).expect("a boundary"))
            .collect(),
        pass_through_roles: roles
            .map(|entry| {
                let role = entry.split('=').next().unwrap_or_default();
                RoleReference::parse(role).expect("a role")
            })
            .collect(),
        service_roles: vec![RoleReference::parse(&service).expect("a role")],
        ..placeholders(account)
    };
    render("engine-role-service", &values)
}

fn placeholders(account: &SandboxConfig) -> Placeholders {
    Placeholders {
        partition: Partition::parse(&account.partition),
        account: Some(AccountId::parse(&account.account_id).expect("an account")),
        namespace: None,
        region: None,
        cluster: None,
        boundaries: Vec::new(),
        pass_through_roles: Vec::new(),
        service_roles: Vec::new(),
        kms_key: None,
    }
}

fn render(name: &str, values: &Placeholders) -> Value {
    let template = PolicyTemplate::named(name).expect("the document is in the catalogue");
    let document = template.render(values).expect("the values are complete");
    serde_json::from_str(&document.to_json()).expect("a document is JSON")
}
