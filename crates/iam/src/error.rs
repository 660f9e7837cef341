//! AWS errors, classified by code.

use std::error::Error;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ConnectorError, ErrorMetadata, ProvideErrorMetadata, SdkError};
use engine_roles_domain::account::Scope;
use engine_roles_domain::identity::DeniedBy;
use engine_roles_domain::resources::CallKind;

use crate::genuine::has_request_id;

/// The kind of a failed call. AWS's error code decides the kind, with one exception in `apply.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The resource exists: an unanswered create call of ours created it, or somebody else did.
    AlreadyExists,
    /// The resource, or another one that the call names, does not exist, or does not exist yet for
    /// IAM.
    Absent,
    /// The resource can't be deleted because something still depends on it.
    Conflict,
    /// Another request is changing the resource. The next attempt should wait minutes, not seconds.
    Busy,
    /// A quota of the account or of the resource is used up.
    Quota,
    /// AWS throttled the call, or the call was not sent: see [`NotSent`].
    Throttled,
    /// Our identity lacks a permission.
    Denied,
    /// AWS did not accept our credentials, or there are none. Nothing was changed.
    InvalidCredentials,
    /// AWS answered with a resource of another account than the caller's intent is about. What a write
    /// created there was removed again.
    OtherAccount,
    /// IAM would reject the request from any caller.
    Malformed,
    /// IAM can't process the request now, or was never reached. Nothing was changed.
    Transient,
    /// A write was sent, and no answer came, or an answer such as a 5xx that leaves open whether
    /// the write took effect. The write may have taken effect, or may yet do so.
    Unanswered,
}

impl ErrorKind {
    /// Returns the word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyExists => "already_exists",
            Self::Absent => "absent",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Quota => "quota",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::InvalidCredentials => "invalid_credentials",
            Self::OtherAccount => "other_account",
            Self::Malformed => "malformed",
            Self::Transient => "transient",
            Self::Unanswered => "unanswered",
        }
    }

    /// Returns whether the same call may succeed later: without any intervention, or with renewed
    /// credentials.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::Throttled
                | Self::InvalidCredentials
                | Self::Transient
                | Self::Unanswered
        )
    }
}

/// Why a call was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The account's call budget had no room for the call in time.
    CallBudget,
    /// The call belongs to a lease that this replica may have lost: its heartbeat is not fresh, or
    /// it was declared dead since it took the lease.
    Heartbeat,
}

impl NotSent {
    fn message(self) -> &'static str {
        match self {
            Self::CallBudget => "not sent: the call budget is used up",
            Self::Heartbeat => {
                "not sent: the database has not acknowledged this replica's heartbeat in time"
            }
        }
    }
}

/// A call to AWS that failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} ({target}) failed: {}", .code.as_deref().unwrap_or(.kind.as_str()))]
pub struct IamError {
    /// The kind of failure.
    pub kind: ErrorKind,
    /// The operation of IAM or STS, such as `CreateRole`.
    pub action: &'static str,
    /// The resource that the call was about, in words for messages.
    pub target: Box<str>,
    /// AWS's error code; none where AWS did not answer.
    pub code: Option<Box<str>>,
    /// The HTTP status of AWS's answer; none where AWS did not answer.
    pub status: Option<u16>,
    /// AWS's error message, or ours where AWS sent none and there is something to report.
    pub message: Option<Box<str>>,
    /// The permission that AWS denied, such as `iam:CreateRole`; none for other kinds of failures.
    pub missing_permission: Option<String>,
    /// Which layer of AWS's policies denied the call; none where AWS does not say it, and for other
    /// kinds of failures.
    pub denied_by: Option<Box<DeniedBy>>,
    /// The SDK's error; none where the failure was found in this crate.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl IamError {
    pub(crate) fn classify<E>(
        action: &'static str,
        call: CallKind,
        target: &str,
        error: SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let answer = of_aws(&error);
        let meta = answer.map(|(_, meta)| meta);
        let code = meta.and_then(ErrorMetadata::code).map(Box::from);
        let message = meta.and_then(ErrorMetadata::message).map(Box::from);
        let message = message.or_else(|| unanswered_because(&error).map(Box::from));
        let status = answer.map(|(status, _)| status);
        let kind = match &error {
            SdkError::ServiceError(answer) => {
                let kind = code.as_deref().map_or(ErrorKind::Transient, kind_of);
                // Only a 4xx means that nothing was changed. A failure inside of IAM, or an answer
                // of something between us and IAM, may have come after the effect.
                let is_client_error = answer.raw().status().is_client_error();
                match (kind, call) {
                    (ErrorKind::Transient, CallKind::Write) if !is_client_error => {
                        ErrorKind::Unanswered
                    }
                    (kind, _) => kind,
                }
            }
            SdkError::ConstructionFailure(_) => ErrorKind::Malformed,
            SdkError::DispatchFailure(failure)
                if failure.as_connector_error().is_some_and(has_no_credentials) =>
            {
                ErrorKind::InvalidCredentials
            }
            SdkError::DispatchFailure(failure)
                if failure.as_connector_error().is_some_and(was_refused) =>
            {
                ErrorKind::Transient
            }
            _ if call == CallKind::Read => ErrorKind::Transient,
            _ => ErrorKind::Unanswered,
        };
        // The SDK's error has the endpoint, and the whole request.
        let names_endpoint = message
            .as_deref()
            .is_some_and(|it: &str| it.starts_with(BAD_ENDPOINT));
        let missing_permission = (kind == ErrorKind::Denied)
            .then(|| denied_permission(action, message.as_deref().unwrap_or_default()));
        let denied_by = missing_permission.as_ref();
        let denied_by = denied_by.and_then(|_| DeniedBy::parse(message.as_deref()?).map(Box::new));
        Self {
            kind,
            action,
            target: target.into(),
            code,
            status,
            message,
            missing_permission,
            denied_by,
            source: (!names_endpoint).then(|| Box::new(error).into()),
        }
    }

    /// Returns the error for an answer with valid syntax and unusable content.
    pub(crate) fn unreadable(action: &'static str, target: &str, what: &str) -> Self {
        Self {
            kind: ErrorKind::Transient,
            action,
            target: target.into(),
            code: None,
            status: None,
            message: Some(format!("the answer {what}").into()),
            missing_permission: None,
            denied_by: None,
            source: None,
        }
    }

    /// Returns the error for an answer about another account than the intended one. `left` is why what
    /// the call created there could not be removed again; none if it was removed, or nothing was
    /// created.
    pub fn in_other_account(action: &'static str, target: &str, left: Option<Self>) -> Self {
        let left =
            left.map(|error| format!("; what it created there is left: {}", error.describe()));
        let message = format!(
            "AWS answered with an ARN of another account than the intended one{}",
            left.unwrap_or_default()
        );
        Self {
            kind: ErrorKind::OtherAccount,
            message: Some(message.into()),
            ..Self::unreadable(action, target, "")
        }
    }

    /// Returns the error for a read of what may be another account: it is not certain whose credentials
    /// these are.
    pub fn unconfirmed(action: &'static str, target: &str, why: &str) -> Self {
        Self {
            message: Some(why.into()),
            ..Self::unreadable(action, target, "")
        }
    }

    /// Returns the error for a call that was not sent.
    pub fn not_sent(action: &'static str, target: &str, reason: NotSent) -> Self {
        Self {
            kind: ErrorKind::Throttled,
            action,
            target: target.into(),
            code: None,
            status: None,
            message: Some(reason.message().into()),
            missing_permission: None,
            denied_by: None,
            source: None,
        }
    }

    /// Returns the account of our own identity, which AWS names in the message of a denial; none for
    /// other errors, and where AWS does not name it.
    pub fn denied_caller(&self) -> Option<Scope> {
        if self.kind != ErrorKind::Denied {
            return None;
        }
        let (_, named) = self.message.as_deref()?.split_once("User: ")?;
        Scope::of_arn(named.split_whitespace().next()?)
    }

    /// Returns whether the call was not sent at all.
    pub fn is_not_sent(&self) -> bool {
        self.kind == ErrorKind::Throttled && self.source.is_none()
    }

    /// Returns one sentence for a person, with AWS's message where there is one. What every call would
    /// meet in the same way is described without the call, so that the sentence stays the same.
    pub fn describe(&self) -> String {
        if self.kind == ErrorKind::InvalidCredentials {
            let code = self.code.as_deref().map(|code| format!("{code}: "));
            let (code, message) = (code.unwrap_or_default(), self.message.as_deref());
            let message = message.unwrap_or("no message");
            return format!("the service has no credentials that AWS accepts: {code}{message}");
        }
        match &self.message {
            Some(message) => format!("{self}: {message}"),
            None => self.to_string(),
        }
    }
}

/// Returns the HTTP status and content of an error that AWS answered with; none for other failures, and
/// for an answer without AWS's request id or code, which something between us and AWS gave.
fn of_aws<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
) -> Option<(u16, &ErrorMetadata)> {
    let SdkError::ServiceError(answer) = error else {
        return None;
    };
    let meta = answer.err().meta();
    let is_of_aws = has_request_id(answer.raw()) && meta.code().is_some();
    is_of_aws.then(|| (answer.raw().status().as_u16(), meta))
}

/// Returns why there is no answer of AWS, in words: the HTTP status of an answer that is not AWS's, or
/// the causes of a failure to get any. None where AWS answered with a message.
fn unanswered_because<E>(error: &SdkError<E, HttpResponse>) -> Option<String>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = |answer: &HttpResponse| {
        let of = answer.headers().get("content-type");
        let of = of.map_or(String::new(), |kind| format!(" ({kind})"));
        format!("HTTP status {}{of}", answer.status().as_u16())
    };
    match error {
        SdkError::ServiceError(_) if of_aws(error).is_some() => None,
        SdkError::ServiceError(answer) => Some(format!(
            "the answer has {} and no error code or request id of AWS, so it is not from AWS",
            status(answer.raw())
        )),
        SdkError::ResponseError(answer) => Some(format!(
            "the answer with {} is not AWS's, or was cut off",
            status(answer.raw())
        )),
        SdkError::TimeoutError(_) => Some("no answer came in time".to_owned()),
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error()?.source()?;
            Some(causes(cause))
        }
        SdkError::ConstructionFailure(_) => Some(causes(error.source()?)),
        _ => None,
    }
}

/// What is said of an endpoint that is no URL, in place of the SDK's words.
const BAD_ENDPOINT: &str = "the endpoint in the settings (AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_IAM or \
     AWS_ENDPOINT_URL_STS) can't be used";

/// Leaves out what may contain a secret: an endpoint that is no URL, with the request for it, and what a
/// `credential_process` printed.
fn without_secrets(mut text: String) -> String {
    if text.contains("failed to apply endpoint") {
        return BAD_ENDPOINT.to_owned();
    }
    for printed in ["Stderr:", "Stdout:"] {
        if let Some(at) = text.find(printed) {
            text.truncate(at);
            text = text.trim_end_matches([' ', '\n', ';', ':']).to_owned();
        }
    }
    text
}

/// Returns an error and its causes in one line, each only once.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = without_secrets(error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = without_secrets(error.to_string());
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

/// Returns whether the error, or one of its causes, is of this kind.
fn is_caused_by(error: &ConnectorError, is: impl Fn(&(dyn Error + 'static)) -> bool) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if is(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn has_no_credentials(error: &ConnectorError) -> bool {
    is_caused_by(error, <dyn Error>::is::<CredentialsError>)
}

// Returns whether the request certainly did not leave this process. The SDK's own classification is
// no proof: a connection that closes without an answer is an "other" error too. Only errors that
// can't happen once a request is being sent count.
fn was_refused(error: &ConnectorError) -> bool {
    is_caused_by(error, |cause| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    })
}

// Sources: IAM API reference, "Common Error Types" and each call's own errors; the AWS SDKs'
// list of throttling codes.
fn kind_of(code: &str) -> ErrorKind {
    match code {
        "EntityAlreadyExists" => ErrorKind::AlreadyExists,
        "NoSuchEntity" => ErrorKind::Absent,
        "DeleteConflict" => ErrorKind::Conflict,
        "ConcurrentModification" | "EntityTemporarilyUnmodifiable" => ErrorKind::Busy,
        "LimitExceeded" => ErrorKind::Quota,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "SlowDown"
        | "PriorRequestNotComplete" => ErrorKind::Throttled,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "NotAuthorized" => {
            ErrorKind::Denied
        }
        "MalformedPolicyDocument"
        | "InvalidInput"
        | "ValidationError"
        | "UnmodifiableEntity"
        | "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "MissingParameter"
        | "MalformedQueryString"
        | "InvalidAction" => ErrorKind::Malformed,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "AuthFailure" => ErrorKind::InvalidCredentials,
        // 5xx errors with any code may go away.
        _ => ErrorKind::Transient,
    }
}

// Returns the missing permission. AWS's error code does not contain it; only the message does. The
// message is searched for the additional permissions that the call can need. If it names none of
// them, the call's own permission is the missing one. See docs/architecture.md, "Errors".
fn denied_permission(action: &'static str, message: &str) -> String {
    let additional: &[&str] = match action {
        "CreateRole" => &["iam:TagRole", "iam:PutRolePermissionsBoundary"],
        "CreateInstanceProfile" => &["iam:TagInstanceProfile"],
        "AddRoleToInstanceProfile" => &["iam:PassRole"],
        _ => &[],
    };
    let named = |permission: &&&str| {
        message
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == ':'))
            .any(|word| word == **permission)
    };
    match additional.iter().find(named) {
        Some(permission) => (*permission).to_owned(),
        None => format!("iam:{action}"),
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::{ProvideCredentials, future};
    use aws_sdk_iam::config::{BehaviorVersion, Region};
    use aws_sdk_iam::{Client, Config};

    use super::*;

    #[derive(Debug)]
    struct Failing(fn() -> CredentialsError);

    impl ProvideCredentials for Failing {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err::<Credentials, _>((self.0)()))
        }
    }

    #[tokio::test]
    async fn without_credentials_nothing_is_sent() {
        for failure in [
            || CredentialsError::not_loaded("none"),
            || CredentialsError::provider_error("the metadata service is down"),
        ] {
            let config = Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new("us-east-1"))
                .endpoint_url("http://127.0.0.1:9")
                .credentials_provider(Failing(failure))
                .build();
            let request = Client::from_conf(config).delete_role().role_name("r");
            let error = request.send().await.expect_err("no credentials");
            let error = IamError::classify("DeleteRole", CallKind::Write, "role r", error);
            assert_eq!(error.kind, ErrorKind::InvalidCredentials, "{error:?}");
        }
    }

    #[test]
    fn the_missing_permission_of_a_denied_call_is_read_from_the_message() {
        let message = |permission: &str| {
            format!(
                "User: arn:aws:sts::123456789012:assumed-role/iam:PassRole/s is not authorized \
                 to perform: {permission} on resource: arn:aws:iam::123456789012:role/x"
            )
        };
        for (action, named, missing) in [
            ("CreateRole", "iam:CreateRole", "iam:CreateRole"),
            ("CreateRole", "iam:TagRole", "iam:TagRole"),
            (
                "CreateRole",
                "iam:PutRolePermissionsBoundary",
                "iam:PutRolePermissionsBoundary",
            ),
            ("CreateRole", "iam:TagRoleX", "iam:CreateRole"),
            ("DeleteRole", "iam:TagRole", "iam:DeleteRole"),
            (
                "CreateInstanceProfile",
                "iam:TagInstanceProfile",
                "iam:TagInstanceProfile",
            ),
            ("AddRoleToInstanceProfile", "iam:PassRole", "iam:PassRole"),
        ] {
            assert_eq!(denied_permission(action, &message(named)), missing);
        }
        assert_eq!(denied_permission("CreateRole", ""), "iam:CreateRole");
    }
}
