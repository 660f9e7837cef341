//! Strict parsing of the JSON bodies of requests.

use axum::body::{Bytes, HttpBody};
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use engine_roles_contract::Code;
use serde_json::Value;

use crate::connections::BodyTime;
use crate::problem::Problem;
use crate::strict_json::Json;

/// The size of the largest accepted body, far more than any valid request needs.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// The members of a JSON object.
#[derive(Clone, Debug)]
pub(crate) struct RequestBody(Vec<(String, Json)>);

impl RequestBody {
    pub(crate) fn members(&self) -> &[(String, Json)] {
        &self.0
    }

    /// Returns the body without the order of its members.
    pub(crate) fn canonical(&self) -> Value {
        Json::Object(self.0.clone()).canonical()
    }
}

/// A JSON body. An absent body is parsed as an empty object.
pub(crate) struct JsonBody(pub(crate) RequestBody);

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let content_type = request.headers().get(CONTENT_TYPE).cloned();
        let bytes = receive(request, MAX_BODY_BYTES).await?;
        let is_json = content_type.as_ref().is_none_or(is_json);
        if !is_json || (content_type.is_none() && !bytes.is_empty()) {
            let detail = "send the body as Content-Type: application/json";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        parse(text).map(Self)
    }
}

/// Receives a body of at most this many bytes.
///
/// # Errors
/// When the body is larger, has a coding, or does not arrive completely and in time.
pub(crate) async fn receive(mut request: Request, most: usize) -> Result<Bytes, Problem> {
    // A client that sent `Expect: 100-continue` sends the body when the service begins to read.
    if request.body().size_hint().lower() > most as u64 {
        return Err(too_large(most));
    }
    let coding = request.headers().get(CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let detail = "send the body without a Content-Encoding";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    let time = request.extensions().get::<BodyTime>().cloned();
    DefaultBodyLimit::max(most).apply(&mut request);
    let time_is_over = async {
        match &time {
            Some(time) => time.is_over().await,
            // Only a test calls the router without a connection.
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        bytes = Bytes::from_request(request, &()) => {
            bytes.map_err(|rejection| unreadable(&rejection, most))
        }
        () = time_is_over => {
            let detail = "the body did not arrive in time; send the request again";
            Err(Problem::new(Code::RequestTimeout, detail))
        }
    }
}

fn unreadable(rejection: &BytesRejection, most: usize) -> Problem {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            too_large(most)
        }
        _ => Problem::new(
            Code::InvalidRequest,
            "the body could not be received completely; send the request again",
        ),
    }
}

fn too_large(most: usize) -> Problem {
    let detail = format!("the body must not be larger than {most} bytes");
    Problem::new(Code::BodyTooLarge, detail)
}

fn is_json(content_type: &HeaderValue) -> bool {
    let text = content_type.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn parse(text: &[u8]) -> Result<RequestBody, Problem> {
    match serde_json::from_slice(text) {
        Ok(Json::Object(members)) => Ok(RequestBody(members)),
        Ok(_) => {
            let reason = "must be a JSON object";
            Err(Problem::field(Code::InvalidRequest, "body", reason))
        }
        Err(error) => {
            let place = (error.line(), error.column());
            let reason = format!("is not valid JSON (line {}, column {})", place.0, place.1);
            Err(Problem::field(Code::InvalidRequest, "body", reason))
        }
    }
}
