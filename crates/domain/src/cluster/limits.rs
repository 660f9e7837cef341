//! What the administrator permits requests to ask for.

use std::fmt;

use crate::account::Region;
use crate::cluster::spec::Mode;
use crate::resources::tags::TagKey;

/// The values that requests may ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Permitted<T> {
    /// Every value.
    #[default]
    All,
    /// These values only.
    Only(Vec<T>),
}

impl<T: PartialEq> Permitted<T> {
    /// Returns whether a request may ask for this value.
    pub fn permits(&self, wanted: &T) -> bool {
        match self {
            Self::All => true,
            Self::Only(values) => values.contains(wanted),
        }
    }
}

impl<T: fmt::Display> Permitted<T> {
    /// Returns the permitted values in words, for the rule that a request breaks.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Only(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                values.join(", ")
            }
        }
    }
}

/// The administrator's limits on what requests may ask for. The default permits everything.
///
/// The limits apply to new values: what a live binding has already stays permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The modes of new bindings.
    pub modes: Permitted<Mode>,
    /// The regions of new bindings.
    pub regions: Permitted<Region>,
    /// Whether a request may allow Session Manager to reach the engine's nodes.
    pub session_manager: bool,
    /// The keys of the callers' own tags.
    pub tag_keys: Permitted<TagKey>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            modes: Permitted::All,
            regions: Permitted::All,
            session_manager: true,
            tag_keys: Permitted::All,
        }
    }
}

/// A field of a request with the rule that the field breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongField {
    /// The field, as a path such as `tags.team`.
    pub field: String,
    /// The rule, to be read after the field.
    pub rule: String,
}

impl WrongField {
    /// Returns the fields and their rules in one text.
    pub(crate) fn in_words(fields: &[Self]) -> String {
        let fields = fields.iter();
        let fields = fields.map(|wrong| format!("{} {}", wrong.field, wrong.rule));
        fields.collect::<Vec<_>>().join("; ")
    }
}
