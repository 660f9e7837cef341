//! Generates random documents and requests from a small vocabulary, so that they often match.

use engine_roles_policy::{
    Condition, Context, Document, Effect, Kind, Operator, Principal, Request, Scope, Statement,
    Test,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const KEYS: [&str; 3] = ["t:a", "t:b", "T:C"];
const VALUES: [&str; 7] = ["x", "X", "*", "x*", "1", "", "arn:aws:t:::x"];

fn scope(texts: &'static [&'static str]) -> impl Strategy<Value = Scope> {
    (any::<bool>(), vec(select(texts), 1..4)).prop_map(|(only, texts)| {
        let texts = texts.into_iter().map(str::to_owned).collect();
        if only {
            Scope::Only(texts)
        } else {
            Scope::Except(texts)
        }
    })
}

fn actions() -> impl Strategy<Value = Scope> {
    scope(&[
        "t:A", "T:a", "t:B", "t:*", "t:A*", "t:?", "*", "u:A", "t:**", "t:*?",
    ])
}

fn resources() -> impl Strategy<Value = Scope> {
    scope(&[
        "*",
        "arn:aws:t:::x",
        "arn:aws:t:::x*",
        "arn:aws:t:::*?",
        "arn:aws:t:::?*",
        "arn:aws:t:::y",
        "arn:aws:t:::${t:a}",
        "arn:aws:t:::${T:A}",
        "arn:aws:t:::${t:b, 'x'}",
        "arn:aws:t:::${*}",
    ])
}

fn condition() -> impl Strategy<Value = Condition> {
    let texts = [
        "x",
        "X",
        "*",
        "x*",
        "",
        "${t:b}",
        "${t:a, 'x'}",
        "${*}",
        "arn:aws:t:::x",
        "arn:aws:t:::*",
    ];
    let test = select(&Test::ALL[..]);
    (
        test,
        0..3_u8,
        any::<bool>(),
        select(&KEYS[..]),
        vec(select(texts.to_vec()), 1..3),
    )
        .prop_map(|(test, set, if_exists, key, texts)| {
            let mut operator = Operator::from(test);
            if test != Test::Null {
                operator = match set {
                    0 => operator,
                    1 => operator.for_all_values(),
                    _ => operator.for_any_value(),
                };
                operator = if if_exists {
                    operator.if_exists()
                } else {
                    operator
                };
            }
            let values: Vec<&str> = match test.name() {
                "Bool" | "Null" => vec!["true"],
                "BinaryEquals" => vec!["QQ=="],
                "IpAddress" | "NotIpAddress" => vec!["10.0.0.0/8"],
                name if name.starts_with("Numeric") => vec!["1"],
                name if name.starts_with("Date") => vec!["2026-01-01"],
                name if name.starts_with("Arn") => texts
                    .into_iter()
                    .map(|text| if text.is_empty() { "*" } else { text })
                    .collect(),
                _ => texts,
            };
            Condition {
                operator,
                key: key.to_owned(),
                values: values.into_iter().map(str::to_owned).collect(),
            }
        })
}

fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    vec(condition(), 0..3).prop_map(|conditions| {
        let mut kept: Vec<Condition> = Vec::new();
        for condition in conditions {
            let taken = |known: &Condition| {
                known.operator == condition.operator
                    && known.key.eq_ignore_ascii_case(&condition.key)
            };
            if !kept.iter().any(taken) {
                kept.push(condition);
            }
        }
        kept
    })
}

fn effect() -> impl Strategy<Value = Effect> {
    select(vec![Effect::Allow, Effect::Deny])
}

pub(crate) fn statement() -> impl Strategy<Value = Statement> {
    (effect(), actions(), resources(), conditions()).prop_map(
        |(effect, actions, resources, conditions)| Statement {
            sid: None,
            effect,
            principals: Vec::new(),
            actions,
            resources: Some(resources),
            conditions,
        },
    )
}

pub(crate) fn callers() -> impl Strategy<Value = Principal> {
    select(vec![
        Principal::service("ec2.amazonaws.com"),
        Principal::aws("arn:aws:iam::111122223333:user/ann"),
        Principal::aws("arn:aws:iam::111122223333:root"),
        Principal::aws("111122223333"),
        Principal::aws("999999999999"),
        Principal::Federated("accounts.google.com".to_owned()),
    ])
}

pub(crate) fn trust_statement() -> impl Strategy<Value = Statement> {
    let named = prop_oneof![
        4 => vec(callers(), 1..3),
        1 => Just(vec![Principal::Anyone]),
        1 => Just(vec![Principal::aws("*"), Principal::service("ec2.amazonaws.com")]),
    ];
    (effect(), named, actions(), conditions()).prop_map(
        |(effect, principals, actions, conditions)| Statement {
            sid: None,
            effect,
            principals,
            actions,
            resources: None,
            conditions,
        },
    )
}

pub(crate) fn document() -> impl Strategy<Value = Document> {
    vec(statement(), 1..4).prop_map(|statements| Document::new(Kind::Identity, statements).unwrap())
}

pub(crate) fn trust() -> impl Strategy<Value = Document> {
    vec(trust_statement(), 1..4)
        .prop_map(|statements| Document::new(Kind::Trust, statements).unwrap())
}

/// Generates the values of each key in a complete context; `None` for an absent key.
pub(crate) fn facts() -> impl Strategy<Value = Vec<(&'static str, Option<Vec<&'static str>>)>> {
    let values = || option::of(vec(select(&VALUES[..]), 1..3));
    (values(), values(), values()).prop_map(|(a, b, c)| KEYS.into_iter().zip([a, b, c]).collect())
}

pub(crate) fn context(facts: &[(&'static str, Option<Vec<&'static str>>)]) -> Context {
    facts
        .iter()
        .fold(Context::new(), |context, (key, values)| match values {
            Some(values) => context.with_values(key, values.iter().copied()),
            None => context,
        })
}

pub(crate) fn request() -> impl Strategy<Value = Request> {
    let action = select(vec!["t:A", "t:B", "t:AA", "u:A", "u:B"]);
    let resource = select(vec![
        "arn:aws:t:::x",
        "arn:aws:t:::xx",
        "arn:aws:t:::y",
        "arn:aws:t:::",
        "arn:aws:t:::*",
        "*",
    ]);
    (action, resource, callers(), facts()).prop_map(|(action, resource, caller, facts)| Request {
        principal: Some(caller),
        action: action.to_owned(),
        resource: resource.to_owned(),
        context: context(&facts),
    })
}
