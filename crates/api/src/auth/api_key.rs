//! The texts of API keys.

use std::fmt;

use engine_roles_store::KeyHash;
use rand::RngExt;
use rand::distr::Alphanumeric;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// The number of characters of a key. 64 of 62 characters are 381 random bits.
const LENGTH: usize = 64;

/// An API key that is not 64 characters of `[A-Za-z0-9]`. The message does not contain the key.
#[derive(Debug, thiserror::Error)]
#[error("an API key must be 64 characters of A-Z a-z 0-9")]
pub struct InvalidKey;

/// The SHA-256 of the text of an API key. The text itself is kept nowhere.
#[derive(Clone)]
pub struct ApiKey(KeyHash);

impl ApiKey {
    /// Makes a new key at random. Returns its text, too.
    pub fn generate() -> (SecretString, Self) {
        let characters = rand::rng().sample_iter(Alphanumeric).take(LENGTH);
        let text: String = characters.map(char::from).collect();
        let hash = Sha256::digest(&text).into();
        (SecretString::from(text), Self(hash))
    }

    /// Hashes the text of a key.
    ///
    /// # Errors
    /// When the text is not 64 characters of `[A-Za-z0-9]`.
    pub fn new(text: &str) -> Result<Self, InvalidKey> {
        if text.len() != LENGTH || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(InvalidKey);
        }
        Ok(Self(Sha256::digest(text).into()))
    }

    /// Returns the hash by which the key is stored and found.
    pub fn hash(&self) -> &KeyHash {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").finish_non_exhaustive()
    }
}
