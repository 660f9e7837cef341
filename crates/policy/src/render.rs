//! Templates of documents, whose `<PLACEHOLDER>`s are filled with values that can't widen a grant.

use std::collections::{BTreeMap, BTreeSet};

use crate::json;

/// The reason why a template could not be filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum RenderError {
    /// A value has a character with a special meaning in IAM (`*`, `?`, `${`), in JSON (quotes,
    /// backslashes, control characters) or in a template (`<`, `>`), or a character that IAM does
    /// not accept (beyond U+00FF).
    #[error(
        "the value for <{placeholder}> contains {character:?}, which would not be read literally"
    )]
    LiveCharacter {
        placeholder: String,
        character: char,
    },
    /// A value is empty, which would join the text before and after the placeholder.
    #[error("the value for <{placeholder}> is empty")]
    EmptyValue { placeholder: String },
    /// The template has a placeholder without a value.
    #[error("<{placeholder}> has no value")]
    Unfilled { placeholder: String },
    /// A value has a name that is not a placeholder of the template.
    #[error("the template has no <{placeholder}>")]
    UnknownPlaceholder { placeholder: String },
    /// A `<` or `>` of the template is not part of a placeholder.
    #[error("the template has a stray {character:?} at byte {at}")]
    Stray { character: char, at: usize },
}

/// Fills the placeholders of a template: `<A_NAME>`, of capital letters, digits and `_`.
///
/// Values are literals. A value with a character that has a special meaning in IAM, JSON or a
/// template is rejected, not escaped; see [`is_safe`].
///
/// # Errors
/// Returns an error if a value is not safe, a placeholder has no value, or a value has no
/// placeholder.
pub fn fill(template: &str, values: &BTreeMap<&str, &str>) -> Result<String, RenderError> {
    for (placeholder, value) in values {
        check_value(placeholder, value)?;
    }
    let mut filled = String::with_capacity(template.len());
    let mut unused: BTreeSet<&str> = values.keys().copied().collect();
    for piece in pieces(template)? {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Placeholder(name) => {
                let value = values.get(name).ok_or_else(|| RenderError::Unfilled {
                    placeholder: name.to_owned(),
                })?;
                unused.remove(name);
                filled.push_str(value);
            }
        }
    }
    match unused.first() {
        Some(placeholder) => Err(RenderError::UnknownPlaceholder {
            placeholder: (*placeholder).to_owned(),
        }),
        None => Ok(filled),
    }
}

/// Returns the names of a template's placeholders.
///
/// # Errors
/// Returns an error if a `<` or `>` is not part of a placeholder.
pub fn placeholders(template: &str) -> Result<BTreeSet<&str>, RenderError> {
    Ok(pieces(template)?
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Placeholder(name) => Some(name),
            Piece::Text(_) => None,
        })
        .collect())
}

/// Whether a policy reads the value literally: it is not empty and has none of `*`, `?`, `$`, `{`,
/// `}`, `<`, `>`, `"`, `\`, no control characters, and no characters beyond U+00FF, which IAM does
/// not accept.
pub fn is_safe(value: &str) -> bool {
    !value.is_empty() && special_character(value).is_none()
}

fn check_value(placeholder: &str, value: &str) -> Result<(), RenderError> {
    let placeholder = placeholder.to_owned();
    if value.is_empty() {
        return Err(RenderError::EmptyValue { placeholder });
    }
    match special_character(value) {
        Some(character) => Err(RenderError::LiveCharacter {
            placeholder,
            character,
        }),
        None => Ok(()),
    }
}

fn special_character(value: &str) -> Option<char> {
    value.chars().find(|character| {
        character.is_control() || !json::is_taken(*character) || "*?${}<>\"\\".contains(*character)
    })
}

enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

fn pieces(template: &str) -> Result<Vec<Piece<'_>>, RenderError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = template[at..].find(['<', '>']) {
        let start = at + found;
        let name = template[start..]
            .strip_prefix('<')
            .and_then(|rest| rest.split_once('>'))
            .map(|(name, _)| name)
            .filter(|name| is_placeholder(name));
        let Some(name) = name else {
            let character = if template[start..].starts_with('<') {
                '<'
            } else {
                '>'
            };
            return Err(RenderError::Stray {
                character,
                at: start,
            });
        };
        pieces.push(Piece::Text(&template[at..start]));
        pieces.push(Piece::Placeholder(name));
        at = start + name.len() + 2;
    }
    pieces.push(Piece::Text(&template[at..]));
    Ok(pieces)
}

fn is_placeholder(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
