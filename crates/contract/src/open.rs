//! Words from a list that may grow.

use serde::{Deserialize, Serialize};

/// A word that is one of those known here, or one that a newer service has added.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Open<T> {
    /// A word of this version.
    Known(T),
    /// A word that this version does not know, as it came.
    Unknown(String),
}

impl<T> Open<T> {
    /// Returns the word, if this version knows it.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(word) => Some(word),
            Self::Unknown(_) => None,
        }
    }

    /// Whether the word is this one.
    pub fn is(&self, word: &T) -> bool
    where
        T: PartialEq,
    {
        self.known() == Some(word)
    }
}

impl<T> From<T> for Open<T> {
    fn from(word: T) -> Self {
        Self::Known(word)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Here,
    }

    #[test]
    fn a_word_that_is_not_known_survives() {
        for (text, known) in [("here", Some(Word::Here)), ("elsewhere", None)] {
            let word: Open<Word> = from_value(json!(text)).expect("any word can be read");
            assert_eq!(word.known(), known.as_ref());
            assert_eq!(word.is(&Word::Here), known.is_some());
            assert_eq!(json!(word), text);
        }
    }

    #[test]
    fn only_a_word_is_a_word() {
        for value in [json!(null), json!(1), json!({"word": "here"})] {
            assert!(from_value::<Open<Word>>(value).is_err());
        }
    }
}
