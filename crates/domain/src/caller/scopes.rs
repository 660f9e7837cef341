//! The kinds of requests that an API key permits.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, InvalidKind};

/// A kind of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    /// Provision, change and tear down roles.
    Provision,
    /// Read bindings, plans, access reports, policies and capabilities.
    Read,
    /// Read the audit log.
    Audit,
}

impl KeyScope {
    /// All scopes.
    pub const ALL: [Self; 3] = [Self::Provision, Self::Read, Self::Audit];

    /// Returns the word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Read => "read",
            Self::Audit => "audit",
        }
    }
}

/// The scopes of an API key: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyScopes(BTreeSet<KeyScope>);

impl KeyScopes {
    /// Returns all scopes.
    pub fn all() -> Self {
        Self(KeyScope::ALL.into())
    }

    /// Reads scopes from their words.
    ///
    /// # Errors
    /// When there is no word, or one that is no scope.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, Invalid> {
        let rule = "must be one or several of provision, read and audit";
        let invalid = || Invalid::new(InvalidKind::KeyScopes, rule);
        let scopes = words.into_iter().map(|word| {
            let mut all = KeyScope::ALL.into_iter();
            all.find(|scope| scope.as_str() == word).ok_or_else(invalid)
        });
        let scopes: BTreeSet<_> = scopes.collect::<Result<_, _>>()?;
        (!scopes.is_empty())
            .then_some(Self(scopes))
            .ok_or_else(invalid)
    }

    /// Returns whether a scope is among these.
    pub fn contains(&self, scope: KeyScope) -> bool {
        self.0.contains(&scope)
    }

    /// Returns the scopes, in the order of [`KeyScope::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = KeyScope> + '_ {
        self.0.iter().copied()
    }
}

impl fmt::Display for KeyScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(KeyScope::as_str).collect();
        f.write_str(&words.join(","))
    }
}
