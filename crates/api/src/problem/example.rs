//! A problem of each code, as an example for the OpenAPI document.

use engine_roles_contract as contract;
use engine_roles_contract::{Code, DeniedBy};
use serde_json::json;

use super::Problem;

const REQUEST_ID: &str = "0198c7a4-5b1e-7c3f-9a55-0c8a3d1f2b4e";

/// Returns a problem of this code as a client could get it.
pub(crate) fn example(code: Code) -> contract::Problem {
    let mut problem = match broken_rule(code) {
        Some((field, rule)) => Problem::field(code, field, rule),
        None => Problem::new(code, detail(code)),
    };
    let body = &mut *problem.0;
    REQUEST_ID.clone_into(&mut body.request_id);
    match code {
        Code::TeardownBlocked => {
            body.blockers = vec![
                "instance profile team-a: somebody else's profile contains the role".to_owned(),
            ];
        }
        Code::MissingPermission => {
            body.missing_permissions = vec!["iam:CreateRole".to_owned()];
            body.denied_by = Some(DeniedBy {
                layer: "identity_policy".to_owned(),
                explicit: false,
                policy: None,
            });
            body.statement = Some(json!({
                "Effect": "Allow",
                "Action": ["iam:CreateRole"],
                "Resource": ["arn:aws:iam::123456789012:role/ai-unlimited/engine/default/*"],
            }));
            body.alternative = Some("send the request with mode pass_through".to_owned());
        }
        _ => {}
    }
    *problem.0
}

/// Returns a field and its rule, for the codes that name a field.
fn broken_rule(code: Code) -> Option<(&'static str, &'static str)> {
    Some(match code {
        Code::InvalidRequest => ("limit", "must be a number from 1 to 500"),
        Code::ImmutableField => (
            "region",
            "can't change once something has been created; tear the role down first",
        ),
        Code::InvalidClusterName => (
            "cluster",
            "the cluster name must be 1 to 63 characters of A-Z a-z 0-9 _ - and begin with a letter or digit",
        ),
        Code::InvalidSecretName => (
            "secrets[0]",
            "the secret name may not have an empty, '.' or '..' segment",
        ),
        Code::InvalidRegion => (
            "region",
            "the region must be an AWS region such as us-west-2, of a-z 0-9 and -",
        ),
        Code::InvalidRolePrefix => (
            "role_prefix",
            "the role prefix must be at most 30 characters of A-Z a-z 0-9 _ + = , . @ -",
        ),
        Code::InvalidTag => (
            "tags.aws:team",
            "the tag aws:team is reserved: no key may begin with aws: or ai-unlimited:",
        ),
        Code::PassThroughRoleNotAllowed => (
            "iam_role",
            "the role team-a is not on the administrator's list of pass-through roles",
        ),
        Code::BoundaryNotAllowed => (
            "permissions_boundary",
            "the permissions boundary arn:aws:iam::123456789012:policy/team-a is not on the administrator's list of allowed boundaries",
        ),
        Code::NotPermittedHere => (
            "session_manager",
            "the administrator does not permit Session Manager",
        ),
        Code::PolicyTooLarge => (
            "secrets",
            "the policy would be larger than IAM accepts; name fewer secrets, or \"all\"",
        ),
        _ => return None,
    })
}

fn detail(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated => "send a valid API key as Authorization: Bearer KEY",
        Code::Forbidden => {
            "the API key does not have the scope provision, which this request needs"
        }
        Code::RateLimited => {
            "too many requests with this API key; the next one may come after Retry-After seconds"
        }
        Code::NotFound => "cluster chct3mqng4af2ckkv3jg never had a role",
        Code::MethodNotAllowed => "/v1/clusters does not support PUT",
        Code::TeardownInProgress => {
            "the cluster's role is being removed; provision it again when that is done"
        }
        Code::TeardownBlocked => {
            "the removal of the cluster's role is blocked by instance profile team-a; remove that, then send the DELETE again"
        }
        Code::Superseded => {
            "another request changed this cluster's intent while this request waited; read the binding, then decide whether to send this request again"
        }
        Code::NameTaken => {
            "a role of this name exists that the service can't prove to be its own; send the PUT again"
        }
        Code::PreconditionFailed => {
            "a condition of the request (If-Match or If-None-Match) does not hold: the binding's generation is 3"
        }
        Code::BodyTooLarge => "the body must not be larger than 262144 bytes",
        Code::RequestTimeout => "the body did not arrive in time; send the request again",
        Code::UriTooLong => "the path and query of the request are too long",
        Code::HeaderTooLarge => "the head of the request must be smaller than 16384 bytes",
        Code::UnsupportedMediaType => "send the body as Content-Type: application/json",
        Code::MissingPermission => "AWS denied this service iam:CreateRole",
        Code::PassThroughRoleUnfit => {
            "the pass-through role team-a is unfit: EC2 may not assume the role"
        }
        Code::TagLimitExceeded => "the role's other tags leave no room for the tags of the request",
        Code::OtherAccount => {
            "the cluster's role was created in account 123456789012 (aws), but this service now works in account 210987654321 (aws)"
        }
        Code::QuotaExceeded => {
            "an IAM quota of the account is used up: 1000 of 1000 roles and 20 of 1000 instance profiles exist"
        }
        Code::DatabaseUnavailable => {
            "the database did not answer; send the same request again (a change may have been recorded already)"
        }
        Code::IamUnavailable => {
            "STS did not return the AWS account in which this service works; nothing was changed; send the request again"
        }
        _ => "the service failed; its log has the cause under this request_id",
    }
}
