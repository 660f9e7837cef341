//! Whether a condition holds for a request.
//!
//! "IAM JSON policy elements: Condition operators", "Conditions with multiple context keys or
//! values" and "Single-valued vs. multivalued context keys", IAM User Guide.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::arn;
use crate::condition::{Condition, Family, Relation, SetOperator, Test};
use crate::context::{Context, Lookup};
use crate::moment::Moment;
use crate::statement::Effect;
use crate::truth::Truth;
use crate::value::{Decimal, Network, lowercase, parse_base64, parse_bool};
use crate::variable::{Resolved, Template};
use crate::version::Version;

/// The result of comparing one value of the request with one value of the policy.
enum Match {
    Yes,
    No,
    /// The values can't be compared: a variable has no value, or a value has another type.
    Never,
    Unknown(BTreeSet<String>),
}

/// Whether the condition holds.
///
/// The effect of the statement matters in one case only: a negated operator and values that can't
/// be compared. The doubt must never widen access, so the condition then fails in an Allow and
/// holds in a Deny.
pub(crate) fn holds(
    version: Version,
    effect: Effect,
    condition: &Condition,
    context: &Context,
) -> Truth {
    let operator = condition.operator;
    let found = context.lookup(&condition.key);
    if operator.test == Test::Null {
        return is_null(effect, condition, found);
    }
    let values = match found {
        Lookup::Unknown => return Truth::unknown(&condition.key),
        Lookup::Absent if operator.if_exists => return Truth::True,
        Lookup::Absent => {
            return match operator.set {
                Some(SetOperator::ForAllValues) => Truth::True,
                Some(SetOperator::ForAnyValue) => Truth::False,
                None => operator.test.is_negated().into(),
            };
        }
        Lookup::Present(values) => values,
    };
    let each = values
        .iter()
        .map(|value| passes(version, effect, condition, value, context));
    match operator.set {
        // A set that has only empty strings counts as an empty set.
        Some(SetOperator::ForAllValues) if values.iter().all(String::is_empty) => Truth::True,
        Some(SetOperator::ForAnyValue) if values.iter().all(String::is_empty) => Truth::False,
        Some(SetOperator::ForAllValues) => Truth::all(each),
        // Without a set operator, one value has to match, or none if the operator is negated.
        None if operator.test.is_negated() => Truth::all(each),
        Some(SetOperator::ForAnyValue) | None => Truth::any(each),
    }
}

fn is_null(effect: Effect, condition: &Condition, found: Lookup<'_>) -> Truth {
    let absent = match found {
        Lookup::Unknown => return Truth::unknown(&condition.key),
        Lookup::Absent => true,
        // The IAM User Guide calls an empty string a null value in one place and a value in
        // another. Access must not depend on either reading: the test fails in an Allow and holds
        // in a Deny.
        Lookup::Present(values) if values.iter().all(String::is_empty) => {
            return Truth::from(effect == Effect::Deny);
        }
        Lookup::Present(_) => false,
    };
    condition
        .values
        .iter()
        .any(|value| parse_bool(value) == Some(absent))
        .into()
}

/// Whether one value of the request matches one of the policy's values, or none of them if the
/// operator is negated.
fn passes(
    version: Version,
    effect: Effect,
    condition: &Condition,
    value: &str,
    context: &Context,
) -> Truth {
    let test = condition.operator.test;
    let negated = test.is_negated();
    let each = condition.values.iter().map(|own| {
        match (compare(version, test, own, value, context), negated) {
            (Match::Yes, _) => Truth::from(!negated),
            (Match::No, _) => Truth::from(negated),
            (Match::Never, false) => Truth::False,
            (Match::Never, true) => Truth::from(effect == Effect::Deny),
            (Match::Unknown(missing), _) => Truth::Unknown(missing),
        }
    });
    if negated {
        Truth::all(each)
    } else {
        Truth::any(each)
    }
}

fn compare(version: Version, test: Test, own: &str, value: &str, context: &Context) -> Match {
    let Some(template) = template(version, test, own) else {
        return Match::Never;
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
            None => Match::Never,
        },
        Resolved::Unresolved => Match::Never,
        Resolved::Unknown(missing) => Match::Unknown(missing),
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
