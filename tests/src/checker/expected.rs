//! The resources that a binding should have, derived from the documentation.

use std::collections::{BTreeMap, BTreeSet};

use engine_roles_domain::binding::BindingId;
use engine_roles_domain::cluster::ClusterName;
use engine_roles_domain::resources::{Namespace, RolePrefix, resource_name};
use serde_json::{Value, json};

use crate::database::BindingRow;
use crate::policy_documents::policy_document;

/// The name of a binding's role and instance profile.
pub(super) fn name(row: &BindingRow) -> String {
    let prefix = row.spec["role_prefix"].as_str().unwrap_or_default();
    let prefix = RolePrefix::parse(prefix).expect("the database holds valid prefixes");
    let cluster = ClusterName::parse(&row.cluster).expect("the database holds valid clusters");
    let namespace = Namespace::parse(&row.namespace).expect("the database holds valid names");
    resource_name(&prefix, &cluster, &namespace, BindingId(row.id)).to_string()
}

/// The path of a binding's resources.
pub(super) fn path(row: &BindingRow) -> String {
    format!("/ai-unlimited/engine/{}/", row.namespace)
}

pub(super) fn tags(row: &BindingRow) -> BTreeMap<String, String> {
    let own = [
        ("managed-by", "engine-roles".to_owned()),
        ("namespace", row.namespace.clone()),
        ("cluster", row.cluster.clone()),
        ("binding-id", row.id.to_string()),
    ];
    let own = own.map(|(key, value)| (format!("ai-unlimited:{key}"), value));
    let user = row.spec["tags"].as_object().into_iter().flatten();
    let user =
        user.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
    own.into_iter().chain(user).collect()
}

/// The trust policy of the role.
pub(super) fn trust(row: &BindingRow) -> Value {
    let principal = match row.aws_partition.as_str() {
        "aws-cn" => "ec2.amazonaws.com.cn",
        _ => "ec2.amazonaws.com",
    };
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": principal},
            "Action": "sts:AssumeRole",
        }],
    })
}

/// The inline policy of the role.
pub(super) fn policy(row: &BindingRow) -> Value {
    let (partition, account) = (&row.aws_partition, &row.account_id);
    let region = row.spec["region"].as_str().unwrap_or_default();
    let cluster = &row.cluster;
    let below = format!(
        "arn:{partition}:secretsmanager:{region}:{account}:secret:compute-engine/{cluster}/"
    );
    let resources: Vec<String> = match &row.spec["secrets"] {
        Value::Array(names) => names
            .iter()
            .map(|name| format!("{below}{}-??????", name.as_str().unwrap_or_default()))
            .collect(),
        _ => vec![format!("{below}*")],
    };
    let mut statements = vec![json!({
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": resources,
    })];
    if let Some(key) = row.spec["kms_key"].as_str() {
        let suffix = match partition.as_str() {
            "aws-cn" => "amazonaws.com.cn",
            _ => "amazonaws.com",
        };
        statements.push(json!({
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key,
            "Condition": {
                "StringEquals": {"kms:ViaService": format!("secretsmanager.{region}.{suffix}")},
                "StringLike": {"kms:EncryptionContext:SecretARN": format!("{below}*")},
            },
        }));
    }
    if row.spec["session_manager"] == true {
        let document = policy_document("session-manager");
        statements.extend(
            document["Statement"]
                .as_array()
                .cloned()
                .unwrap_or_default(),
        );
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Returns a policy document in a form that is equal for equivalent documents: independent of the
/// order of statements and lists, of single values in place of lists, and of Sids.
pub(super) fn normalized(document: &Value) -> BTreeSet<String> {
    let statements = as_list(&document["Statement"]);
    let plain = statements.into_iter().map(|statement| {
        let mut parts: Vec<String> = statement
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| *key != "Sid")
            .map(|(key, value)| format!("{key}={}", flat(value)))
            .collect();
        parts.sort();
        parts.join(" ")
    });
    plain.collect()
}

fn flat(value: &Value) -> String {
    if let Some(map) = value.as_object() {
        let parts = map
            .iter()
            .map(|(key, value)| format!("{key}={}", flat(value)));
        let mut parts: Vec<String> = parts.collect();
        parts.sort();
        return format!("{{{}}}", parts.join(","));
    }
    let mut parts: Vec<String> = as_list(value).into_iter().map(Value::to_string).collect();
    parts.sort();
    format!("[{}]", parts.join(","))
}

fn as_list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}
