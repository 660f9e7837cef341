//! Whether a condition holds for a request.
//!
//! "IAM JSON policy elements: Condition operators", "Conditions with multiple context keys or
//! values" and "Single-valued vs. multivalued context keys", IAM User Guide.

use std::cmp::Ordering;

use crate::arn;
use crate::condition::{Condition, Family, Relation, SetOperator, Test};
use crate::context::{Context, Lookup};
use crate::doubt::Doubt;
use crate::moment::Moment;
use crate::truth::{Truth, Unknown};
use crate::value::{Decimal, Network, lowercase, parse_base64, parse_bool};
use crate::variable::{Resolved, Template};
use crate::version::Version;

/// The result of comparing one value of the request with one value of the policy.
enum Match {
    Yes,
    No,
    /// The documentation does not say what the comparison of these values gives.
    Doubt(&'static str),
    Unknown(Unknown),
}

/// Whether the condition holds.
pub(crate) fn holds(version: Version, condition: &Condition, context: &Context) -> Truth {
    let operator = condition.operator;
    let found = context.lookup(&condition.key);
    if operator.test == Test::Null {
        return is_null(condition, found);
    }
    let values = match found {
        Lookup::Unknown => return Truth::missing(&condition.key),
        Lookup::Absent => return without_key(condition),
        Lookup::Present(values) => values,
    };
    let each = values
        .iter()
        .map(|value| passes(version, condition, value, context));
    match operator.set {
        // A set that has only empty strings counts as an empty set.
        Some(SetOperator::ForAllValues) if values.iter().all(String::is_empty) => Truth::True,
        Some(SetOperator::ForAnyValue) if values.iter().all(String::is_empty) => Truth::False,
        None if values.len() > 1 => {
            doubt(condition, "a key with several values needs a set operator")
        }
        Some(SetOperator::ForAllValues) => Truth::all(each),
        Some(SetOperator::ForAnyValue) | None => Truth::any(each),
    }
}

/// Whether the condition holds if the key is absent.
fn without_key(condition: &Condition) -> Truth {
    let operator = condition.operator;
    match (operator.set, operator.if_exists) {
        (None, true) | (Some(SetOperator::ForAllValues), _) => Truth::True,
        (Some(SetOperator::ForAnyValue), false) => Truth::False,
        (Some(SetOperator::ForAnyValue), true) => doubt(
            condition,
            "for an absent key, ForAnyValue is false and IfExists is true",
        ),
        (None, false) => operator.test.is_negated().into(),
    }
}

fn is_null(condition: &Condition, found: Lookup<'_>) -> Truth {
    let wanted = |absent| {
        let mut values = condition.values.iter();
        values.any(|value| parse_bool(value) == Some(absent))
    };
    if wanted(true) && wanted(false) {
        return Truth::True;
    }
    let absent = match found {
        Lookup::Unknown => return Truth::missing(&condition.key),
        Lookup::Absent => true,
        Lookup::Present(values) if values.iter().all(String::is_empty) => {
            return doubt(
                condition,
                "an empty string is called a null value in one place and a value in another",
            );
        }
        Lookup::Present(_) => false,
    };
    if condition
        .values
        .iter()
        .any(|value| parse_bool(value).is_none())
        && !wanted(absent)
    {
        return doubt(condition, "a value is neither true nor false");
    }
    wanted(absent).into()
}

fn doubt(condition: &Condition, reason: &'static str) -> Truth {
    let part = format!("{} of {}", condition.operator, condition.key);
    Truth::doubt(Doubt::new(part, reason))
}

/// Whether one value of the request matches one of the policy's values, or none of them if the
/// operator is negated.
fn passes(version: Version, condition: &Condition, value: &str, context: &Context) -> Truth {
    let test = condition.operator.test;
    let each =
        condition
            .values
            .iter()
            .map(|own| match compare(version, test, own, value, context) {
                Match::Yes => Truth::True,
                Match::No => Truth::False,
                Match::Doubt(reason) => doubt(condition, reason),
                Match::Unknown(why) => Truth::Unknown(why),
            });
    let matched = Truth::any(each);
    if test.is_negated() { !matched } else { matched }
}

fn compare(version: Version, test: Test, own: &str, value: &str, context: &Context) -> Match {
    let Some(template) = template(version, test, own) else {
        return Match::Doubt("a policy variable has a form that the language does not have");
    };
    match test.family() {
        Family::TextPattern => resolved(template.to_pattern(context), |pattern| {
            Some(pattern.matches(value))
        }),
        Family::Arn => resolved(template.to_pattern(context), |pattern| {
            arn::matches(&pattern, value)
        }),
        family => resolved(template.to_text(context), |own| {
            compare_plain(family, test.relation(), &own, value)
        }),
    }
}

fn template(version: Version, test: Test, own: &str) -> Option<Template> {
    let version = if test.takes_variables() {
        version
    } else {
        Version::V2008
    };
    Template::parse(version, own).ok()
}

fn resolved<T>(resolved: Resolved<T>, compare: impl FnOnce(T) -> Option<bool>) -> Match {
    match resolved {
        Resolved::Value(own) => match compare(own) {
            Some(true) => Match::Yes,
            Some(false) => Match::No,
            None => Match::Doubt("a value is not of the operator's type"),
        },
        // A variable without a value is null: nothing equals it and nothing is like it, so a
        // negated operator matches it.
        Resolved::Unresolved => Match::No,
        Resolved::Unknown(why) => Match::Unknown(why),
    }
}

/// Compares two values; `None` if one of them is not of the family's type.
fn compare_plain(family: Family, relation: Relation, own: &str, value: &str) -> Option<bool> {
    match family {
        Family::Text => Some(own == value),
        Family::TextIgnoringCase => Some(lowercase(own) == lowercase(value)),
        Family::Number => Some(relation.holds(Decimal::parse(value)?.cmp(&Decimal::parse(own)?))),
        Family::Date => Some(relation.holds(Moment::parse(value)?.cmp(&Moment::parse(own)?))),
        Family::Boolean => Some(parse_bool(value)? == parse_bool(own)?),
        Family::Binary => Some(parse_base64(value)? == parse_base64(own)?),
        Family::Address => Some(Network::parse(own)?.contains(&Network::parse(value)?)),
        Family::TextPattern | Family::Arn | Family::Presence => None,
    }
}

impl Relation {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Relation::Equal => ordering.is_eq(),
            Relation::Less => ordering.is_lt(),
            Relation::LessOrEqual => ordering.is_le(),
            Relation::Greater => ordering.is_gt(),
            Relation::GreaterOrEqual => ordering.is_ge(),
        }
    }
}
