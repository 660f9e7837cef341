//! The codes of the problems with which each operation can answer. The OpenAPI document is made from
//! this table, and every test that calls the service compares the answers with the document.

use engine_roles_contract::Code;

/// What any request can get: it may be malformed or too large, may not arrive in time, or may find a
/// defect.
const EVERY: [Code; 5] = [
    Code::InvalidRequest,
    Code::RequestTimeout,
    Code::UriTooLong,
    Code::HeaderTooLarge,
    Code::Internal,
];
/// What the check of the API key can give. A stored key can't be checked without the database.
const WITH_KEY: [Code; 4] = [
    Code::Unauthenticated,
    Code::Forbidden,
    Code::RateLimited,
    Code::DatabaseUnavailable,
];
const WITH_CLUSTER: [Code; 1] = [Code::InvalidClusterName];
const WITH_DATABASE: [Code; 1] = [Code::DatabaseUnavailable];
/// What the size, the form and the fields of a request for a role can get.
const WITH_BODY: [Code; 8] = [
    Code::BodyTooLarge,
    Code::UnsupportedMediaType,
    Code::InvalidSecretName,
    Code::InvalidRegion,
    Code::InvalidRolePrefix,
    Code::InvalidTag,
    Code::PassThroughRoleNotAllowed,
    Code::BoundaryNotAllowed,
];
/// What the decision about a request for a role can give.
const DECIDED: [Code; 7] = [
    Code::ImmutableField,
    Code::TeardownInProgress,
    Code::TeardownBlocked,
    Code::NotPermittedHere,
    Code::PolicyTooLarge,
    Code::OtherAccount,
    Code::IamUnavailable,
];
/// What a request that waits for its intent to be carried out can get.
const AWAITED: [Code; 4] = [
    Code::PreconditionFailed,
    Code::Superseded,
    Code::MissingPermission,
    Code::OtherAccount,
];
/// What only the provisioning of a role can give.
const PROVISIONED: [Code; 4] = [
    Code::NameTaken,
    Code::TagLimitExceeded,
    Code::PassThroughRoleUnfit,
    Code::QuotaExceeded,
];

/// Returns the codes of an operation, by its id; none for an operation that the table lacks.
pub(crate) fn of(operation: &str) -> Option<Vec<Code>> {
    let own: &[&[Code]] = match operation {
        "getAbout" | "getVersion" | "getLiveness" | "getHealthcheck" | "getReadiness"
        | "getMetrics" => &[],
        "loginWithAws" => &[
            &WITH_KEY,
            &[
                Code::NotFound,
                Code::BodyTooLarge,
                Code::UnsupportedMediaType,
                Code::IamUnavailable,
            ],
        ],
        "provisionRole" => &[
            &WITH_KEY,
            &WITH_CLUSTER,
            &WITH_DATABASE,
            &WITH_BODY,
            &DECIDED,
            &AWAITED,
            &PROVISIONED,
        ],
        "planRole" => &[
            &WITH_KEY,
            &WITH_CLUSTER,
            &WITH_DATABASE,
            &WITH_BODY,
            &DECIDED,
        ],
        "getRole" => &[
            &WITH_KEY,
            &WITH_CLUSTER,
            &WITH_DATABASE,
            &[Code::NotFound, Code::PreconditionFailed],
        ],
        "tearDownRole" => &[
            &WITH_KEY,
            &WITH_CLUSTER,
            &WITH_DATABASE,
            &AWAITED,
            &[Code::NotFound, Code::TeardownBlocked],
        ],
        "getRoleAccess" => &[
            &WITH_KEY,
            &WITH_CLUSTER,
            &WITH_DATABASE,
            &[
                Code::NotFound,
                Code::NameTaken,
                Code::MissingPermission,
                Code::OtherAccount,
                Code::IamUnavailable,
            ],
        ],
        "listIncarnations" => &[&WITH_KEY, &WITH_CLUSTER, &WITH_DATABASE, &[Code::NotFound]],
        "listAuditEvents" => &[&WITH_KEY, &WITH_CLUSTER, &WITH_DATABASE],
        "getAuditCheckpoint" | "proveAuditEvent" | "proveAuditConsistency" | "getAuditTile" => {
            &[&WITH_KEY, &WITH_DATABASE, &[Code::NotFound]]
        }
        "listClusters" => &[&WITH_KEY, &WITH_DATABASE],
        "listPassThroughRoles" => &[&WITH_KEY, &WITH_DATABASE, &[Code::IamUnavailable]],
        "getCapabilities" => &[&WITH_KEY, &[Code::IamUnavailable]],
        "listPolicies" | "getLogLevel" => &[&WITH_KEY],
        "setLogLevel" => &[&WITH_KEY, &[Code::BodyTooLarge, Code::UnsupportedMediaType]],
        "renderPolicy" => &[
            &WITH_KEY,
            &WITH_CLUSTER,
            &[Code::NotFound, Code::InvalidRegion],
        ],
        _ => return None,
    };
    let mut codes = EVERY.to_vec();
    for code in own.iter().copied().flatten() {
        if !codes.contains(code) {
            codes.push(*code);
        }
    }
    Some(codes)
}
