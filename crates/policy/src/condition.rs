//! The operators of the Condition element, by name.
//!
//! "IAM JSON policy elements: Condition operators", IAM User Guide.

use std::fmt;

/// One test of one context key; a statement applies when all of its conditions hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    /// How the key is compared.
    pub operator: Operator,
    /// The context key, such as `aws:SourceIp`; its case does not matter.
    pub key: String,
    /// The values that it is compared with, one of which has to match (none, if negated).
    pub values: Vec<String>,
}

/// A comparison with what stands before and after its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operator {
    /// `ForAllValues:` or `ForAnyValue:`, if any.
    pub set: Option<SetOperator>,
    /// The comparison itself.
    pub test: Test,
    /// Whether `IfExists` follows: a key that is absent passes.
    pub if_exists: bool,
}

impl Operator {
    /// Reads a name such as `ForAllValues:StringLikeIfExists`, in exactly this case.
    ///
    /// `None` for a name that the language does not have; `NullIfExists` is one of those.
    pub fn parse(name: &str) -> Option<Operator> {
        let (set, rest) = if let Some(rest) = name.strip_prefix("ForAllValues:") {
            (Some(SetOperator::ForAllValues), rest)
        } else if let Some(rest) = name.strip_prefix("ForAnyValue:") {
            (Some(SetOperator::ForAnyValue), rest)
        } else {
            (None, name)
        };
        let (test, if_exists) = match rest.strip_suffix("IfExists") {
            Some(test) => (test, true),
            None => (rest, false),
        };
        let test = Test::ALL.into_iter().find(|known| known.name() == test)?;
        if test == Test::Null && (if_exists || set.is_some()) {
            return None;
        }
        Some(Operator {
            set,
            test,
            if_exists,
        })
    }

    /// The same comparison for keys that may be absent.
    #[must_use]
    pub fn if_exists(self) -> Operator {
        Operator {
            if_exists: true,
            ..self
        }
    }

    /// The same comparison, for every one of a key's values.
    #[must_use]
    pub fn for_all_values(self) -> Operator {
        Operator {
            set: Some(SetOperator::ForAllValues),
            ..self
        }
    }

    /// The same comparison, for at least one of a key's values.
    #[must_use]
    pub fn for_any_value(self) -> Operator {
        Operator {
            set: Some(SetOperator::ForAnyValue),
            ..self
        }
    }
}

impl From<Test> for Operator {
    fn from(test: Test) -> Operator {
        Operator {
            set: None,
            test,
            if_exists: false,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.set {
            Some(SetOperator::ForAllValues) => "ForAllValues:",
            Some(SetOperator::ForAnyValue) => "ForAnyValue:",
            None => "",
        })?;
        f.write_str(self.test.name())?;
        f.write_str(if self.if_exists { "IfExists" } else { "" })
    }
}

/// How a key with many values is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetOperator {
    /// Every value of the key passes; true for a key without values.
    ForAllValues,
    /// At least one value of the key passes; false for a key without values.
    ForAnyValue,
}

macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        /// A comparison, by the name that it has in a policy.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Test {
            $(#[doc = concat!("`", stringify!($name), "`.")] $name,)+
        }

        impl Test {
            /// Every comparison that the language has.
            pub const ALL: [Test; [$(stringify!($name)),+].len()] = [$(Test::$name),+];

            /// The word in the document.
            pub fn name(self) -> &'static str {
                match self {
                    $(Test::$name => stringify!($name),)+
                }
            }
        }
    };
}

tests!(
    StringEquals,
    StringNotEquals,
    StringEqualsIgnoreCase,
    StringNotEqualsIgnoreCase,
    StringLike,
    StringNotLike,
    NumericEquals,
    NumericNotEquals,
    NumericLessThan,
    NumericLessThanEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    DateEquals,
    DateNotEquals,
    DateLessThan,
    DateLessThanEquals,
    DateGreaterThan,
    DateGreaterThanEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    NotIpAddress,
    ArnEquals,
    ArnLike,
    ArnNotEquals,
    ArnNotLike,
    Null,
);

/// What the values of an operator are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Text,
    TextIgnoringCase,
    TextPattern,
    Number,
    Date,
    Boolean,
    Binary,
    Address,
    Arn,
    Presence,
}

/// How two ordered values have to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Test {
    pub(crate) fn family(self) -> Family {
        match self {
            Test::StringEquals | Test::StringNotEquals => Family::Text,
            Test::StringEqualsIgnoreCase | Test::StringNotEqualsIgnoreCase => {
                Family::TextIgnoringCase
            }
            Test::StringLike | Test::StringNotLike => Family::TextPattern,
            Test::NumericEquals
            | Test::NumericNotEquals
            | Test::NumericLessThan
            | Test::NumericLessThanEquals
            | Test::NumericGreaterThan
            | Test::NumericGreaterThanEquals => Family::Number,
            Test::DateEquals
            | Test::DateNotEquals
            | Test::DateLessThan
            | Test::DateLessThanEquals
            | Test::DateGreaterThan
            | Test::DateGreaterThanEquals => Family::Date,
            Test::Bool => Family::Boolean,
            Test::BinaryEquals => Family::Binary,
            Test::IpAddress | Test::NotIpAddress => Family::Address,
            Test::ArnEquals | Test::ArnLike | Test::ArnNotEquals | Test::ArnNotLike => Family::Arn,
            Test::Null => Family::Presence,
        }
    }

    pub(crate) fn relation(self) -> Relation {
        match self {
            Test::NumericLessThan | Test::DateLessThan => Relation::Less,
            Test::NumericLessThanEquals | Test::DateLessThanEquals => Relation::LessOrEqual,
            Test::NumericGreaterThan | Test::DateGreaterThan => Relation::Greater,
            Test::NumericGreaterThanEquals | Test::DateGreaterThanEquals => {
                Relation::GreaterOrEqual
            }
            _ => Relation::Equal,
        }
    }

    /// Whether the test holds when nothing matches: true for a key that is absent.
    pub(crate) fn is_negated(self) -> bool {
        matches!(
            self,
            Test::StringNotEquals
                | Test::StringNotEqualsIgnoreCase
                | Test::StringNotLike
                | Test::NumericNotEquals
                | Test::DateNotEquals
                | Test::NotIpAddress
                | Test::ArnNotEquals
                | Test::ArnNotLike
        )
    }

    /// Whether the values may hold policy variables.
    ///
    /// Text and ARN operators, and Bool: "IAM policy elements: Variables and tags" leaves Bool
    /// out, "Condition operators" names it.
    pub(crate) fn takes_variables(self) -> bool {
        matches!(
            self.family(),
            Family::Text
                | Family::TextIgnoringCase
                | Family::TextPattern
                | Family::Arn
                | Family::Boolean
        )
    }
}
