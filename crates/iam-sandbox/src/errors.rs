/// An error as AWS returns it: a code and a message; the code determines the HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }

    /// Returns the error with this code, with AWS's message where the sandbox knows it.
    pub(crate) fn of_code(code: &str) -> Self {
        let message = match code {
            "Throttling" | "ThrottlingException" => "Rate exceeded",
            "ServiceUnavailable" => "Service is unable to handle request.",
            "ConcurrentModification" => {
                "The request was rejected because multiple requests to change this object were \
                 submitted simultaneously. Wait a few minutes and submit your request again."
            }
            "ExpiredToken" | "ExpiredTokenException" => {
                "The security token included in the request is expired"
            }
            "InvalidClientTokenId" | "UnrecognizedClientException" => {
                "The security token included in the request is invalid."
            }
            "MissingAuthenticationToken" => "Request is missing Authentication Token",
            "SignatureDoesNotMatch" => {
                "The request signature we calculated does not match the signature you provided. \
                 Check your AWS Secret Access Key and signing method. Consult the service \
                 documentation for details."
            }
            _ => "An injected fault",
        };
        Self::new(code, message)
    }

    pub(crate) fn missing(member: &str) -> Self {
        Self::validation(format!(
            "Value null at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    }

    pub(crate) fn constraint(value: &str, member: &str, rule: &str) -> Self {
        Self::validation(format!(
            "Value '{value}' at '{member}' failed to satisfy constraint: {rule}"
        ))
    }

    fn validation(what: impl AsRef<str>) -> Self {
        Self::invalid(format!("1 validation error detected: {}", what.as_ref()))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("ValidationError", message)
    }

    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new("InvalidInput", message)
    }

    pub(crate) fn absent(message: impl Into<String>) -> Self {
        Self::new("NoSuchEntity", message)
    }

    pub(crate) fn exists(message: impl Into<String>) -> Self {
        Self::new("EntityAlreadyExists", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new("DeleteConflict", message)
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new("MalformedPolicyDocument", message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new("LimitExceeded", message)
    }

    pub(crate) fn quota(name: &str, most: usize) -> Self {
        Self::limit(format!("Cannot exceed quota for {name}: {most}"))
    }

    /// Returns whose fault the error is, in AWS's word.
    pub(crate) fn kind(&self) -> &'static str {
        if self.status() < 500 {
            "Sender"
        } else {
            "Receiver"
        }
    }

    /// Returns the HTTP status that AWS uses for this code.
    pub(crate) fn status(&self) -> u16 {
        match self.code.as_str() {
            "AccessDenied"
            | "AccessDeniedException"
            | "SignatureDoesNotMatch"
            | "OptInRequired"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "MissingAuthenticationToken"
            | "IncompleteSignature" => 403,
            "NoSuchEntity" => 404,
            "RequestTimeout" => 408,
            "EntityAlreadyExists"
            | "LimitExceeded"
            | "DeleteConflict"
            | "ConcurrentModification"
            | "EntityTemporarilyUnmodifiable" => 409,
            "ServiceFailure" | "InternalFailure" | "InternalError" => 500,
            "ServiceUnavailable" => 503,
            _ => 400,
        }
    }
}
