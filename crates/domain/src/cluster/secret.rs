//! The names of a cluster's secrets.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::invalid::text_type;
use crate::invalid::{Invalid, InvalidKind};

text_type! {
    /// The name of a secret below `compute-engine/<cluster>/`, without that prefix and without
    /// the six characters that Secrets Manager appends to its ARN.
    SecretName
}

impl SecretName {
    /// The longest name, in characters. Secrets Manager allows 512, of which `compute-engine/`, the
    /// longest cluster name and a slash take 79.
    pub const MAX: usize = 433;

    /// Reads a secret name.
    ///
    /// # Errors
    /// When the text is empty or too long, has a character outside `[A-Za-z0-9/_+=.@-]`, or an
    /// empty, `.` or `..` segment.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = |rule: &str| Err(Invalid::new(InvalidKind::SecretName, rule));
        if text.is_empty() || text.len() > Self::MAX {
            return invalid("must be 1 to 433 characters long");
        }
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(b);
        if !text.as_bytes().iter().all(allowed) {
            return invalid("may only have the characters A-Z a-z 0-9 / _ + = . @ -");
        }
        if text
            .split('/')
            .any(|segment| matches!(segment, "" | "." | ".."))
        {
            return invalid("may not have an empty, '.' or '..' segment");
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns whether the name ends like a secret's ARN, in `-` and six letters or digits.
    ///
    /// Such a name is valid. But if it was copied from an ARN, the policy would match nothing, so
    /// the caller gets a warning.
    pub fn looks_like_arn_tail(&self) -> bool {
        let bytes = self.0.as_bytes();
        bytes.len() > 7
            && bytes[bytes.len() - 7] == b'-'
            && bytes[bytes.len() - 6..]
                .iter()
                .all(u8::is_ascii_alphanumeric)
    }
}

/// Which of its cluster's secrets an engine may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SecretsText", into = "SecretsText")]
pub enum Secrets {
    /// Every secret of the cluster.
    All,
    /// The named secrets, at least one.
    Named(BTreeSet<SecretName>),
}

impl Secrets {
    /// Returns the named secrets, each once.
    ///
    /// # Errors
    /// When the list is empty: a policy statement needs at least one resource.
    pub fn named(names: impl IntoIterator<Item = SecretName>) -> Result<Self, Invalid> {
        let names: BTreeSet<_> = names.into_iter().collect();
        if names.is_empty() {
            return Err(Invalid::new(
                InvalidKind::SecretName,
                "is missing: give at least one, or \"all\"",
            ));
        }
        Ok(Self::Named(names))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SecretsText {
    Word(String),
    Names(Vec<SecretName>),
}

impl TryFrom<SecretsText> for Secrets {
    type Error = Invalid;
    fn try_from(text: SecretsText) -> Result<Self, Invalid> {
        match text {
            SecretsText::Word(word) if word == "all" => Ok(Self::All),
            SecretsText::Word(_) => Err(Invalid::new(
                InvalidKind::SecretName,
                "list must be \"all\" or a list of names",
            )),
            SecretsText::Names(names) => Self::named(names),
        }
    }
}

impl From<Secrets> for SecretsText {
    fn from(secrets: Secrets) -> Self {
        match secrets {
            Secrets::All => Self::Word("all".to_owned()),
            Secrets::Named(names) => Self::Names(names.into_iter().collect()),
        }
    }
}
