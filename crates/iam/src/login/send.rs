//! Asks STS who has signed a request.

use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use engine_roles_domain::account::{AccountId, Scope};
use engine_roles_domain::caller::AwsIdentity;
use engine_roles_domain::resources::CallKind;
use serde::Deserialize;
use tokio::time::timeout;
use tracing::Instrument;

use super::check::SignedLogin;
use super::{BODY, CONTENT_TYPE, SERVER_HEADER, host};
use crate::gate::{Call, Gate, GatedIam, Service, call_span, count_call};
use crate::genuine::request_id;

/// The name of the call in metrics and in the log. It is apart from the service's own calls of the same
/// operation, because strangers can make it fail.
const ACTION: &str = "GetCallerIdentityOfCaller";
/// How long STS may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The largest answer that is read. STS's has about 500 bytes.
const LARGEST: usize = 64 * 1024;
/// The longest id of a request that is kept. AWS's are UUIDs.
const LONGEST_ID: usize = 128;
/// The codes with which STS rejects a signature or the key of it. With other codes, such as those of
/// throttling, it says nothing about them.
///
/// Source: STS API Reference, "Common Error Types".
const REJECTIONS: [&str; 12] = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "OptInRequired",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Who has signed a request, as STS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// The role or the user, and its session.
    pub identity: AwsIdentity,
    /// AWS's id of the call that confirmed it.
    pub request_id: String,
}

/// Why it is not known who has signed a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIdentified {
    /// STS rejected the signature, or the key with which it was made.
    #[error("STS rejected the signature: {code}")]
    Rejected {
        /// AWS's error code.
        code: &'static str,
    },
    /// The identity is neither a session of a role nor a user, such as the root user.
    #[error("the identity is neither a session of a role nor a user")]
    OtherKind,
    /// STS did not answer, or not as it does.
    #[error("STS did not say who signed the request: {reason}")]
    Unavailable {
        /// Why, in words.
        reason: String,
    },
}

fn unavailable(reason: impl Into<String>) -> NotIdentified {
    let reason = reason.into();
    NotIdentified::Unavailable { reason }
}

impl<G: Gate> GatedIam<'_, G> {
    /// Asks STS who has signed a request.
    ///
    /// The gate admits the call, but does not receive its outcome: how STS answers a stranger's request
    /// says nothing about the service's own credentials.
    ///
    /// # Errors
    /// When the gate does not admit the call, STS rejects the signature or does not answer, or the
    /// identity is of a kind that can't log in.
    pub async fn identify(&self, login: &SignedLogin) -> Result<Identified, NotIdentified> {
        let call = Call {
            service: Service::Sts,
            action: ACTION,
            kind: CallKind::Read,
        };
        let admitted = self.gate.admit(call).await;
        admitted.map_err(|_| unavailable("the call was not sent"))?;
        let span = call_span(call);
        let started = Instant::now();
        let limit = LIMIT.min(self.iam.call_timeout());
        let exchange = Box::pin(self.exchange(login)).instrument(span.clone());
        let answered = timeout(limit, exchange).await;
        let found = match answered {
            Ok(Ok(Answer {
                status,
                request_id,
                body,
            })) => {
                span.record("aws_request_id", request_id.as_str());
                read(status, &body, login).map(|identity| Identified {
                    identity,
                    request_id,
                })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(unavailable("no answer came in time")),
        };
        let outcome = match &found {
            Ok(_) => "ok",
            Err(NotIdentified::Rejected { .. }) => "denied",
            Err(NotIdentified::OtherKind) => "other_kind",
            Err(NotIdentified::Unavailable { .. }) => "transient",
        };
        let elapsed = started.elapsed();
        span.in_scope(|| count_call(call, "the identity of a caller", elapsed, outcome));
        found
    }

    async fn exchange(&self, login: &SignedLogin) -> Result<Answer, NotIdentified> {
        let endpoint = self.iam.sts_endpoint();
        let request = request(login, endpoint.as_deref()).ok_or_else(|| {
            // Each part was checked, so that only the endpoint of the settings can be the reason.
            unavailable("the request can't be built; check the endpoint of STS in the settings")
        })?;
        let answer = self.iam.login_connector().get().call(request).await;
        let answer = answer.map_err(|error| {
            let kind = if error.is_timeout() {
                "in time"
            } else {
                "at all"
            };
            unavailable(format!("STS could not be reached {kind}"))
        })?;
        let id = request_id(&answer).filter(|id| id.len() <= LONGEST_ID);
        let request_id = id
            .ok_or_else(|| unavailable("the answer is not from AWS"))?
            .to_owned();
        let status = answer.status().as_u16();
        Ok(Answer {
            status,
            request_id,
            body: body(answer).await?,
        })
    }
}

/// An answer of STS.
struct Answer {
    status: u16,
    request_id: String,
    body: Vec<u8>,
}

/// Builds the request anew, for STS or for the endpoint of the settings. Nothing of it is chosen by the
/// caller, except what is signed.
fn request(login: &SignedLogin, endpoint: Option<&str>) -> Option<HttpRequest> {
    let host = host(&login.region)?;
    let url = match endpoint {
        Some(endpoint) => format!("{}/", endpoint.trim_end_matches('/')),
        None => format!("https://{host}/"),
    };
    let mut request = HttpRequest::new(SdkBody::from(BODY));
    request.set_method("POST").ok()?;
    request.set_uri(url).ok()?;
    let headers = request.headers_mut();
    let token = login.security_token.as_deref();
    let token = token.map(|token| ("x-amz-security-token", token));
    for (name, value) in [
        // The host that was signed, also where another endpoint receives the request.
        ("host", host.as_str()),
        ("content-type", CONTENT_TYPE),
        ("x-amz-date", &login.date),
        (SERVER_HEADER, login.server.as_str()),
        ("authorization", &login.authorization),
        // Not signed, and not chosen by the caller.
        ("accept", "application/json"),
    ]
    .into_iter()
    .chain(token)
    {
        headers.try_insert(name.to_owned(), value.to_owned()).ok()?;
    }
    Some(request)
}

/// Reads the body of an answer, if it is not too large.
async fn body(answer: HttpResponse) -> Result<Vec<u8>, NotIdentified> {
    let mut chunks = ByteStream::new(answer.into_body());
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| unavailable("the answer was cut off"))?;
        if body.len() + chunk.len() > LARGEST {
            return Err(unavailable("the answer is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Success {
    get_caller_identity_response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    get_caller_identity_result: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    account: String,
    arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    error: Cause,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cause {
    code: String,
}

/// Reads an answer of STS.
fn read(status: u16, body: &[u8], login: &SignedLogin) -> Result<AwsIdentity, NotIdentified> {
    if status != 200 {
        let failure: Option<Failure> = serde_json::from_slice(body).ok();
        let code = failure.filter(|_| (400..500).contains(&status));
        let code = code.map(|failure| failure.error.code);
        let mut rejections = REJECTIONS.into_iter();
        return Err(match rejections.find(|it| Some(*it) == code.as_deref()) {
            Some(code) => NotIdentified::Rejected { code },
            None => unavailable(format!("STS answered with HTTP status {status}")),
        });
    }
    let answer: Success =
        serde_json::from_slice(body).map_err(|_| unavailable("the answer is not one of STS"))?;
    let Identity { account, arn } = answer
        .get_caller_identity_response
        .get_caller_identity_result;
    let scope = Scope::of_arn(&arn);
    let account = AccountId::parse(&account).ok();
    let is_consistent = scope.is_some_and(|scope| {
        Some(scope.account) == account && Some(scope.partition) == login.region.partition()
    });
    if !is_consistent {
        return Err(unavailable("the account and the ARN of the answer differ"));
    }
    AwsIdentity::of_arn(&arn).ok_or(NotIdentified::OtherKind)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use engine_roles_domain::caller::ServerName;
    use serde_json::{Value, json};

    use super::*;
    use crate::login::{LoginHeaders, signed_headers};

    fn login(region: &str) -> SignedLogin {
        let at = aws_smithy_types::DateTime::from(SystemTime::now());
        let format = aws_smithy_types::date_time::Format::DateTime;
        let at = at.fmt(format).expect("a time");
        let date: String = at
            .split('.')
            .next()
            .unwrap_or_default()
            .replace(['-', ':'], "");
        let date = format!("{}Z", date.trim_end_matches('Z'));
        let headers = LoginHeaders {
            authorization: format!(
                "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE000000000/{}/{region}/sts/aws4_request, \
                 SignedHeaders={}, Signature={}",
                &date[..8],
                signed_headers(false),
                "0".repeat(64),
            ),
            date,
            security_token: None,
            server: "roles.example".to_owned(),
        };
        let server = ServerName::parse("roles.example").expect("a name");
        headers.check(&server, SystemTime::now()).expect("accepted")
    }

    fn answer(account: &str, arn: &str) -> Value {
        json!({"GetCallerIdentityResponse": {
            "GetCallerIdentityResult": {"Account": account, "Arn": arn, "UserId": "AROA:s"},
            "ResponseMetadata": {"RequestId": "1-2"},
        }})
    }

    fn read_in(region: &str, status: u16, answer: &Value) -> Result<AwsIdentity, NotIdentified> {
        read(status, answer.to_string().as_bytes(), &login(region))
    }

    #[test]
    fn the_request_goes_to_sts_in_the_region_of_the_signature_with_a_fixed_content() {
        for (region, host) in [
            ("us-west-2", "sts.us-west-2.amazonaws.com"),
            ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu"),
        ] {
            let login = login(region);
            for (endpoint, url) in [
                (None, format!("https://{host}/")),
                (Some("http://127.0.0.1:9"), "http://127.0.0.1:9/".to_owned()),
                (
                    Some("http://127.0.0.1:9/"),
                    "http://127.0.0.1:9/".to_owned(),
                ),
            ] {
                let request = request(&login, endpoint).expect("a request");
                assert_eq!((request.method(), request.uri()), ("POST", url.as_str()));
                assert_eq!(request.body().bytes(), Some(BODY.as_bytes()));
                let mut headers: Vec<_> = request.headers().iter().collect();
                headers.sort_unstable();
                let expected = [
                    ("accept", "application/json"),
                    ("authorization", login.authorization.as_str()),
                    ("content-type", CONTENT_TYPE),
                    ("host", host),
                    ("x-amz-date", &login.date),
                    ("x-engine-roles-server", "roles.example"),
                ];
                assert_eq!(headers, expected, "{region}");
            }
        }
    }

    const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/manager/session";

    #[test]
    fn an_answer_names_the_account_twice_and_the_partition_of_the_region() {
        let good = answer("123456789012", SESSION);
        let identity = read_in("us-west-2", 200, &good).expect("an identity");
        assert_eq!(identity.arn(), SESSION);
        let root = answer("123456789012", "arn:aws:iam::123456789012:root");
        assert_eq!(
            read_in("us-west-2", 200, &root),
            Err(NotIdentified::OtherKind)
        );
        for (region, answer) in [
            ("cn-north-1", good.clone()),
            ("us-west-2", answer("210987654321", SESSION)),
            ("us-west-2", answer("", SESSION)),
            ("us-west-2", answer("123456789012", "")),
            ("us-west-2", json!({"GetCallerIdentityResponse": {}})),
            ("us-west-2", good["GetCallerIdentityResponse"].clone()),
            ("us-west-2", json!([good])),
            (
                "us-west-2",
                json!({"GetCallerIdentityResponse": {
                    "GetCallerIdentityResult": {"Account": 123_456_789_012_u64, "Arn": SESSION},
                }}),
            ),
        ] {
            let read = read_in(region, 200, &answer);
            let is_unavailable = matches!(read, Err(NotIdentified::Unavailable { .. }));
            assert!(is_unavailable, "{read:?}: {answer}");
        }
        let twice = format!(
            r#"{{"GetCallerIdentityResponse": {{"GetCallerIdentityResult": {{
                "Account": "123456789012", "Arn": "{SESSION}", "Arn": "{SESSION}" }} }} }}"#
        );
        assert!(read(200, twice.as_bytes(), &login("us-west-2")).is_err());
        assert!(read(200, b"<html>", &login("us-west-2")).is_err());
    }

    #[test]
    fn only_a_code_of_aws_is_a_rejection() {
        let error = |code: &str| json!({"Error": {"Code": code, "Message": "m", "Type": "Sender"}});
        for code in REJECTIONS {
            let read = read_in("us-west-2", 403, &error(code));
            assert_eq!(read, Err(NotIdentified::Rejected { code }));
        }
        for (status, answer) in [
            (400, error("Throttling")),
            (503, error("SignatureDoesNotMatch")),
            (302, error("SignatureDoesNotMatch")),
            (403, json!({"message": "Forbidden"})),
            (201, answer("123456789012", SESSION)),
        ] {
            let read = read_in("us-west-2", status, &answer);
            let is_unavailable = matches!(read, Err(NotIdentified::Unavailable { .. }));
            assert!(is_unavailable, "{status} {answer}");
        }
    }
}
