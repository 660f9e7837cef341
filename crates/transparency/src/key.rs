//! The keys of signed notes: their names, ids and text forms (C2SP signed-note).

mod signing;

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

pub use signing::SigningKey;

use crate::{TransparencyError, base64};

/// The length of an Ed25519 public key (RFC 8032, section 5.1.5).
pub const PUBLIC_KEY_BYTES: usize = 32;

/// The longest name of a key in bytes. C2SP has no limit; a line of a note should be readable.
const MAX_NAME_BYTES: usize = 256;

/// The name of a key, and of a log: its origin.
///
/// It is not empty and has no Unicode spaces, no `+` (C2SP signed-note, "Format") and no control
/// characters. It should look like a URL without scheme, such as `example.com/engine-roles`, but need
/// not be reachable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = TransparencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if text.len() > MAX_NAME_BYTES {
            return Err(TransparencyError::KeyNameTooLong {
                bytes: text.len(),
                longest: MAX_NAME_BYTES,
            });
        }
        if text.is_empty() || text.contains(is_bad) {
            return Err(TransparencyError::InvalidKeyName);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The id of a key: with the name, it tells a verifier which key has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// Takes the bytes of an id.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, in the order in which they are in a signature.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// What a key signs. The number is the signature type of C2SP signed-note, "Signature types".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// Ed25519 over the text of a note: a log.
    Log = 0x01,
    /// Ed25519 over the text of a checkpoint and a time: a witness (C2SP tlog-cosignature).
    Witness = 0x04,
}

/// A public key, in the text form `name+id+base64`, which C2SP calls a vkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    kind: KeyKind,
    public: [u8; PUBLIC_KEY_BYTES],
}

impl VerifierKey {
    /// Takes an Ed25519 public key.
    ///
    /// The id is computed as C2SP signed-note recommends:
    /// `SHA-256(name || 0x0A || kind || public key)[:4]`.
    #[must_use]
    pub fn new(name: KeyName, kind: KeyKind, public: [u8; PUBLIC_KEY_BYTES]) -> Self {
        let hash = Sha256::new()
            .chain_update(name.as_str())
            .chain_update([b'\n', kind as u8])
            .chain_update(public)
            .finalize();
        let id = KeyId([hash[0], hash[1], hash[2], hash[3]]);
        Self {
            name,
            id,
            kind,
            public,
        }
    }

    /// Reads the lines of a file: one key a line; empty lines and lines that begin with `#` are
    /// skipped.
    ///
    /// # Errors
    /// When another line is not a key.
    pub fn read_lines(text: &str) -> Result<Vec<Self>, TransparencyError> {
        let lines = text.lines().map(str::trim);
        let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        keys.map(str::parse).collect()
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Returns the id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Returns what the key signs.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Returns whether both are the same key, whatever their names are.
    #[must_use]
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.public == other.public
    }

    /// Returns whether this key has made the signature of the message.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        key.verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.kind as u8];
        bytes.extend_from_slice(&self.public);
        let public = base64::encode(&bytes);
        write!(formatter, "{}+{}+{public}", self.name, self.id)
    }
}

impl FromStr for VerifierKey {
    type Err = TransparencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason| TransparencyError::InvalidVerifierKey { reason };
        let mut parts = text.splitn(3, '+');
        let name = parts.next().unwrap_or_default().parse::<KeyName>()?;
        let (Some(id), Some(public)) = (parts.next(), parts.next()) else {
            return Err(invalid("it does not have the form name+id+base64"));
        };
        let bytes = base64::decode(public);
        let bytes = bytes.ok_or_else(|| invalid("the key is not standard base64"))?;
        let (kind, public) = match bytes.split_first() {
            Some((1, public)) => (KeyKind::Log, public),
            Some((4, public)) => (KeyKind::Witness, public),
            _ => return Err(invalid("the key is not of a kind for Ed25519")),
        };
        let public = public
            .try_into()
            .map_err(|_| invalid("the key does not have 32 bytes"))?;
        let key = Self::new(name, kind, public);
        if key.id.to_string() != id {
            return Err(invalid("the id is not that of the name and the key"));
        }
        Ok(key)
    }
}
