//! Problems of intents that failed.

use engine_roles_contract::Code;
use engine_roles_domain::binding::{Binding, Failure, FailureCode};
use engine_roles_domain::identity::PASSED_TO;
use engine_roles_domain::resources::IamResource;
use serde_json::{Value, json};

use super::Problem;

/// The advice for a service whose identity may not create roles.
const ALTERNATIVE: &str = "If this service must not create roles in the account, let an administrator \
                           prepare a role from ai-unlimited-engine.json and add it to \
                           ENGINE_ROLES_PASS_THROUGH_ROLES; then send the request with mode pass_through.";

/// Returns the code that an answer and a binding's `last_error` have for a failure.
pub(crate) fn code(code: FailureCode) -> Code {
    match code {
        FailureCode::MissingPermission => Code::MissingPermission,
        FailureCode::QuotaExceeded => Code::QuotaExceeded,
        FailureCode::NameTaken => Code::NameTaken,
        FailureCode::BoundaryNotAllowed => Code::BoundaryNotAllowed,
        FailureCode::PolicyTooLarge => Code::PolicyTooLarge,
        FailureCode::PassThroughRoleUnfit => Code::PassThroughRoleUnfit,
        FailureCode::TeardownBlocked => Code::TeardownBlocked,
        FailureCode::IamUnavailable => Code::IamUnavailable,
        FailureCode::Internal => Code::Internal,
    }
}

/// Returns the problem of an intent that failed. Where AWS denied an action, the problem has the
/// policy statement that would allow the action.
pub(crate) fn failed(failure: &Failure, binding: &Binding) -> Problem {
    let mut problem = Problem::new(code(failure.code), failure.detail.clone());
    let body = &mut *problem.0;
    body.missing_permissions
        .clone_from(&failure.missing_permissions);
    body.blockers.clone_from(&failure.blockers);
    if failure.code == FailureCode::MissingPermission {
        body.statement = Some(statement_to_add(&failure.missing_permissions, binding));
        let creation_was_denied = failure
            .missing_permissions
            .iter()
            .any(|action| action == "iam:CreateRole");
        body.alternative = creation_was_denied.then(|| ALTERNATIVE.to_owned());
    }
    problem
}

fn statement_to_add(actions: &[String], binding: &Binding) -> Value {
    let path = binding.namespace.path();
    let ours = |resource| path.arn_pattern(resource, &binding.scope);
    if actions == ["iam:PassRole"] {
        return json!({
            "Effect": "Allow",
            "Action": actions,
            "Resource": [binding.role_resource()],
            "Condition": {"StringEquals": {"iam:PassedToService": PASSED_TO}},
        });
    }
    json!({
        "Effect": "Allow",
        "Action": actions,
        "Resource": [ours(IamResource::Role), ours(IamResource::InstanceProfile)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_code_is_the_same_in_the_domain_and_on_the_wire() {
        for failure in [
            FailureCode::MissingPermission,
            FailureCode::QuotaExceeded,
            FailureCode::NameTaken,
            FailureCode::BoundaryNotAllowed,
            FailureCode::PolicyTooLarge,
            FailureCode::PassThroughRoleUnfit,
            FailureCode::TeardownBlocked,
            FailureCode::IamUnavailable,
            FailureCode::Internal,
        ] {
            assert_eq!(json!(code(failure)), failure.as_str());
        }
    }
}
