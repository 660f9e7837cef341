//! The inline policy and the trust policy of a created role.

use engine_roles_policy::{
    Document, Grant, Kind, PolicyError, Scope as Reach, Statement, grants_within,
};

use crate::account::{Partition, Scope};
use crate::cluster::name::ClusterName;
use crate::cluster::secret::{SecretName, Secrets};
use crate::cluster::spec::RoleSpec;
use crate::grant::error::RolePolicyError;
use crate::grant::key_access::KeyAccess;
use crate::grant::secrets::{READ_SECRET, secrets_arn};

/// The name of the one inline policy of a created role.
pub const INLINE_POLICY_NAME: &str = "engine-access";

/// IAM's limit on all inline policies of one role together, in characters without white space.
/// Source: IAM user guide, "IAM and AWS STS quotas".
pub const INLINE_POLICY_LIMIT: usize = 10_240;

/// The permissions of Session Manager's agent, from the document that administrators also get.
const SESSION_MANAGER: &str = include_str!("../../../../policies/session-manager.json");

/// Builds the inline policy of a created role. The policy lets the role read its cluster's secrets
/// and use the KMS key that encrypts them, and contains Session Manager's permissions where the
/// spec asks for them. The policy is proved to grant nothing else before it is returned.
///
/// The pattern of a named secret is `…/NAME-??????`: Secrets Manager appends a hyphen and six
/// characters to each secret's ARN, and `-*` would also match `NAME-anything`.
/// Source: Secrets Manager user guide, "IAM policy examples … Wildcards".
///
/// # Errors
/// When the document is larger than IAM allows, or the proof fails.
pub fn role_policy(
    spec: &RoleSpec,
    scope: &Scope,
    cluster: &ClusterName,
) -> Result<Document, RolePolicyError> {
    let all = secrets_arn(scope.partition, &spec.region, &scope.account, Some(cluster));
    let prefix = all.trim_end_matches('*');
    let resources = match &spec.secrets {
        Secrets::All => vec![all.clone()],
        Secrets::Named(names) => names
            .iter()
            .map(|name| format!("{prefix}{name}-??????"))
            .collect(),
    };
    let mut statements = vec![Statement::allow(
        "ReadOwnSecrets",
        [READ_SECRET.to_owned()],
        resources,
    )];
    let key_access = KeyAccess::of(spec, scope, cluster);
    if let Some(access) = &key_access {
        statements.extend(access.statements()?);
    }
    if spec.session_manager {
        statements.extend(session_manager().map_err(RolePolicyError::Invalid)?);
    }
    let limits = engine_limits(spec, scope, cluster);
    let document = Document::new(Kind::Identity, statements).map_err(RolePolicyError::Invalid)?;
    grants_within(&document, &limits).map_err(RolePolicyError::Unproved)?;
    if let Some(access) = &key_access {
        access.prove_confined(&document)?;
    }
    let size = document.size();
    if size > INLINE_POLICY_LIMIT {
        return Err(RolePolicyError::TooLarge {
            size,
            limit: INLINE_POLICY_LIMIT,
        });
    }
    Ok(document)
}

/// Returns the most that the role of a binding with this spec may be granted.
pub(crate) fn engine_limits(spec: &RoleSpec, scope: &Scope, cluster: &ClusterName) -> Vec<Grant> {
    let own = secrets_arn(scope.partition, &spec.region, &scope.account, Some(cluster));
    let mut limits = vec![Grant::new(READ_SECRET, own)];
    limits.extend(KeyAccess::of(spec, scope, cluster).map(|access| access.limit()));
    if spec.session_manager {
        limits.extend(session_manager_limits());
    }
    limits
}

/// Returns the grants of Session Manager's document.
pub(crate) fn session_manager_limits() -> Vec<Grant> {
    let statements = session_manager().unwrap_or_default();
    statements.iter().flat_map(grants_of).collect()
}

// Returns each action of the statement with each of its resources.
pub(crate) fn grants_of(statement: &Statement) -> Vec<Grant> {
    let resources = statement.resources.iter().flat_map(Reach::patterns);
    let pairs = resources.flat_map(|resource| {
        statement.actions.patterns().iter().map(|action| Grant {
            action: action.clone(),
            resource: resource.clone(),
        })
    });
    pairs.collect()
}

pub(crate) fn session_manager() -> Result<Vec<Statement>, PolicyError> {
    Document::parse(Kind::Identity, SESSION_MANAGER).map(|document| document.statements().to_vec())
}

/// Builds the trust policy of a created role: the EC2 principal of the partition may assume it.
///
/// # Errors
/// Never in practice: only the principal varies.
pub fn trust_policy(partition: Partition) -> Result<Document, RolePolicyError> {
    let statement = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "EngineNodesAssume",
            "Effect": "Allow",
            "Principal": {"Service": partition.ec2_principal()},
            "Action": "sts:AssumeRole",
        }],
    });
    Document::from_value(Kind::Trust, &statement).map_err(RolePolicyError::Invalid)
}

/// A warning about the name of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretWarning {
    /// The name that the caller should check.
    pub secret: SecretName,
    /// What may be wrong with the name, for a person.
    pub warning: String,
}

/// Returns the warnings about the names of a spec's secrets, which a plan shows.
pub fn secret_warnings(spec: &RoleSpec) -> Vec<SecretWarning> {
    let Secrets::Named(names) = &spec.secrets else {
        return Vec::new();
    };
    let suspicious = names.iter().filter(|name| name.looks_like_arn_tail());
    suspicious
        .map(|name| SecretWarning {
            secret: name.clone(),
            warning: format!(
                "{name} ends like a secret's ARN, in a hyphen and six characters. It is used as the \
                 name of the secret, so the policy expects six more characters after it. If the \
                 name was copied from an ARN, remove the hyphen and the last six characters."
            ),
        })
        .collect()
}

/// Returns a document as it is sent to IAM, as a JSON value for records and for people.
pub fn as_written(document: &Document) -> serde_json::Value {
    serde_json::from_str(&document.to_json()).unwrap_or_else(|_| document.to_value())
}
