use std::collections::{BTreeMap, BTreeSet};

use crate::errors::ApiError;
use crate::names::length;
use crate::wire::Params;
use crate::xml::Xml;

/// IAM's limit for the tags of a resource.
const MOST: usize = 50;

/// The tags of a resource. Keys are unique ignoring case, and are stored in the case of the
/// request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tags(BTreeMap<String, Tag>);

#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Tags {
    /// Parses the tags in a request.
    ///
    /// # Errors
    /// `ValidationError` for more than 50, for lengths and for characters; `InvalidInput` for
    /// keys that are reserved or differ by case only.
    pub(crate) fn parse(params: &Params) -> Result<Self, ApiError> {
        let elements = params.list("Tags");
        most(elements.len(), "tags")?;
        let mut tags = BTreeMap::new();
        for (index, element) in elements.iter().enumerate() {
            let at = format!("tags.{}.member", index + 1);
            let missing = |field| ApiError::missing(&format!("{at}.{field}"));
            let key = element.get("Key").ok_or_else(|| missing("key"))?;
            let value = element.get("Value").ok_or_else(|| missing("value"))?;
            check_key(key, &format!("{at}.key"))?;
            length(value, &format!("{at}.value"), 0, 256)?;
            characters(value, &format!("{at}.value"), '*')?;
            let tag = Tag {
                key: key.clone(),
                value: value.clone(),
            };
            if tags.insert(key.to_lowercase(), tag).is_some() {
                return Err(ApiError::input(
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
                ));
            }
        }
        Ok(Self(tags))
    }

    /// Returns tags that a resource already has.
    pub(crate) fn stored<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let tags = tags.map(|(key, value)| {
            let tag = Tag {
                key: key.to_owned(),
                value: value.to_owned(),
            };
            (key.to_lowercase(), tag)
        });
        Self(tags.collect())
    }

    /// Adds tags; they replace tags with the same keys.
    ///
    /// # Errors
    /// `LimitExceeded` if the resource would have more than 50 tags.
    pub(crate) fn merge(&mut self, tags: &Self) -> Result<(), ApiError> {
        let mut merged = self.0.clone();
        merged.extend(tags.0.clone());
        if merged.len() > MOST {
            return Err(ApiError::limit(
                "The number of tags has reached the maximum limit.",
            ));
        }
        self.0 = merged;
        Ok(())
    }

    pub(crate) fn remove(&mut self, keys: &[String]) {
        for key in keys {
            self.0.remove(&key.to_lowercase());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the tags in order of keys, ignoring case.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.values()
    }

    /// Returns the tags in the order of [`Tags::iter`], each with its sort key.
    pub(crate) fn keyed(&self) -> impl Iterator<Item = (&str, &Tag)> {
        self.0.iter().map(|(key, tag)| (key.as_str(), tag))
    }

    pub(crate) fn keys(&self) -> BTreeSet<String> {
        self.iter().map(|tag| tag.key.clone()).collect()
    }
}

impl Tag {
    pub(crate) fn write(&self, xml: &mut Xml) {
        xml.text("Key", &self.key).text("Value", &self.value);
    }
}

/// Parses the tag keys in a request to remove tags.
///
/// # Errors
/// `ValidationError` for more than 50, for lengths and for characters.
pub(crate) fn parse_keys(params: &Params) -> Result<Vec<String>, ApiError> {
    let keys = params.values("TagKeys");
    if keys.is_empty() && params.get("TagKeys").is_none() {
        return Err(ApiError::missing("tagKeys"));
    }
    most(keys.len(), "tagKeys")?;
    for (index, key) in keys.iter().enumerate() {
        check_key(key, &format!("tagKeys.{}.member", index + 1))?;
    }
    Ok(keys)
}

/// Parses the tags in a request to add tags, where the list is required.
///
/// # Errors
/// `ValidationError`.
pub(crate) fn required(params: &Params) -> Result<Tags, ApiError> {
    let tags = Tags::parse(params)?;
    if tags.is_empty() && params.get("Tags").is_none() {
        return Err(ApiError::missing("tags"));
    }
    Ok(tags)
}

fn most(count: usize, member: &str) -> Result<(), ApiError> {
    if count > MOST {
        let rule = format!("Member must have length less than or equal to {MOST}");
        return Err(ApiError::constraint("[…]", member, &rule));
    }
    Ok(())
}

fn check_key(key: &str, member: &str) -> Result<(), ApiError> {
    length(key, member, 1, 128)?;
    characters(key, member, '+')?;
    if key.to_lowercase().starts_with("aws:") {
        return Err(ApiError::input(
            "Tag keys that begin with aws: are reserved for system use.",
        ));
    }
    Ok(())
}

/// Checks for IAM's `[\p{L}\p{Z}\p{N}_.:/=+\-@]`. `is_alphabetic` also accepts the vowel signs of
/// some scripts, which `\p{L}` does not contain.
fn characters(text: &str, member: &str, times: char) -> Result<(), ApiError> {
    let valid = text.chars().all(|char| {
        char.is_alphabetic() || char.is_numeric() || is_separator(char) || "_.:/=+-@".contains(char)
    });
    if !valid {
        let rule = format!(
            "Member must satisfy regular expression pattern: [\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]{times}"
        );
        return Err(ApiError::constraint(text, member, &rule));
    }
    Ok(())
}

/// Whether the character is in Unicode's class Z.
fn is_separator(char: char) -> bool {
    matches!(
        char,
        ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}
