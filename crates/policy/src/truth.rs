//! Kleene's three-valued logic: true, false, or unknown, because condition keys are missing or
//! because AWS's documentation does not settle the answer.

use std::collections::BTreeSet;

use crate::doubt::Doubt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    True,
    False,
    Unknown(Unknown),
}

/// Why an answer is not known: never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// The condition keys on which the answer depends.
    pub(crate) missing: BTreeSet<String>,
    pub(crate) doubts: BTreeSet<Doubt>,
}

impl Unknown {
    pub(crate) fn extend(&mut self, other: Unknown) {
        self.missing.extend(other.missing);
        self.doubts.extend(other.doubts);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.doubts.is_empty()
    }
}

impl From<Doubt> for Unknown {
    fn from(doubt: Doubt) -> Unknown {
        Unknown {
            missing: BTreeSet::new(),
            doubts: BTreeSet::from([doubt]),
        }
    }
}

impl Truth {
    pub(crate) fn missing(key: &str) -> Truth {
        Truth::Unknown(Unknown {
            missing: BTreeSet::from([key.to_owned()]),
            doubts: BTreeSet::new(),
        })
    }

    pub(crate) fn doubt(doubt: Doubt) -> Truth {
        Truth::Unknown(doubt.into())
    }

    /// False if any item is false, otherwise unknown if any is unknown.
    pub(crate) fn all(items: impl IntoIterator<Item = Truth>) -> Truth {
        Truth::first(items, Truth::False, Truth::True)
    }

    /// True if any item is true, otherwise unknown if any is unknown.
    pub(crate) fn any(items: impl IntoIterator<Item = Truth>) -> Truth {
        Truth::first(items, Truth::True, Truth::False)
    }

    /// `decisive` if an item is that, otherwise unknown if any is unknown, otherwise `other`.
    fn first(items: impl IntoIterator<Item = Truth>, decisive: Truth, other: Truth) -> Truth {
        let mut unknown = Unknown::default();
        for item in items {
            match item {
                Truth::Unknown(why) => unknown.extend(why),
                known if known == decisive => return decisive,
                _ => {}
            }
        }
        if unknown.is_empty() {
            other
        } else {
            Truth::Unknown(unknown)
        }
    }
}

impl std::ops::Not for Truth {
    type Output = Truth;

    fn not(self) -> Truth {
        match self {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            unknown @ Truth::Unknown(_) => unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Truth {
        if value { Truth::True } else { Truth::False }
    }
}
