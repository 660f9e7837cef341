//! The operators of the Condition element, by name.
//!
//! "IAM JSON policy elements: Condition operators", IAM User Guide.

use std::fmt;

/// One condition on one context key. A statement applies only if all of its conditions hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    /// How the key is compared.
    pub operator: Operator,
    /// The context key, such as `aws:SourceIp`; its case does not matter.
    pub key: String,
    /// The values that the key is compared with. One of them has to match; none, if the operator is
    /// negated.
    pub values: Vec<String>,
}

/// A comparison with the prefix and the suffix of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operator {
    /// `ForAllValues:` or `ForAnyValue:`, if any.
    pub set: Option<SetOperator>,
    /// The comparison itself.
    pub test: Test,
    /// Whether the name ends in `IfExists`: the condition then holds if the key is absent.
    pub if_exists: bool,
}

impl Operator {
    /// Parses a name such as `ForAllValues:StringLikeIfExists`; case matters.
    ///
    /// Returns `None` for a name that the policy language does not have, such as `NullIfExists`.
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

    /// Returns the same comparison with the suffix `IfExists`, which also holds if the key is
    /// absent.
    #[must_use]
    pub fn if_exists(self) -> Operator {
        Operator {
            if_exists: true,
            ..self
        }
    }

    /// Returns the same comparison with the prefix `ForAllValues:`.
    #[must_use]
    pub fn for_all_values(self) -> Operator {
        Operator {
            set: Some(SetOperator::ForAllValues),
            ..self
        }
    }

    /// Returns the same comparison with the prefix `ForAnyValue:`.
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

/// How a key with several values is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetOperator {
    /// Every value of the key has to match; true for a key without values.
    ForAllValues,
    /// At least one value of the key has to match; false for a key without values.
    ForAnyValue,
}

macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        /// A comparison, under the name that it has in a policy.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Test {
            $(#[doc = concat!("`", stringify!($name), "`.")] $name,)+
        }

        impl Test {
            /// Every comparison that the language has.
            pub const ALL: [Test; [$(stringify!($name)),+].len()] = [$(Test::$name),+];

            /// Returns the name as the document writes it.
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

/// The type of an operator's values.
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

/// The order that two values must have.
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

    /// Whether the test is a negated one, such as `StringNotEquals`, which holds if no value
    /// matches or the key is absent.
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

    /// Whether the values may contain policy variables.
    ///
    /// True for text and ARN operators and for Bool: "IAM policy elements: Variables and tags" does
    /// not list Bool, "Condition operators" does.
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
