//! The name of an engine cluster.

use crate::invalid::text_type;
use crate::invalid::{Invalid, InvalidKind};

text_type! {
    /// The name of one engine cluster, `[A-Za-z0-9][A-Za-z0-9_-]{0,62}`.
    ///
    /// A cluster's name becomes part of policy patterns, in which `*`, `?` and `${` are special and
    /// can't be escaped. The characters are therefore allow-listed.
    ClusterName
}

impl ClusterName {
    /// The longest name, in characters.
    pub const MAX: usize = 63;

    /// Reads a cluster name.
    ///
    /// # Errors
    /// When the text is empty, longer than 63 characters, or has a character outside the list.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let bytes = text.as_bytes();
        let fits = (1..=Self::MAX).contains(&bytes.len())
            && bytes[0].is_ascii_alphanumeric()
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !fits {
            return Err(Invalid::new(
                InvalidKind::ClusterName,
                "must be 1 to 63 characters of A-Z a-z 0-9 _ - and begin with a letter or digit",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}
