//! The tags of the administrator and of callers, and the tags that prove ownership.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::invalid::{Invalid, InvalidKind};

/// The keys of the ownership tags, which this service sets on all resources that it creates and
/// which no user may set.
pub const OWNERSHIP_TAGS: [&str; 4] = [
    "ai-unlimited:managed-by",
    "ai-unlimited:namespace",
    "ai-unlimited:cluster",
    "ai-unlimited:binding-id",
];

/// The value of the tag `ai-unlimited:managed-by`.
pub(crate) const MANAGED_BY: &str = "engine-roles";

/// A tag's key as IAM compares keys: ignoring case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagKey(String);

impl TagKey {
    /// Checks a tag's key by the same rules as [`Tags::new`].
    ///
    /// # Errors
    /// When the key breaks one of IAM's rules, or is reserved.
    pub fn parse(key: &str) -> Result<Self, Invalid> {
        Tags::new([(key.to_owned(), String::new())]).map(|_| Self::of(key))
    }

    /// Returns the key of a tag that was checked already.
    pub(crate) fn of(key: &str) -> Self {
        Self(key.to_lowercase())
    }
}

impl fmt::Display for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The tags of an administrator or a caller, by key. Keys are unique ignoring case, as in IAM.
///
/// Limits: 46 tags (IAM allows 50, four prove ownership), keys of 1 to 128 and values of 0 to
/// 256 characters of letters, digits, spaces and `_.:/=+-@`.
/// Source: IAM user guide, "Tags for AWS Identity and Access Management resources".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    try_from = "BTreeMap<String, String>",
    into = "BTreeMap<String, String>"
)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// The greatest number of tags that the administrator and a caller may set together.
    pub const MAX: usize = 46;

    /// Checks tags.
    ///
    /// # Errors
    /// When there are more than 46 tags, a tag breaks IAM's rules, two keys differ in case only, or
    /// a key begins with `aws:` or `ai-unlimited:` in any case.
    pub fn new(tags: impl IntoIterator<Item = (String, String)>) -> Result<Self, Invalid> {
        let invalid = |rule: String| Err(Invalid::new(InvalidKind::Tag, rule));
        let mut seen = BTreeMap::new();
        let mut kept = BTreeMap::new();
        for (key, value) in tags {
            let lower = key.to_lowercase();
            if !(1..=128).contains(&key.chars().count()) {
                return invalid("key must be 1 to 128 characters long".to_owned());
            }
            if !key.chars().all(is_tag_character) || !value.chars().all(is_tag_character) {
                return invalid(
                    "may only have letters, digits, spaces and _ . : / = + - @".to_owned(),
                );
            }
            if lower.starts_with("aws:") || lower.starts_with("ai-unlimited:") {
                return invalid(format!(
                    "{key} is reserved: no key may begin with aws: or ai-unlimited:"
                ));
            }
            if value.chars().count() > 256 {
                return invalid(format!("{key} has a value of more than 256 characters"));
            }
            if let Some(other) = seen.insert(lower, key.clone()) {
                return invalid(format!(
                    "{key} occurs twice (also as {other}; case is ignored)"
                ));
            }
            kept.insert(key, value);
        }
        if kept.len() > Self::MAX {
            return invalid(format!(
                "list has {} entries; {} are allowed",
                kept.len(),
                Self::MAX
            ));
        }
        Ok(Self(kept))
    }

    /// Iterates over keys and values, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Returns the keys of all tags.
    pub fn keys(&self) -> impl Iterator<Item = TagKey> {
        self.0.keys().map(|key| TagKey::of(key))
    }

    /// Returns the value of the tag with exactly this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Returns these tags and the other ones together.
    ///
    /// # Errors
    /// When both have a tag with the same key, ignoring case, or when there are more than 46 tags
    /// together.
    pub fn and(&self, other: &Self) -> Result<Self, Invalid> {
        let all = self.0.iter().chain(&other.0);
        Self::new(all.map(|(key, value)| (key.clone(), value.clone())))
    }

    /// Returns the tags for which `is_kept` is true of key and value.
    pub(crate) fn filtered(&self, is_kept: impl Fn(&str, &str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(key, value)| is_kept(key, value));
        Self(
            kept.map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        )
    }

    /// Returns whether there is no tag.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// IAM allows [\p{L}\p{Z}\p{N}_.:/=+\-@]. Of \p{Z}, only the space is accepted here: line and
// paragraph separators in a tag are of no use. `char::is_alphanumeric` accepts more than \p{L} and
// \p{N}, such as the vowel signs of some scripts, which IAM does not allow.
fn is_tag_character(c: char) -> bool {
    let group = c.general_category_group();
    matches!(
        group,
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number
    ) || " _.:/=+-@".contains(c)
}

impl TryFrom<BTreeMap<String, String>> for Tags {
    type Error = Invalid;
    fn try_from(tags: BTreeMap<String, String>) -> Result<Self, Invalid> {
        Self::new(tags)
    }
}

impl From<Tags> for BTreeMap<String, String> {
    fn from(tags: Tags) -> Self {
        tags.0
    }
}
