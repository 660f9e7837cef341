//! HTTP answers of the service, raw and parsed.

use std::borrow::Cow;
use std::time::Duration;

use engine_roles_contract::Problem;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, RETRY_AFTER};
use serde::de::DeserializeOwned;

use crate::conditions::EntityTag;
use crate::error::Error;

const PROBLEM: &str = "application/problem+json";
/// How many characters of an unexpected answer an error keeps.
const EXCERPT_CHARACTERS: usize = 500;

/// A parsed answer to a request that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// 200, 201 or 202; for [`readiness`](crate::Client::readiness) also 503.
    pub status: StatusCode,
    /// The parsed body.
    pub body: T,
    /// The body as it was received, with the members that `T` does not know.
    pub text: String,
    /// The `ETag` of the state that the body shows, to be sent as `If-Match`; `None` where the
    /// answer has no `ETag`.
    pub etag: Option<EntityTag>,
    /// How long to wait before the next request; `None` where the answer has no `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The request's id, which the service's log and its audit log contain.
    pub request_id: Option<String>,
}

impl<T> Answer<T> {
    /// Returns whether the service is still working on the request.
    pub fn is_pending(&self) -> bool {
        self.status == StatusCode::ACCEPTED
    }
}

/// An answer that is not parsed.
#[derive(Clone, Debug)]
pub struct Received {
    /// The HTTP status.
    pub status: StatusCode,
    /// All headers of the answer.
    pub headers: HeaderMap,
    /// The body, unchanged.
    pub body: Vec<u8>,
}

impl Received {
    /// Returns a header's text; `None` where the answer lacks the header or its value is not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the body as text; invalid UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Parses the body of a success as a `T`.
    ///
    /// # Errors
    /// When the answer is not a success, or its body is not a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Answer<T>, Error> {
        if self.status.is_success() {
            self.decode()
        } else {
            Err(self.failure())
        }
    }

    /// Parses the body as a `T`, whatever the status.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<Answer<T>, Error> {
        let status = self.status;
        let body = serde_json::from_slice(&self.body);
        Ok(Answer {
            status,
            body: body.map_err(|source| Error::Undecodable { status, source })?,
            text: self.text().into_owned(),
            etag: self.header(ETAG.as_str()).and_then(|tag| tag.parse().ok()),
            retry_after: self
                .header(RETRY_AFTER.as_str())
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
            request_id: self.header("x-request-id").map(str::to_owned),
        })
    }

    fn is_problem(&self) -> bool {
        let content_type = self.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case(PROBLEM)
    }

    /// Returns the error of an answer that is not a success.
    pub(crate) fn failure(&self) -> Error {
        let status = self.status;
        let problem = self
            .is_problem()
            .then(|| serde_json::from_slice::<Problem>(&self.body));
        match problem {
            Some(Ok(problem)) => Error::Problem {
                status,
                problem: Box::new(problem),
                text: self.text().into_owned(),
            },
            Some(Err(_)) | None => Error::Unexpected {
                status,
                body: self.text().chars().take(EXCERPT_CHARACTERS).collect(),
            },
        }
    }
}
