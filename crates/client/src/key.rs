//! The key that a caller holds.

use std::fmt;

use reqwest::header::HeaderValue;

/// An API key's text contains characters that no HTTP header may have. The text is not repeated.
#[derive(Debug, thiserror::Error)]
#[error("the API key has characters that no key has")]
pub struct InvalidApiKey;

/// An API key. `Debug` does not show its text.
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

impl ApiKey {
    /// Takes a key's text; whether the service knows the key shows with the first request.
    ///
    /// # Errors
    /// When the text can't be sent in a header.
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
