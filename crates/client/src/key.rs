//! The API key that a client sends.

use std::fmt;

use reqwest::header::HeaderValue;

/// The API key contains characters that no HTTP header may have. The message does not contain the
/// key.
#[derive(Debug, thiserror::Error)]
#[error("the API key contains characters that are not allowed in an HTTP header")]
pub struct InvalidApiKey;

/// An API key. `Debug` does not show its text.
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

impl ApiKey {
    /// Wraps a key's text. Only a request shows whether the service accepts the key.
    ///
    /// # Errors
    /// When an HTTP header must not contain the text.
    pub fn new(text: &str) -> Result<Self, InvalidApiKey> {
        let header = HeaderValue::from_str(&format!("Bearer {text}"));
        let mut header = header.map_err(|_| InvalidApiKey)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }

    pub(crate) fn authorization(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}
