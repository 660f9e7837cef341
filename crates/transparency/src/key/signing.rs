use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use super::{KeyKind, KeyName, PUBLIC_KEY_BYTES, VerifierKey};
use crate::TransparencyError;

/// The private key with which a log signs its checkpoints.
///
/// `Debug` does not show it.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl SigningKey {
    /// Reads an Ed25519 key from PEM with PKCS#8 (RFC 8410), as
    /// `openssl genpkey -algorithm ed25519` writes it. Text around the key is ignored.
    ///
    /// The form `PRIVATE+KEY+…` of Go's notes is not read: only Go's tools write it, while secret
    /// managers and `openssl` write PEM. The name, which is the log's origin, comes from the
    /// configuration.
    ///
    /// # Errors
    /// When the text has no such key. The error does not contain the text.
    pub fn from_pem(name: KeyName, pem: &[u8]) -> Result<Self, TransparencyError> {
        Self::of_kind(KeyKind::Log, name, pem)
    }

    pub(crate) fn of_kind(
        kind: KeyKind,
        name: KeyName,
        pem: &[u8],
    ) -> Result<Self, TransparencyError> {
        let invalid = || TransparencyError::InvalidSigningKey;
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| invalid())?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
            .map_err(|_| invalid())?;
        let public: [u8; PUBLIC_KEY_BYTES] = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| invalid())?;
        let verifier = VerifierKey::new(name, kind, public);
        Ok(Self { pair, verifier })
    }

    /// Returns the public key.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a message with Ed25519 (RFC 8032).
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TransparencyError> {
        let signature = self.pair.try_sign(message);
        let signature = signature.map_err(|_| TransparencyError::SigningFailed)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}
