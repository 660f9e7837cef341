//! What the proxy answers in place of AWS.

use engine_roles_iam_sandbox::{PolicyLayer, SandboxConfig};

use super::Outcome;
use super::http::{REQUEST_ID, Request, Response};

/// The codes with which AWS rejects credentials.
pub const AUTHENTICATION_FAILURES: [&str; 5] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
];

/// A page such as a proxy or a captive portal shows.
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Network access</title></head>\
                    <body><h1>Please sign in</h1></body></html>\n";

/// A reply to a call in place of AWS's answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// An error of AWS.
    Error {
        /// The HTTP status.
        status: u16,
        /// The code in the XML.
        code: String,
        /// The message in the XML.
        message: String,
    },
    /// `AccessDenied`, with AWS's message for a layer of policies.
    Denied(PolicyLayer, Denial),
    /// An answer that is not AWS's, without a request id.
    Foreign {
        /// The HTTP status.
        status: u16,
        /// Names and values of headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Status 200 and AWS's request id, with the beginning of AWS's XML.
    Truncated,
    /// No answer until [`super::AwsProxy::clear`] or until the caller gives up.
    Hang,
    /// The connection is reset.
    Reset,
}

/// How a layer of policies denies a call.
#[derive(Clone, Debug)]
pub enum Denial {
    /// No statement allows the call.
    Implicit,
    /// A statement denies the call.
    Explicit,
    /// A statement denies the call, in the policy with this ARN, which AWS names since January 2026.
    ExplicitBy(String),
}

impl Reply {
    /// One of [`AUTHENTICATION_FAILURES`], with AWS's message.
    ///
    /// # Panics
    /// When the code is another one.
    pub fn authentication_failure(code: &str) -> Self {
        let message = match code {
            "ExpiredToken" | "ExpiredTokenException" => {
                "The security token included in the request is expired"
            }
            "InvalidClientTokenId" | "UnrecognizedClientException" => {
                "The security token included in the request is invalid."
            }
            "SignatureDoesNotMatch" => {
                "The request signature we calculated does not match the signature you provided. \
                 Check your AWS Secret Access Key and signing method. Consult the service \
                 documentation for details."
            }
            other => panic!("{other} is not an authentication failure"),
        };
        Self::error(403, code, message)
    }

    /// An error of AWS.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Error {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// AWS's 503, with XML.
    pub fn unavailable() -> Self {
        let message = "Service is unable to handle request.";
        Self::error(503, "ServiceUnavailable", message)
    }

    /// A page of HTML.
    pub fn html(status: u16) -> Self {
        let content_type = "text/html; charset=utf-8";
        Self::foreign(status, &[("content-type", content_type)], PAGE)
    }

    /// A status without a body.
    pub fn empty(status: u16) -> Self {
        Self::foreign(status, &[], "")
    }

    /// A proxy's demand that the service identify itself, with HTML.
    pub fn proxy_authentication_required() -> Self {
        let headers = [
            ("content-type", "text/html"),
            ("proxy-authenticate", "Basic realm=\"proxy\""),
        ];
        Self::foreign(407, &headers, PAGE)
    }

    /// The 429 of a gateway.
    pub fn too_many_requests() -> Self {
        let headers = [("content-type", "text/plain"), ("retry-after", "1")];
        Self::foreign(429, &headers, "Too Many Requests\n")
    }

    fn foreign(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter();
        Self::Foreign {
            status,
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    /// Every kind of reply except denials, hangs and resets, with a name for the messages of a test.
    pub fn failures() -> Vec<(String, Self)> {
        let codes = AUTHENTICATION_FAILURES.iter();
        let failures = codes.map(|code| ((*code).to_owned(), Self::authentication_failure(code)));
        let others = [
            ("HTML with 200", Self::html(200)),
            ("HTML with 502", Self::html(502)),
            ("an empty 503", Self::empty(503)),
            ("407 with HTML", Self::proxy_authentication_required()),
            ("429", Self::too_many_requests()),
            ("503 with XML", Self::unavailable()),
            ("truncated XML with 200", Self::Truncated),
        ];
        let others = others.map(|(name, reply)| (name.to_owned(), reply));
        failures.chain(others).collect()
    }

    /// Returns what becomes of a call with this reply.
    pub(super) fn to_outcome(&self, request: &Request, account: &SandboxConfig) -> Outcome {
        let call = Call { request, account };
        Outcome::Answered(match self {
            Self::Hang => return Outcome::Hanging,
            Self::Reset => return Outcome::Reset,
            Self::Error {
                status,
                code,
                message,
            } => call.error(*status, code, message),
            Self::Denied(layer, denial) => {
                let message = call.denial(*layer, denial);
                call.error(403, "AccessDenied", &message)
            }
            Self::Foreign {
                status,
                headers,
                body,
            } => Response {
                status: *status,
                headers: headers.clone(),
                body: body.clone(),
            },
            Self::Truncated => {
                let (action, namespace) = (call.action(), call.namespace());
                let body = format!("<{action}Response xmlns=\"{namespace}\">\n  <{action}Resu");
                of_aws(200, body)
            }
        })
    }
}

/// A call that gets a reply.
struct Call<'a> {
    request: &'a Request,
    account: &'a SandboxConfig,
}

impl Call<'_> {
    fn action(&self) -> String {
        self.request.parameter("Action").unwrap_or_default()
    }

    /// Returns the prefix of the service's actions in policies.
    fn service(&self) -> &'static str {
        let version = self.request.parameter("Version");
        match version.as_deref() {
            Some("2011-06-15") => "sts",
            _ => "iam",
        }
    }

    fn namespace(&self) -> &'static str {
        match self.service() {
            "sts" => "https://sts.amazonaws.com/doc/2011-06-15/",
            _ => "https://iam.amazonaws.com/doc/2010-05-08/",
        }
    }

    /// Returns AWS's message if a layer denies the call.
    fn denial(&self, layer: PolicyLayer, denial: &Denial) -> String {
        let SandboxConfig {
            partition,
            account_id,
            ..
        } = self.account;
        let action = format!("{}:{}", self.service(), self.action());
        let kinds = [
            ("role", "RoleName"),
            ("instance-profile", "InstanceProfileName"),
        ];
        let mut kinds = kinds.into_iter();
        let resource = kinds.find_map(|(kind, parameter)| {
            let name = self.request.parameter(parameter)?;
            let path = self.request.parameter("Path");
            let path = path.as_deref().unwrap_or("/");
            Some(format!(
                "arn:{partition}:iam::{account_id}:{kind}{path}{name}"
            ))
        });
        let resource = resource.as_deref().unwrap_or("*");
        let reason = match denial {
            Denial::Implicit => layer.implicit_denial(&action),
            Denial::Explicit => layer.explicit_denial(),
            Denial::ExplicitBy(policy) => format!("{}: {policy}", layer.explicit_denial()),
        };
        format!(
            "User: arn:{partition}:sts::{account_id}:assumed-role/engine-roles-service/session is \
             not authorized to perform: {action} on resource: {resource} {reason}"
        )
    }

    /// Returns an error in AWS's XML. The texts must have no characters that XML reserves.
    fn error(&self, status: u16, code: &str, message: &str) -> Response {
        let (namespace, id) = (self.namespace(), uuid::Uuid::new_v4());
        let kind = if status < 500 { "Sender" } else { "Receiver" };
        let body = format!(
            "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{kind}</Type><Code>{code}</Code>\
             <Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
        );
        of_aws(status, body)
    }
}

/// Returns an answer with the headers of AWS.
fn of_aws(status: u16, body: String) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    let headers = [("content-type", "text/xml"), (REQUEST_ID, &id)];
    Response {
        status,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body,
    }
}
