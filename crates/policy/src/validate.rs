//! Checks statements, whether they were parsed or built in code.

use std::collections::HashSet;

use crate::arn;
use crate::condition::{Condition, Family};
use crate::error::{PolicyError, Rule};
use crate::kind::Kind;
use crate::moment::Moment;
use crate::statement::{Principal, Scope, Statement};
use crate::value::{Decimal, Network, parse_base64, parse_bool};
use crate::variable::Template;
use crate::version::Version;

pub(crate) fn statements(
    kind: Kind,
    version: Version,
    statements: &[Statement],
) -> Result<(), PolicyError> {
    if statements.is_empty() {
        return Err(PolicyError::new(
            "Statement",
            Rule::Empty,
            "the document has no statement",
        ));
    }
    let mut sids = HashSet::new();
    for (index, statement) in statements.iter().enumerate() {
        let place = format!("Statement[{index}]");
        if let Some(sid) = &statement.sid {
            check_sid(&place, sid)?;
            // IAM treats an empty Sid as no Sid.
            if !sid.is_empty() && !sids.insert(sid) {
                return Err(PolicyError::new(
                    &format!("{place}.Sid"),
                    Rule::DuplicateSid,
                    format!("an earlier statement has the Sid {sid:?} too"),
                ));
            }
        }
        check_principals(kind, &place, &statement.principals)?;
        check_actions(&place, &statement.actions)?;
        check_resources(kind, version, &place, statement.resources.as_ref())?;
        check_conditions(version, &place, &statement.conditions)?;
    }
    Ok(())
}

fn check_sid(place: &str, sid: &str) -> Result<(), PolicyError> {
    if sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(PolicyError::new(
        &format!("{place}.Sid"),
        Rule::InvalidSid,
        format!("{sid:?} has characters other than A-Z, a-z and 0-9"),
    ))
}

fn check_principals(kind: Kind, place: &str, principals: &[Principal]) -> Result<(), PolicyError> {
    match (kind, principals.is_empty()) {
        (Kind::Trust, true) => {
            return Err(PolicyError::new(
                place,
                Rule::MissingElement,
                "a statement of a trust policy must have a Principal",
            ));
        }
        (Kind::Identity | Kind::Boundary, false) => {
            return Err(PolicyError::new(
                &format!("{place}.Principal"),
                Rule::ProhibitedElement,
                "only resource policies and trust policies can have a Principal",
            ));
        }
        _ => {}
    }
    // JSON has no way to write "*" together with other principals.
    if principals.len() > 1 && principals.contains(&Principal::Anyone) {
        return Err(PolicyError::new(
            &format!("{place}.Principal"),
            Rule::InvalidPrincipal,
            "\"*\" can't be combined with other principals",
        ));
    }
    principals
        .iter()
        .try_for_each(|principal| check_principal(place, principal))
}

pub(crate) fn check_principal(place: &str, principal: &Principal) -> Result<(), PolicyError> {
    let id = principal.id();
    let plain = !id.is_empty()
        && id.chars().all(|character| {
            !character.is_whitespace() && !character.is_control() && !"*?${}\"".contains(character)
        });
    let (valid, expected) = match principal {
        Principal::Anyone => (true, ""),
        Principal::Aws(id) => (
            id == "*" || plain && arn::is_aws_principal(id),
            "an account of twelve digits, an ARN of iam or sts without wildcards, a unique id or \"*\"",
        ),
        Principal::Service(_) => (
            plain && id.contains('.') && !id.contains(':'),
            "the domain of a service, such as ec2.amazonaws.com",
        ),
        Principal::Federated(_) => (
            plain,
            "an identity provider's domain or ARN, without wildcards",
        ),
        Principal::CanonicalUser(_) => (plain, "a canonical user id"),
    };
    if valid {
        return Ok(());
    }
    Err(PolicyError::new(
        &format!("{place}.Principal.{}", principal.type_name()),
        Rule::InvalidPrincipal,
        format!("{id:?} is not {expected}"),
    ))
}

pub(crate) fn check_actions(place: &str, actions: &Scope) -> Result<(), PolicyError> {
    let place = match actions {
        Scope::Only(_) => format!("{place}.Action"),
        Scope::Except(_) => format!("{place}.NotAction"),
    };
    for_each(&place, actions.patterns(), |place, action| {
        check_action_text(action)
            .map_err(|reason| PolicyError::new(place, Rule::InvalidAction, reason))
    })
}

/// Checks the text of an action; the error says what is wrong.
pub(crate) fn check_action_text(action: &str) -> Result<(), String> {
    let valid = action == "*"
        || action.split_once(':').is_some_and(|(service, name)| {
            (service == "*" || is_service(service)) && is_action_name(name)
        });
    if valid {
        return Ok(());
    }
    let has_separator = action.contains(|one: char| one.is_whitespace() || one == ',');
    Err(if has_separator {
        format!("{action:?} has white space or a comma, and an action can have neither")
    } else {
        format!("{action:?} is neither \"*\" nor service:Name")
    })
}

fn is_service(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn is_action_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"*?-_.".contains(&byte))
}

fn check_resources(
    kind: Kind,
    version: Version,
    place: &str,
    resources: Option<&Scope>,
) -> Result<(), PolicyError> {
    match (kind, resources) {
        (Kind::Trust, None) => Ok(()),
        (Kind::Trust, Some(_)) => Err(PolicyError::new(
            &format!("{place}.Resource"),
            Rule::ProhibitedElement,
            "a trust policy applies to its own role and can't have a Resource",
        )),
        (_, None) => Err(PolicyError::new(
            place,
            Rule::MissingElement,
            "a Resource or a NotResource is missing",
        )),
        (_, resources) => check_resource_texts(version, place, resources),
    }
}

pub(crate) fn check_resource_texts(
    version: Version,
    place: &str,
    resources: Option<&Scope>,
) -> Result<(), PolicyError> {
    let Some(resources) = resources else {
        return Ok(());
    };
    let place = match resources {
        Scope::Only(_) => format!("{place}.Resource"),
        Scope::Except(_) => format!("{place}.NotResource"),
    };
    for_each(&place, resources.patterns(), |place, resource| {
        check_variables(version, place, resource)?;
        arn::check_resource(resource)
            .map_err(|(rule, reason)| PolicyError::new(place, rule, reason))
    })
}

pub(crate) fn check_conditions(
    version: Version,
    place: &str,
    conditions: &[Condition],
) -> Result<(), PolicyError> {
    check_keys(&format!("{place}.Condition"), conditions)?;
    for condition in conditions {
        let Condition {
            operator,
            key,
            values,
        } = condition;
        let place = format!("{place}.Condition.{operator}.{key}");
        for_each(&place, values, |place, value| {
            check_value(version, place, condition, value)
        })?;
    }
    Ok(())
}

/// Checks the condition keys: their form, that no operator tests a key twice, and that each key
/// has values.
pub(crate) fn check_keys(place: &str, conditions: &[Condition]) -> Result<(), PolicyError> {
    let mut seen = HashSet::new();
    for Condition {
        operator,
        key,
        values,
    } in conditions
    {
        let place = format!("{place}.{operator}.{key}");
        if !is_condition_key(key) {
            return Err(PolicyError::new(
                &place,
                Rule::InvalidConditionKey,
                format!("{key:?} is not of the form prefix:name"),
            ));
        }
        if !seen.insert((operator, key.to_lowercase())) {
            return Err(PolicyError::new(
                &place,
                Rule::DuplicateKey,
                "the same operator already tests this key; the case of the key makes no difference",
            ));
        }
        if values.is_empty() {
            return Err(PolicyError::new(&place, Rule::Empty, "the list is empty"));
        }
    }
    Ok(())
}

/// The prefix is the name of a service, or the address of an identity provider with its path.
fn is_condition_key(key: &str) -> bool {
    key.split_once(':').is_some_and(|(prefix, name)| {
        prefix.split('/').all(is_service)
            && !name.is_empty()
            && !name
                .chars()
                .any(|character| character.is_control() || "*?${}\"".contains(character))
    })
}

fn check_value(
    version: Version,
    place: &str,
    condition: &Condition,
    value: &str,
) -> Result<(), PolicyError> {
    let test = condition.operator.test;
    if test.takes_variables() {
        let template = check_variables(version, place, value)?;
        if template.has_variables() {
            return Ok(());
        }
    }
    let (valid, expected) = match test.family() {
        Family::Text | Family::TextIgnoringCase | Family::TextPattern => (true, ""),
        Family::Arn => (!value.is_empty(), "an ARN"),
        Family::Number => (Decimal::parse(value).is_some(), "a decimal number"),
        Family::Date => (
            Moment::parse(value).is_some(),
            "a date of ISO 8601 or seconds since 1970",
        ),
        Family::Boolean | Family::Presence => (parse_bool(value).is_some(), "true or false"),
        Family::Binary => (parse_base64(value).is_some(), "base64"),
        Family::Address => (
            Network::parse(value).is_some(),
            "an address or a range of addresses",
        ),
    };
    if valid {
        return Ok(());
    }
    Err(PolicyError::new(
        place,
        Rule::InvalidConditionValue,
        format!("{value:?} is not {expected}"),
    ))
}

fn check_variables(version: Version, place: &str, text: &str) -> Result<Template, PolicyError> {
    Template::parse(version, text)
        .map_err(|reason| PolicyError::new(place, Rule::InvalidVariable, reason))
}

fn for_each(
    place: &str,
    values: &[String],
    mut check: impl FnMut(&str, &str) -> Result<(), PolicyError>,
) -> Result<(), PolicyError> {
    match values {
        [] => Err(PolicyError::new(place, Rule::Empty, "the list is empty")),
        [value] => check(place, value),
        values => values
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| check(&format!("{place}[{index}]"), value)),
    }
}
