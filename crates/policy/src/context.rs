//! The context of a request: its condition keys and which of their values are known.

use std::collections::{BTreeMap, BTreeSet};

/// The condition keys of a request. Their case does not matter.
///
/// A context from [`Context::new`] is complete: a key that is not in the context is absent, as in
/// IAM. A context from [`Context::partial`] is incomplete: a key that is not in the context is
/// unknown, and a decision that depends on this key is
/// [`Indeterminate`](crate::Decision::Indeterminate).
///
/// "The request context" in "IAM JSON policy elements: Condition", IAM User Guide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    keys: BTreeMap<String, Vec<String>>,
    unknown: BTreeSet<String>,
    partial: bool,
}

/// What the context says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup<'a> {
    /// At least one value.
    Present(&'a [String]),
    Absent,
    Unknown,
}

impl Context {
    /// Returns a complete context without any keys.
    pub fn new() -> Context {
        Context::default()
    }

    /// Returns an incomplete context: every key that is not added is unknown.
    pub fn partial() -> Context {
        Context {
            partial: true,
            ..Context::default()
        }
    }

    /// Adds a key with one value.
    #[must_use]
    pub fn with(self, key: impl AsRef<str>, value: impl Into<String>) -> Context {
        self.with_values(key, [value])
    }

    /// Adds a key with these values; if `values` is empty, the key is known to be absent.
    #[must_use]
    pub fn with_values(
        mut self,
        key: impl AsRef<str>,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Context {
        let key = key.as_ref().to_lowercase();
        self.unknown.remove(&key);
        self.keys
            .insert(key, values.into_iter().map(Into::into).collect());
        self
    }

    /// Marks a key as absent. The mark makes a difference in a partial context only.
    #[must_use]
    pub fn with_absent(self, key: impl AsRef<str>) -> Context {
        self.with_values(key, std::iter::empty::<String>())
    }

    /// Marks a key as unknown.
    #[must_use]
    pub fn with_unknown(mut self, key: impl AsRef<str>) -> Context {
        let key = key.as_ref().to_lowercase();
        self.keys.remove(&key);
        self.unknown.insert(key);
        self
    }

    pub(crate) fn lookup(&self, key: &str) -> Lookup<'_> {
        let key = key.to_lowercase();
        match self.keys.get(&key) {
            Some(values) if values.is_empty() => Lookup::Absent,
            Some(values) => Lookup::Present(values),
            None if self.partial || self.unknown.contains(&key) => Lookup::Unknown,
            None => Lookup::Absent,
        }
    }
}
