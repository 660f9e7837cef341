//! Why a rule could not be checked, or the suite could not run.

/// What keeps the suite from going on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The suite may not run here. Nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// The budget of calls is used up.
    #[error("the budget of {0} calls to AWS is used up")]
    BudgetUsedUp(u64),
    /// The SDK's settings have no credentials.
    #[error("the AWS settings have no credentials: {0}")]
    NoCredentials(String),
    /// A call could not be signed.
    #[error("{action} could not be signed: {reason}")]
    NotSigned {
        /// The action of the call.
        action: String,
        /// What the signer says.
        reason: String,
    },
    /// No answer came.
    #[error("{action} was not answered")]
    NoAnswer {
        /// The action of the call.
        action: String,
        #[source]
        source: Box<reqwest::Error>,
    },
    /// A call that prepares or removes something failed.
    #[error("{action} failed: {answer}")]
    Failed {
        /// The action of the call.
        action: String,
        /// AWS's answer, in one line.
        answer: String,
    },
    /// The service did something else than the suite expects, with AWS or with the sandbox.
    #[error("{0}")]
    Unexpected(String),
}

impl Trouble {
    /// Whether nothing else can be checked either.
    pub(crate) fn ends_the_run(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::BudgetUsedUp(_) | Self::NoCredentials(_)
        )
    }

    /// Returns the error with its causes, in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}
