//! Words from lists that later versions may extend.

use serde::{Deserialize, Serialize};

/// A word from a list that later versions may extend. This version may not know the word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Open<T> {
    /// A word that this version knows.
    Known(T),
    /// A word that this version does not know, unchanged.
    Unknown(String),
}

impl<T> Open<T> {
    /// Returns the word, or `None` where this version does not know the word.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(word) => Some(word),
            Self::Unknown(_) => None,
        }
    }

    /// Returns whether the value is the given word.
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
    fn an_unknown_word_is_kept_unchanged() {
        for (text, known) in [("here", Some(Word::Here)), ("later", None)] {
            let word: Open<Word> = from_value(json!(text)).expect("any word can be read");
            assert_eq!(word.known(), known.as_ref());
            assert_eq!(word.is(&Word::Here), known.is_some());
            assert_eq!(json!(word), text);
        }
    }

    #[test]
    fn a_value_that_is_not_text_is_rejected() {
        for value in [json!(null), json!(1), json!({"word": "here"})] {
            assert!(from_value::<Open<Word>>(value).is_err());
        }
    }
}
