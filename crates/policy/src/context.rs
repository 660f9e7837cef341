//! The context of a request: its condition keys and what is known of them.

use std::collections::{BTreeMap, BTreeSet};

/// The condition keys of a request. Their case does not matter.
///
/// A context made by [`Context::new`] is complete: a key that it lacks is absent, as for IAM. One
/// made by [`Context::partial`] tells only part of the story: a key that it lacks is unknown, and
/// a decision that hangs on it is [`Indeterminate`](crate::Decision::Indeterminate).
///
/// "The request context" in "IAM JSON policy elements: Condition", IAM User Guide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    keys: BTreeMap<String, Vec<String>>,
    unknown: BTreeSet<String>,
    partial: bool,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup<'a> {
    /// At least one value.
    Present(&'a [String]),
    Absent,
    Unknown,
}

impl Context {
    /// A complete context, without any key yet.
    pub fn new() -> Context {
        Context::default()
    }

    /// A context of which nothing is known but what is added.
    pub fn partial() -> Context {
        Context {
            partial: true,
            ..Context::default()
        }
    }

    /// With this key, of this one value.
    #[must_use]
    pub fn with(self, key: impl AsRef<str>, value: impl Into<String>) -> Context {
        self.with_values(key, [value])
    }

    /// With this key, of these values; without any, the key is known to be absent.
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

    /// With this key known to be absent, which says something in a partial context only.
    #[must_use]
    pub fn with_absent(self, key: impl AsRef<str>) -> Context {
        self.with_values(key, std::iter::empty::<String>())
    }

    /// With this key declared unknown.
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
