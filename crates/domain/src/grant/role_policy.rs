//! The documents of an engine's role: what it may do, and who may assume it.

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

/// What Session Manager's agent needs, kept as the document that administrators see too.
const SESSION_MANAGER: &str = include_str!("../../../../policies/session-manager.json");

/// The inline policy of a created role: to read its own secrets, with the key under which they
/// are encrypted, and where it is wanted what Session Manager needs. It is proved to grant
/// nothing else before it is returned.
///
/// A named secret is `…/NAME-??????`: Secrets Manager appends a hyphen and six characters to
/// each secret's ARN, and `-*` would also match `NAME-anything`.
/// Source: Secrets Manager user guide, "IAM policy examples … Wildcards".
///
/// # Errors
/// When the document is larger than IAM takes, or the proof fails.
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

/// The most that the role of a binding with this spec may have.
pub(crate) fn engine_limits(spec: &RoleSpec, scope: &Scope, cluster: &ClusterName) -> Vec<Grant> {
    let own = secrets_arn(scope.partition, &spec.region, &scope.account, Some(cluster));
    let mut limits = vec![Grant::new(READ_SECRET, own)];
    limits.extend(KeyAccess::of(spec, scope, cluster).map(|access| access.limit()));
    if spec.session_manager {
        limits.extend(session_manager_limits());
    }
    limits
}

/// What Session Manager's document grants.
pub(crate) fn session_manager_limits() -> Vec<Grant> {
    let statements = session_manager().unwrap_or_default();
    statements.iter().flat_map(grants_of).collect()
}

// Each action of the administrator's document with each of its resources.
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

/// The trust policy of a created role: EC2 may assume it, by the partition's own principal.
///
/// # Errors
/// Never in practice: the document is fixed but for the principal.
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

/// Something about a secret's name that its caller should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretWarning {
    /// The name.
    pub secret: SecretName,
    /// What to look at.
    pub warning: String,
}

/// What a plan says about the names of secrets.
pub fn secret_warnings(spec: &RoleSpec) -> Vec<SecretWarning> {
    let Secrets::Named(names) = &spec.secrets else {
        return Vec::new();
    };
    let suspicious = names.iter().filter(|name| name.looks_like_arn_tail());
    suspicious
        .map(|name| SecretWarning {
            secret: name.clone(),
            warning: format!(
                "{name} ends as a secret's ARN does; it is taken as the secret's name, and six \
                 further characters are expected after it. If it was copied from an ARN, leave \
                 the hyphen and the last six characters out."
            ),
        })
        .collect()
}

/// A document as it is sent to IAM, as a JSON value: for records and for people.
pub fn as_written(document: &Document) -> serde_json::Value {
    serde_json::from_str(&document.to_json()).unwrap_or_else(|_| document.to_value())
}
