//! An API key's id and name, and the clusters that the key is limited to.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::cluster::ClusterName;
use crate::invalid::text_type;
use crate::invalid::{Invalid, InvalidKind};

/// The id of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct KeyId(pub Uuid);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Actors of the service itself, whose names no key may have.
const RESERVED: [&str; 4] = ["init", "anonymous", "operator", "reconciler"];

const RESERVED_RULE: &str =
    "must not be the name of an actor of the service: init, anonymous, operator or reconciler";

text_type! {
    /// The name of an API key, `[A-Za-z0-9][A-Za-z0-9._@-]{0,62}`. The audit log shows it as the actor, so
    /// no key has the name of one of the service's own actors. Several keys may have the same name, so that
    /// a key can be replaced without a gap.
    KeyName
}

impl KeyName {
    /// The longest name, in characters.
    pub const MAX: usize = 63;

    /// Reads a key's name.
    ///
    /// # Errors
    /// When the text is empty, too long, has another character, or is the name of an actor of the service.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let bytes = text.as_bytes();
        let fits = (1..=Self::MAX).contains(&bytes.len())
            && bytes[0].is_ascii_alphanumeric()
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"._@-".contains(b));
        if !fits {
            return Err(Invalid::new(
                InvalidKind::KeyName,
                "must be 1 to 63 characters of A-Z a-z 0-9 . _ @ - and begin with a letter or digit",
            ));
        }
        if RESERVED.contains(&text) {
            return Err(Invalid::new(InvalidKind::KeyName, RESERVED_RULE));
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads the name of a key that is made now. It may not be taken for an actor of the service in
    /// another letter case, either; earlier releases have made such keys.
    ///
    /// # Errors
    /// When the text is not a key's name, or is the name of an actor of the service in any letter case.
    pub fn parse_new(text: &str) -> Result<Self, Invalid> {
        if RESERVED.iter().any(|name| name.eq_ignore_ascii_case(text)) {
            return Err(Invalid::new(InvalidKind::KeyName, RESERVED_RULE));
        }
        Self::parse(text)
    }
}

text_type! {
    /// The first characters of the names of the clusters that a key is limited to.
    ClusterPrefix
}

impl ClusterPrefix {
    /// Reads a prefix.
    ///
    /// # Errors
    /// When no cluster's name can begin with the text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = |error: Invalid| Invalid::new(InvalidKind::ClusterPrefix, error.rule);
        let name = ClusterName::parse(text).map_err(invalid)?;
        Ok(Self(name.into()))
    }

    /// Returns the prefix of the names that begin with this one and with `wanted`; none where no name
    /// begins with both.
    pub fn and<'a>(&'a self, wanted: &'a str) -> Option<&'a str> {
        if wanted.starts_with(self.as_str()) {
            Some(wanted)
        } else {
            self.as_str().starts_with(wanted).then_some(self.as_str())
        }
    }
}
