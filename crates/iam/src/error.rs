//! AWS's errors, sorted by code.

use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};

/// What an error of IAM means for the one who called. Sorted by AWS's code alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The resource is there: ours by an unanswered create, or somebody else's.
    AlreadyExists,
    /// The resource, or one that it names, is not there, as far as IAM sees yet.
    Absent,
    /// Something still depends on the resource.
    Conflict,
    /// The resource is being changed elsewhere: wait minutes, not seconds.
    Busy,
    /// A quota of the account or the resource is full.
    Quota,
    /// Too many calls in this account.
    Throttled,
    /// Our identity may not.
    Denied,
    /// IAM refuses the request as such.
    Malformed,
    /// IAM answered that it can't now, or was never reached; nothing was done.
    Transient,
    /// A write was sent and no answer came: it may have been done, or may yet be.
    Unanswered,
}

impl ErrorKind {
    /// The word in metrics.
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

    /// Whether the same call may succeed later without anybody's help.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Busy | Self::Throttled | Self::Transient | Self::Unanswered
        )
    }
}

/// Whether an unanswered call may have changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    Read,
    Write,
}

/// A call to AWS that failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} ({target}) failed: {}", .code.as_deref().unwrap_or(.kind.as_str()))]
pub struct IamError {
    /// What it means.
    pub kind: ErrorKind,
    /// The call.
    pub action: &'static str,
    /// What the call was about.
    pub target: String,
    /// AWS's code, where it answered.
    pub code: Option<String>,
    /// AWS's own words, where it answered.
    pub message: Option<String>,
    /// The permission that was refused, such as `iam:CreateRole`.
    pub missing_permission: Option<String>,
    /// The SDK's error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl IamError {
    pub(crate) fn sort<E, R>(
        action: &'static str,
        call: CallKind,
        target: &str,
        error: SdkError<E, R>,
    ) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
        let code = meta.and_then(|meta| meta.code()).map(str::to_owned);
        let message = meta.and_then(|meta| meta.message()).map(str::to_owned);
        let kind = match (&error, code.as_deref()) {
            (SdkError::ServiceError(_), Some(code)) => kind_of(code),
            (SdkError::ServiceError(_), None) => ErrorKind::Transient,
            (SdkError::ConstructionFailure(_), _) => ErrorKind::Malformed,
            // No credentials could be had: nothing was sent.
            (SdkError::DispatchFailure(failure), _) if failure.is_user() || failure.is_other() => {
                ErrorKind::Transient
            }
            _ if call == CallKind::Read => ErrorKind::Transient,
            _ => ErrorKind::Unanswered,
        };
        let missing_permission = (kind == ErrorKind::Denied)
            .then(|| refused_permission(action, message.as_deref().unwrap_or_default()));
        Self {
            kind,
            action,
            target: target.to_owned(),
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
            target: target.to_owned(),
            code: None,
            message: Some(format!("the answer {what}")),
            missing_permission: None,
            source: None,
        }
    }

    /// One sentence for a person, with AWS's own words where there are any.
    pub fn describe(&self) -> String {
        match &self.message {
            Some(message) => format!("{self}: {message}"),
            None => self.to_string(),
        }
    }
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

// The kind is known by the code. Which of the permissions that one call needs was the one
// refused, AWS says in the message alone; it is looked for among those that the call can need,
// and where it is not found the call's own is named.
fn refused_permission(action: &'static str, message: &str) -> String {
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
