//! Tags: the user's, and those that prove ownership.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::invalid::{Invalid, InvalidKind};

/// The keys of the tags that this service sets on all it makes, and that no user may set.
pub const OWNERSHIP_TAGS: [&str; 4] = [
    "ai-unlimited:managed-by",
    "ai-unlimited:namespace",
    "ai-unlimited:cluster",
    "ai-unlimited:binding-id",
];

/// The value of the tag `ai-unlimited:managed-by`.
pub(crate) const MANAGED_BY: &str = "engine-roles";

/// Tags by key; keys are unique ignoring case, as IAM holds them.
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
    /// The most tags that a user may set.
    pub const MAX: usize = 46;

    /// Checks a user's tags.
    ///
    /// # Errors
    /// When there are more than 46, or one breaks IAM's rules, repeats another's key in another
    /// case, or begins with `aws:` or `ai-unlimited:` in any case.
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
                    "{key} is there twice (as {other}; case does not count)"
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

    /// The tags, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// IAM: [\p{L}\p{Z}\p{N}_.:/=+\-@]. Of \p{Z}, the space alone is let in: line and paragraph
// separators in a tag help nobody. `char::is_alphanumeric` takes more than \p{L} and \p{N}: the
// vowel signs of some scripts, which IAM refuses.
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
