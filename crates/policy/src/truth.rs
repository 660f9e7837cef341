//! Kleene's three-valued logic: true, false, or unknown because context keys are missing.

use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    True,
    False,
    /// The answer depends on these keys.
    Unknown(BTreeSet<String>),
}

impl Truth {
    pub(crate) fn unknown(key: &str) -> Truth {
        Truth::Unknown(BTreeSet::from([key.to_owned()]))
    }

    /// False if any item is false, otherwise unknown if any is unknown.
    pub(crate) fn all(items: impl IntoIterator<Item = Truth>) -> Truth {
        let mut missing = BTreeSet::new();
        for item in items {
            match item {
                Truth::False => return Truth::False,
                Truth::True => {}
                Truth::Unknown(keys) => missing.extend(keys),
            }
        }
        Truth::from_missing(missing, Truth::True)
    }

    /// True if any item is true, otherwise unknown if any is unknown.
    pub(crate) fn any(items: impl IntoIterator<Item = Truth>) -> Truth {
        let mut missing = BTreeSet::new();
        for item in items {
            match item {
                Truth::True => return Truth::True,
                Truth::False => {}
                Truth::Unknown(keys) => missing.extend(keys),
            }
        }
        Truth::from_missing(missing, Truth::False)
    }

    fn from_missing(missing: BTreeSet<String>, otherwise: Truth) -> Truth {
        if missing.is_empty() {
            otherwise
        } else {
            Truth::Unknown(missing)
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Truth {
        if value { Truth::True } else { Truth::False }
    }
}
