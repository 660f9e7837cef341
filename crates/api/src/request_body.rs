//! JSON bodies of requests, read strictly.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use crate::error::{Code, Problem};

/// The largest body: far more than the largest role needs.
const LARGEST: usize = 256 * 1024;

/// A JSON body; no body at all reads as an empty object.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let content_type = request.headers().get(CONTENT_TYPE).cloned();
        let bytes = to_bytes(request.into_body(), LARGEST)
            .await
            .map_err(|error| {
                let cause = std::error::Error::source(&error);
                if cause.is_some_and(|cause| cause.to_string().contains("length limit")) {
                    let detail = format!("a body may have {LARGEST} bytes");
                    Problem::new(Code::BodyTooLarge, detail)
                } else {
                    Problem::new(
                        Code::InvalidRequest,
                        "the body could not be read to its end",
                    )
                }
            })?;
        let is_json = content_type.as_ref().is_none_or(|value| {
            let text = value.to_str().unwrap_or_default();
            let essence = text
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            essence == "application/json"
        });
        if !is_json || (content_type.is_none() && !bytes.is_empty()) {
            let detail = "send the body as Content-Type: application/json";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let mut json = serde_json::Deserializer::from_slice(text);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let whole = path == "." || path == "?";
            let field = if whole { "body".to_owned() } else { path };
            Problem::field(Code::InvalidRequest, field, error.into_inner().to_string())
        })?;
        json.end()
            .map_err(|error| Problem::field(Code::InvalidRequest, "body", error.to_string()))?;
        Ok(Self(value))
    }
}

/// A query string, read strictly: an unknown or ill-typed parameter is refused by name.
pub(crate) struct StrictQuery<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> axum::extract::FromRequestParts<S> for StrictQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _state: &S,
    ) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        query
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|rejection| {
                Problem::field(Code::InvalidRequest, "query", rejection.body_text())
            })
    }
}
