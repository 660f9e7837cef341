//! AWS's errors, classified by code.

use std::error::Error;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use engine_roles_domain::resources::CallKind;

/// What an error of IAM means for the caller. AWS's code decides; the one exception is in
/// `apply.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The resource exists: ours by an unanswered create, or somebody else's.
    AlreadyExists,
    /// The resource, or one that the call names beside it, does not exist, or not yet for IAM.
    Absent,
    /// Something still depends on the resource.
    Conflict,
    /// The resource is being changed elsewhere: wait minutes, not seconds.
    Busy,
    /// A quota of the account or the resource is full.
    Quota,
    /// Too many calls in this account.
    Throttled,
    /// Our identity lacks a permission.
    Denied,
    /// IAM does not accept the request, whoever sends it.
    Malformed,
    /// IAM answered that it can't do it now, or was never reached; nothing was done.
    Transient,
    /// A write was sent and no answer came, or one that leaves open whether it was done, as a 5xx
    /// does: it may have been, or may yet be.
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
            Self::Malformed => "malformed",
            Self::Transient => "transient",
            Self::Unanswered => "unanswered",
        }
    }

    /// Returns whether the same call may succeed later without anybody's help.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Busy | Self::Throttled | Self::Transient | Self::Unanswered
        )
    }
}

/// A call to AWS that failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} ({target}) failed: {}", .code.as_deref().unwrap_or(.kind.as_str()))]
pub struct IamError {
    /// What the provisioner may conclude from it.
    pub kind: ErrorKind,
    /// The action of IAM or STS that was called, such as `CreateRole`.
    pub action: &'static str,
    /// The resource that the call was about, in words for a message.
    pub target: Box<str>,
    /// AWS's code, where it answered.
    pub code: Option<Box<str>>,
    /// AWS's own words, where it answered.
    pub message: Option<Box<str>>,
    /// The permission that was denied, such as `iam:CreateRole`.
    pub missing_permission: Option<String>,
    /// The error as the SDK reports it, if it reports one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl IamError {
    pub(crate) fn sort<E>(
        action: &'static str,
        call: CallKind,
        target: &str,
        error: SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
        let code = meta.and_then(|meta| meta.code()).map(Box::from);
        let message = meta.and_then(|meta| meta.message()).map(Box::from);
        let kind = match &error {
            SdkError::ServiceError(answer) => {
                let kind = code.as_deref().map_or(ErrorKind::Transient, kind_of);
                // Only a 4xx says that nothing was done. What breaks inside of IAM, or is not
                // IAM's own answer, may have come after the effect.
                let refused = answer.raw().status().is_client_error();
                match (kind, call) {
                    (ErrorKind::Transient, CallKind::Write) if !refused => ErrorKind::Unanswered,
                    (kind, _) => kind,
                }
            }
            SdkError::ConstructionFailure(_) => ErrorKind::Malformed,
            SdkError::DispatchFailure(failure)
                if failure.as_connector_error().is_some_and(was_never_sent) =>
            {
                ErrorKind::Transient
            }
            _ if call == CallKind::Read => ErrorKind::Transient,
            _ => ErrorKind::Unanswered,
        };
        let missing_permission = (kind == ErrorKind::Denied)
            .then(|| denied_permission(action, message.as_deref().unwrap_or_default()));
        Self {
            kind,
            action,
            target: target.into(),
            code,
            message,
            missing_permission,
            source: Some(Box::new(error)),
        }
    }

    /// An answer that has the right shape and the wrong content.
    pub(crate) fn unreadable(action: &'static str, target: &str, what: &str) -> Self {
        Self {
            kind: ErrorKind::Transient,
            action,
            target: target.into(),
            code: None,
            message: Some(format!("the answer {what}").into()),
            missing_permission: None,
            source: None,
        }
    }

    /// A call that was not sent, because the account's call budget had no room for it in time.
    pub fn not_sent(action: &'static str, target: &str) -> Self {
        Self {
            kind: ErrorKind::Throttled,
            action,
            target: target.into(),
            code: None,
            message: Some("not sent: the call budget is used up".into()),
            missing_permission: None,
            source: None,
        }
    }

    /// Returns whether the call was not sent at all, because the call budget was used up.
    pub fn is_not_sent(&self) -> bool {
        self.kind == ErrorKind::Throttled && self.source.is_none()
    }

    /// One sentence for a person, with AWS's own words where there are any.
    pub fn describe(&self) -> String {
        match &self.message {
            Some(message) => format!("{self}: {message}"),
            None => self.to_string(),
        }
    }
}

// The SDK's own word for why nothing came back is no proof: a connection that closes without an
// answer is one of its "other" errors, as are missing credentials. Only what can't happen once a
// request is under way counts.
fn was_never_sent(error: &ConnectorError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let refused = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if refused || error.is::<CredentialsError>() {
            return true;
        }
        cause = error.source();
    }
    false
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
        // Credentials that expired or don't verify, and 5xx of any name: not for good.
        _ => ErrorKind::Transient,
    }
}

// The code says that a permission is missing; AWS says which one in the message alone. The message
// is searched for the permissions that the call can need beside its own; where it names none of them,
// the call's own is the missing one. docs/architecture.md, "Errors", says so too.
fn denied_permission(action: &'static str, message: &str) -> String {
    let beside: &[&str] = match action {
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
    match beside.iter().find(named) {
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
            let error = IamError::sort("DeleteRole", CallKind::Write, "role r", error);
            assert_eq!(error.kind, ErrorKind::Transient, "{error:?}");
        }
    }

    #[test]
    fn a_refusal_is_read_for_the_permissions_that_the_call_can_need() {
        let says = |permission: &str| {
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
            assert_eq!(denied_permission(action, &says(named)), missing);
        }
        assert_eq!(denied_permission("CreateRole", ""), "iam:CreateRole");
    }
}
