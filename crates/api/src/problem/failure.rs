//! Problems of intents that failed.

use engine_roles_contract::{self as contract, Code};
use engine_roles_domain::binding::{Binding, Failure, FailureCode};
use engine_roles_domain::identity::{DeniedBy, statements_for_binding};
use serde_json::json;

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
        FailureCode::TagLimitExceeded => Code::TagLimitExceeded,
        FailureCode::OtherAccount => Code::OtherAccount,
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
        body.denied_by = failure.denied_by.clone().map(denied_by);
        let by = failure.denied_by.as_ref();
        if by.is_none_or(DeniedBy::is_mended_by_allowing) {
            let statements = statements_for_binding(&failure.missing_permissions, binding);
            body.statement = statements.into_iter().next();
        }
        let creation_was_denied = failure
            .missing_permissions
            .iter()
            .any(|action| action == "iam:CreateRole");
        body.alternative = creation_was_denied.then(|| ALTERNATIVE.to_owned());
    }
    problem
}

/// Returns what denied a call, as the answer has it.
pub(crate) fn denied_by(by: DeniedBy) -> contract::DeniedBy {
    let layer = json!(by.layer);
    contract::DeniedBy {
        layer: layer.as_str().unwrap_or_default().to_owned(),
        explicit: by.explicit,
        policy: by.policy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::codes_of;

    #[test]
    fn each_failure_code_is_the_same_on_the_wire_and_is_one_of_a_provisioning() {
        let codes = codes_of("provisionRole").expect("an operation");
        for failure in [
            FailureCode::MissingPermission,
            FailureCode::QuotaExceeded,
            FailureCode::NameTaken,
            FailureCode::BoundaryNotAllowed,
            FailureCode::PolicyTooLarge,
            FailureCode::PassThroughRoleUnfit,
            FailureCode::TeardownBlocked,
            FailureCode::TagLimitExceeded,
            FailureCode::OtherAccount,
            FailureCode::IamUnavailable,
            FailureCode::Internal,
        ] {
            assert_eq!(json!(code(failure)), failure.as_str());
            assert!(codes.contains(&code(failure)), "{failure:?}");
        }
    }
}
