//! What can go wrong with a request.

use std::time::Duration;

use engine_roles_contract::{Code, Open, Problem};
use reqwest::{Method, StatusCode, Url};

/// What can go wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer came: the service can't be reached, or did not answer in time. A change may
    /// have been recorded; the same request, sent again, finds it.
    #[error("no answer to {method} {url}")]
    Transport {
        /// The request's method.
        method: Method,
        /// Where it was sent.
        url: Url,
        /// What happened to the connection.
        #[source]
        source: reqwest::Error,
    },
    /// The service answered with a problem.
    #[error("{}: {}", .problem.title, .problem.detail)]
    Problem {
        /// The status of the answer. By its class a caller judges a code that it does not know.
        status: StatusCode,
        /// The body of the answer.
        problem: Box<Problem>,
    },
    /// The answer is a success, and its body is not what this version expects.
    #[error("the answer to the request, with status {status}, can't be read")]
    Undecodable {
        /// The status of the answer.
        status: StatusCode,
        /// What is wrong with the body.
        #[source]
        source: serde_json::Error,
    },
    /// The answer is neither a success nor a problem of the service; something between here and
    /// the service may have given it.
    #[error("the answer has status {status} and is no answer of the service")]
    Unexpected {
        /// The status of the answer.
        status: StatusCode,
        /// The body, or its beginning.
        body: String,
    },
    /// A name that can't be a segment of a URL's path, and so can't be the name of anything.
    #[error("{name:?} can't be the name of a cluster or a policy")]
    Name {
        /// The name.
        name: String,
    },
}

impl Error {
    /// Returns the problem that the service answered, if it answered one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// Returns the code of the problem that the service answered, if it answered one.
    pub fn code(&self) -> Option<&Open<Code>> {
        self.problem().map(|problem| &problem.code)
    }

    /// Returns how long the service asks the caller to wait before it sends the request again.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.problem()?.retry_after?;
        Some(Duration::from_secs(seconds.into()))
    }

    /// Whether the answer did not come in time.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Transport { source, .. } if source.is_timeout())
    }
}
