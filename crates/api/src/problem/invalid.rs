//! Problems of values that must not get into a name, an ARN or a policy.

use engine_roles_contract::Code;
use engine_roles_domain::invalid::{Invalid, InvalidKind};

use super::Problem;

/// Returns the problem of a field whose value breaks the rule of its kind.
pub(crate) fn invalid(field: impl Into<String>, invalid: &Invalid) -> Problem {
    Problem::field(code(invalid.kind), field, invalid.to_string())
}

/// Returns the code of a value of this kind that breaks its rule.
pub(crate) fn code(kind: InvalidKind) -> Code {
    match kind {
        InvalidKind::ClusterName => Code::InvalidClusterName,
        InvalidKind::SecretName => Code::InvalidSecretName,
        InvalidKind::Region => Code::InvalidRegion,
        InvalidKind::RolePrefix => Code::InvalidRolePrefix,
        InvalidKind::Tag => Code::InvalidTag,
        InvalidKind::Role | InvalidKind::InstanceProfile => Code::PassThroughRoleNotAllowed,
        InvalidKind::Boundary => Code::BoundaryNotAllowed,
        InvalidKind::Namespace
        | InvalidKind::AccountId
        | InvalidKind::KmsKey
        | InvalidKind::KeyName
        | InvalidKind::KeyScopes
        | InvalidKind::ClusterPrefix
        | InvalidKind::Principal
        | InvalidKind::ServerName => Code::InvalidRequest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_invalid_value_has_its_code() {
        use InvalidKind as K;
        let kinds = [
            K::ClusterName,
            K::SecretName,
            K::Region,
            K::RolePrefix,
            K::Tag,
            K::Namespace,
            K::AccountId,
            K::Role,
            K::InstanceProfile,
            K::Boundary,
            K::KmsKey,
        ];
        let codes = kinds.map(|kind| {
            let value = Invalid {
                kind,
                rule: "breaks a rule".to_owned(),
            };
            let Problem(body) = invalid("field", &value);
            let code = body.code.known().expect("a code of this version");
            format!("{code:?}")
        });
        insta::assert_snapshot!(codes.join(" "), @"InvalidClusterName InvalidSecretName InvalidRegion InvalidRolePrefix InvalidTag InvalidRequest InvalidRequest PassThroughRoleNotAllowed PassThroughRoleNotAllowed BoundaryNotAllowed InvalidRequest");
    }
}
