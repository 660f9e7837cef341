//! Mutations of the documents of the corpus. The seed is fixed, so every run checks the same texts.
//!
//! A run checks 20,000 texts, which takes less than a minute without optimization. More:
//! `ENGINE_ROLES_MUTATIONS=10000000 cargo test --release -p engine-roles-policy --test mutations`.
//! With coverage as feedback, see `fuzz/README.md`.

mod cases;
mod invariants;

use invariants::{Found, check};
use serde_json::Value;

const TEXTS: u64 = 20_000;

/// Lint is slower than the other checks, so it runs on one text of this many.
const LINTED: u64 = 16;

/// Texts that a mutation inserts, because they mean something in a policy.
const TOKENS: &[&str] = &[
    "*",
    "?",
    "${",
    "}",
    "${*}",
    "${aws:username}",
    "${aws:username, 'x'}",
    "\"",
    "\\",
    "\\u002a",
    "\\ud800",
    "{",
    "[",
    "]",
    ",",
    ":",
    "arn:aws:",
    "arn:aws:s3:::",
    ":::",
    "::",
    "s3:*",
    "sts:",
    "Allow",
    "Deny",
    "NotAction",
    "NotResource",
    "NotPrincipal",
    "Principal",
    "Condition",
    "Sid",
    "2008-10-17",
    "2012-10-17",
    "ForAllValues:",
    "ForAnyValue:",
    "IfExists",
    "Null",
    "Bool",
    "StringLike",
    "StringNotEquals",
    "NumericLessThan",
    "DateEquals",
    "IpAddress",
    "ArnLike",
    "BinaryEquals",
    "null",
    "true",
    "1e400",
    "-0",
    "100000000000000000001",
    "0.0.0.0/0",
    "::/0",
    "2026-02-30",
    "QQ==",
    "é",
    "\u{1f600}",
    "\u{0}",
    " ",
];

/// A generator of pseudo-random numbers, `SplitMix64`, which needs no dependency.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `limit`, which is not zero.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("lengths fit");
        usize::try_from(self.next() % limit).expect("the remainder is below a length")
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &'a [&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Changes the characters of a text.
fn change_text(random: &mut Random, text: &str, other: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let at = random.below(characters.len() + 1);
    let end = (at + 1 + random.below(24)).min(characters.len());
    let before: String = characters[..at].iter().collect();
    let piece: String = characters[at..end].iter().collect();
    let after: String = characters[end..].iter().collect();
    match random.below(5) {
        0 => before + &after,
        1 => before + random.pick(TOKENS) + &piece + &after,
        2 => before + random.pick(TOKENS) + &after,
        3 => before + &piece + &piece + &after,
        _ => {
            let others: Vec<char> = other.chars().collect();
            let from = random.below(others.len() + 1);
            before + &others[from..].iter().collect::<String>()
        }
    }
}

/// Changes one value somewhere in a document, so that the text stays JSON.
fn change_value(random: &mut Random, value: &mut Value, other: &Value) {
    match value {
        Value::Object(members) if !members.is_empty() && random.below(4) != 0 => {
            let at = random.below(members.len());
            let name = members
                .keys()
                .nth(at)
                .expect("it is below the length")
                .clone();
            match random.below(8) {
                0 => {
                    members.remove(&name);
                }
                1 => {
                    let value = members.remove(&name).unwrap_or_default();
                    members.insert(random.pick(TOKENS).to_owned(), value);
                }
                _ => change_value(random, &mut members[&name], other),
            }
        }
        Value::Array(items) if !items.is_empty() && random.below(4) != 0 => {
            let at = random.below(items.len());
            match random.below(8) {
                0 => {
                    items.remove(at);
                }
                1 => items.push(items[at].clone()),
                _ => change_value(random, &mut items[at], other),
            }
        }
        Value::String(text) if random.below(4) != 0 => {
            let token = random.pick(TOKENS).to_owned();
            *text = change_text(random, text, &token);
        }
        value => {
            *value = match random.below(4) {
                0 => Value::String(random.pick(TOKENS).to_owned()),
                1 => Value::Array(vec![value.take()]),
                2 => part(random, other).clone(),
                _ => Value::Bool(random.below(2) == 0),
            }
        }
    }
}

/// Returns a value somewhere in another document.
fn part<'a>(random: &mut Random, value: &'a Value) -> &'a Value {
    let inner: Option<&Value> = match value {
        Value::Object(members) if !members.is_empty() => {
            members.values().nth(random.below(members.len()))
        }
        Value::Array(items) if !items.is_empty() => items.get(random.below(items.len())),
        _ => None,
    };
    match inner {
        Some(inner) if random.below(3) != 0 => part(random, inner),
        _ => value,
    }
}

/// Gives a statement an element of another document's statement, so that the text mostly stays a
/// valid document.
fn recombine(random: &mut Random, value: &mut Value, other: &Value) {
    let statements = |value: &Value| match &value["Statement"] {
        Value::Array(items) => items.clone(),
        Value::Object(_) => vec![value["Statement"].clone()],
        _ => Vec::new(),
    };
    let (mut own, others) = (statements(value), statements(other));
    if own.is_empty() || others.is_empty() {
        return;
    }
    let (at, from) = (random.below(own.len()), random.below(others.len()));
    let pairs = [
        ("Action", "NotAction"),
        ("Resource", "NotResource"),
        ("Condition", "Condition"),
        ("Effect", "Effect"),
        ("Principal", "Principal"),
    ];
    let (name, twin) = pairs[random.below(pairs.len())];
    if let (Value::Object(own), Value::Object(others)) = (&mut own[at], &others[from]) {
        let found = [name, twin]
            .into_iter()
            .find(|name| others.contains_key(*name));
        if let Some(found) = found {
            own.remove(name);
            own.remove(twin);
            own.insert(found.to_owned(), others[found].clone());
        }
    }
    if random.below(4) == 0 {
        own.push(others[from].clone());
    }
    value["Statement"] = Value::Array(own);
}

fn mutate(random: &mut Random, seeds: &[String]) -> String {
    let mut text = seeds[random.below(seeds.len())].clone();
    let other = &seeds[random.below(seeds.len())];
    for _ in 0..=random.below(3) {
        let values = (serde_json::from_str(&text), serde_json::from_str(other));
        text = match values {
            (Ok(mut value), Ok(other @ Value::Object(_))) if random.below(8) != 0 => {
                if random.below(4) == 0 {
                    change_value(random, &mut value, &other);
                } else {
                    recombine(random, &mut value, &other);
                }
                value.to_string()
            }
            _ => change_text(random, &text, other),
        };
    }
    text
}

fn texts() -> u64 {
    let chosen = std::env::var("ENGINE_ROLES_MUTATIONS").ok();
    chosen.map_or(TEXTS, |text| text.parse().expect("a number of texts"))
}

#[test]
fn what_holds_for_every_text_holds_for_mutations_of_the_corpus() {
    let seeds: Vec<String> = cases::documents()
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    for text in &seeds {
        check(text, true);
    }
    let mut random = Random(2_013);
    let (mut parsed, mut doubtful) = (0_u64, 0_u64);
    let count = texts();
    for number in 0..count {
        let text = mutate(&mut random, &seeds);
        let found = std::panic::catch_unwind(|| check(&text, number % LINTED == 0));
        let Found {
            parsed: is_parsed,
            doubtful: is_doubtful,
        } = found.unwrap_or_else(|_| panic!("text {number}: {text}"));
        parsed += u64::from(is_parsed);
        doubtful += u64::from(is_doubtful);
    }
    // Mutations that are all rejected would check nothing.
    assert!(
        parsed > count / 8,
        "{parsed} of {count} texts are valid documents"
    );
    assert!(
        doubtful > count / 8,
        "{doubtful} of {count} texts are held in doubt"
    );
}
