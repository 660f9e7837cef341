//! The errors of requests.

use std::time::Duration;

use engine_roles_contract::{Code, Open, Problem};
use reqwest::{Method, StatusCode, Url};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer arrived: the service can't be reached, or did not answer in time. The service may
    /// have recorded the change; sending the same request again is safe.
    #[error("no answer to {method} {url}")]
    Transport {
        /// The request's method.
        method: Method,
        /// The request's URL.
        url: Url,
        /// Why the connection failed.
        #[source]
        source: reqwest::Error,
    },
    /// The service answered with a problem.
    #[error("{}: {}", .problem.title, .problem.detail)]
    Problem {
        /// The status of the answer. Treat a problem whose code is unknown by the class of this
        /// status.
        status: StatusCode,
        /// The parsed body of the answer.
        problem: Box<Problem>,
        /// The body as it was received, with the members that `Problem` does not know.
        text: String,
    },
    /// The answer is a success, but its body does not have the expected form.
    #[error("the body of the answer, with status {status}, can't be parsed")]
    Undecodable {
        /// The status of the answer.
        status: StatusCode,
        /// Why the body can't be parsed.
        #[source]
        source: serde_json::Error,
    },
    /// The answer is neither a success nor a problem of the service; a proxy between this client and
    /// the service may have sent it.
    #[error("the answer, with status {status}, does not come from the service")]
    Unexpected {
        /// The status of the answer.
        status: StatusCode,
        /// The body, cut after 500 characters.
        body: String,
    },
    /// The name is empty, `.` or `..`: a URL's path can't contain it.
    #[error("{name:?} can't be the name of a cluster or a policy")]
    Name {
        /// The rejected name.
        name: String,
    },
}

/// What a request without an answer says about TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsTrouble {
    /// The request was sent in plain HTTP, and no answer in HTTP came back: the service may speak HTTPS, or
    /// has just ended.
    MayNeedHttps,
    /// The handshake failed: the certificate is not accepted, or the service speaks plain HTTP.
    Handshake,
}

impl Error {
    /// Returns what a request without an answer says about TLS; `None` where TLS is probably not the
    /// reason.
    pub fn tls_trouble(&self) -> Option<TlsTrouble> {
        let Self::Transport { url, source, .. } = self else {
            return None;
        };
        match url.scheme() {
            // The connection was opened, so something listens.
            "http" if !source.is_connect() && !source.is_timeout() => {
                Some(TlsTrouble::MayNeedHttps)
            }
            "https" if source.is_connect() && has_invalid_data(source) => {
                Some(TlsTrouble::Handshake)
            }
            _ => None,
        }
    }

    /// Returns the problem that the service answered; `None` for other errors.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// Returns the code of the problem that the service answered; `None` for other errors.
    pub fn code(&self) -> Option<&Open<Code>> {
        self.problem().map(|problem| &problem.code)
    }

    /// Returns how long the service asks the caller to wait before it sends the request again;
    /// `None` where sending it again does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.problem()?.retry_after?;
        Some(Duration::from_secs(seconds.into()))
    }

    /// Returns whether the request failed because its time ran out.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Transport { source, .. } if source.is_timeout())
    }
}

/// Returns whether an error was caused by data of another form, which is what the TLS library calls
/// everything that is wrong with the data of a handshake.
fn has_invalid_data(error: &reqwest::Error) -> bool {
    let first: &(dyn std::error::Error + 'static) = error;
    let mut causes = std::iter::successors(Some(first), |error| error.source());
    causes.any(|cause| cause.downcast_ref().is_some_and(is_invalid_data))
}

// The source of an I/O error that wraps another one is not that one, but the source of that one.
fn is_invalid_data(error: &std::io::Error) -> bool {
    let wrapped = || error.get_ref().and_then(|inner| inner.downcast_ref());
    error.kind() == std::io::ErrorKind::InvalidData || wrapped().is_some_and(is_invalid_data)
}
