//! Authentication by bearer keys, which are stored and compared as SHA-256.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine_roles_contract::Code;
use engine_roles_domain::binding::Actor;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tracing::Span;

use crate::problem::Problem;

/// An API key that is not 64 characters of `[A-Za-z0-9]`. The message does not contain the key.
#[derive(Debug, thiserror::Error)]
#[error("an API key must be 64 characters of A-Z a-z 0-9")]
pub struct InvalidKey;

/// The name of an API key and the SHA-256 of its text.
#[derive(Clone)]
pub struct ApiKey {
    name: String,
    hash: [u8; 32],
}

impl ApiKey {
    /// Hashes the text of a key; the text itself is not stored.
    ///
    /// # Errors
    /// When the text is not 64 characters of `[A-Za-z0-9]`.
    pub fn new(name: impl Into<String>, text: &str) -> Result<Self, InvalidKey> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(InvalidKey);
        }
        Ok(Self {
            name: name.into(),
            hash: Sha256::digest(text).into(),
        })
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How callers authenticate.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// A caller must send one of these keys.
    Keys(Vec<ApiKey>),
    /// Every caller is accepted: for a service that listens on loopback only.
    None,
}

impl Authentication {
    /// Returns who sends a request with these headers; none if its bearer key is missing or unknown.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Option<Actor> {
        let header = headers.get(AUTHORIZATION);
        let bearer = header.and_then(|value| {
            let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
        });
        self.actor(bearer)
    }

    fn actor(&self, text: Option<&str>) -> Option<Actor> {
        match self {
            Self::None => Some(Actor("anonymous".to_owned())),
            Self::Keys(keys) => {
                let hash: [u8; 32] = Sha256::digest(text?).into();
                let found = keys.iter().find(|key| bool::from(key.hash.ct_eq(&hash)));
                found.map(|key| Actor(key.name.clone()))
            }
        }
    }
}

/// Lets a request pass if its bearer key is known, and adds the key's name to it as the [`Actor`].
pub(crate) async fn require_key(
    State(authentication): State<Arc<Authentication>>,
    mut request: Request,
    next: Next,
) -> Response {
    match authentication.caller(request.headers()) {
        Some(actor) => {
            Span::current().record("actor", &actor.0);
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        None => Problem::new(
            Code::Unauthenticated,
            "send a valid API key as Authorization: Bearer KEY",
        )
        .into_response(),
    }
}
