//! Strict parsing of the JSON bodies of requests.

use axum::body::{Bytes, HttpBody};
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use engine_roles_contract::Code;
use serde::de::DeserializeOwned;

use crate::connections::BodyTime;
use crate::problem::Problem;

/// The size of the largest accepted body, far more than any valid request needs.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// A JSON body. An absent body is parsed as an empty object.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(mut request: Request, _state: &S) -> Result<Self, Problem> {
        // A client that sent `Expect: 100-continue` sends the body when the service begins to read.
        if request.body().size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Err(too_large());
        }
        let content_type = request.headers().get(CONTENT_TYPE).cloned();
        let time = request.extensions().get::<BodyTime>().cloned();
        DefaultBodyLimit::max(MAX_BODY_BYTES).apply(&mut request);
        let time_is_over = async {
            match &time {
                Some(time) => time.is_over().await,
                // Only a test calls the router without a connection.
                None => std::future::pending().await,
            }
        };
        let bytes = tokio::select! {
            bytes = Bytes::from_request(request, &()) => {
                bytes.map_err(|rejection| unreadable(&rejection))?
            }
            () = time_is_over => {
                let detail = "the body did not arrive in time; send the request again";
                return Err(Problem::new(Code::RequestTimeout, detail));
            }
        };
        let is_json = content_type.as_ref().is_none_or(is_json);
        if !is_json || (content_type.is_none() && !bytes.is_empty()) {
            let detail = "send the body as Content-Type: application/json";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        parse(text).map(Self)
    }
}

fn unreadable(rejection: &BytesRejection) -> Problem {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => too_large(),
        _ => Problem::new(
            Code::InvalidRequest,
            "the body could not be received completely; send the request again",
        ),
    }
}

fn too_large() -> Problem {
    let detail = format!("the body must not be larger than {MAX_BODY_BYTES} bytes");
    Problem::new(Code::BodyTooLarge, detail)
}

fn is_json(content_type: &HeaderValue) -> bool {
    let text = content_type.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    // Without this check, an array of the members' values would be read as the object.
    if text.trim_ascii_start().first() != Some(&b'{') {
        let reason = "must be a JSON object";
        return Err(Problem::field(Code::InvalidRequest, "body", reason));
    }
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let is_whole_body = path == "." || path == "?";
        let field = if is_whole_body {
            "body".to_owned()
        } else {
            path
        };
        Problem::field(Code::InvalidRequest, field, error.into_inner().to_string())
    })?;
    json.end()
        .map_err(|error| Problem::field(Code::InvalidRequest, "body", error.to_string()))?;
    Ok(value)
}
