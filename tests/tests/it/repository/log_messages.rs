//! Every log message of the product, in one list that a reviewer can read.

use std::collections::BTreeSet;

use syn::buffer::{Cursor, TokenBuffer};
use syn::visit::{self, Visit};
use syn::{Item, Lit, Macro, UseRename};

use super::linked_packages;
use super::modules::is_cfg_test;
use super::sources::rust_sources;

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// First words that are written with a capital.
const PROPER_NAMES: [&str; 9] = [
    "AWS", "EC2", "HTTP", "IAM", "Postgres", "SIGINT", "SIGTERM", "STS", "TLS",
];

/// Returns the log calls in a source file as pairs of level and message. Code that only tests
/// compile is left out, and so are spans.
///
/// A log call counts by the name of its macro, so an import of that macro under another name
/// panics: its calls would be missed.
fn log_calls(text: &str) -> Vec<(String, String)> {
    let mut calls = LogCalls::default();
    calls.visit_file(&syn::parse_file(text).expect("the file consists of Rust items"));
    calls.0
}

#[derive(Default)]
struct LogCalls(Vec<(String, String)>);

impl LogCalls {
    fn add(&mut self, level: String, arguments: Cursor<'_>) {
        if LEVELS.contains(&level.as_str()) {
            self.0.push((level, message(arguments).unwrap_or_default()));
        }
    }

    /// Finds the log calls in the arguments of another macro, for example of `select!`.
    fn nested(&mut self, mut rest: Cursor<'_>) {
        while !rest.eof() {
            if let Some((name, next)) = rest.ident() {
                rest = next;
                if let Some(arguments) = arguments_of_macro(rest) {
                    self.add(name.to_string(), arguments);
                }
            } else if let Some((inner, _, _, next)) = rest.any_group() {
                self.nested(inner);
                rest = next;
            } else if let Some((_, next)) = rest.token_tree() {
                rest = next;
            }
        }
    }
}

/// Returns the tokens in the parentheses when `!(…)` comes next.
fn arguments_of_macro(rest: Cursor<'_>) -> Option<Cursor<'_>> {
    let (punctuation, rest) = rest.punct()?;
    let (arguments, _, _, _) = rest.any_group()?;
    (punctuation.as_char() == '!').then_some(arguments)
}

impl<'ast> Visit<'ast> for LogCalls {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(item) => item.attrs.as_slice(),
            Item::Impl(item) => item.attrs.as_slice(),
            Item::Mod(item) => item.attrs.as_slice(),
            _ => &[],
        };
        if !attributes.iter().any(is_cfg_test) {
            visit::visit_item(self, item);
        }
    }

    fn visit_use_rename(&mut self, import: &'ast UseRename) {
        let is_log_macro = LEVELS.iter().any(|level| import.ident == level);
        assert!(!is_log_macro, "{} gets another name", import.ident);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        let tokens = TokenBuffer::new2(called.tokens.clone());
        if let Some(name) = called.path.segments.last() {
            self.add(name.ident.to_string(), tokens.begin());
        }
        self.nested(tokens.begin());
    }
}

/// Returns the first argument that is a string literal and nothing else, which is the message.
fn message(mut rest: Cursor<'_>) -> Option<String> {
    let mut starts_argument = true;
    while !rest.eof() {
        if let Some((literal, next)) = rest.literal().filter(|_| starts_argument) {
            let ends = next.eof()
                || next
                    .punct()
                    .is_some_and(|(comma, _)| comma.as_char() == ',');
            if let Lit::Str(text) = Lit::new(literal)
                && ends
            {
                return Some(text.value());
            }
            rest = next;
            starts_argument = false;
        } else if let Some((punctuation, next)) = rest.punct() {
            starts_argument = punctuation.as_char() == ',';
            rest = next;
        } else if let Some((_, next)) = rest.token_tree() {
            starts_argument = false;
            rest = next;
        }
    }
    None
}

/// Returns what is wrong with the form of a message, if anything is.
fn flaw(message: &str) -> Option<&'static str> {
    let first_word = message.split([' ', ':', ',', ';']).next()?;
    if message.is_empty() {
        return Some("the message is not a string literal");
    }
    if !message.starts_with(|first: char| first.is_ascii_lowercase())
        && !PROPER_NAMES.contains(&first_word)
    {
        return Some("the message does not start in lower case");
    }
    if message.ends_with(['.', '!', ':']) {
        return Some("the message ends with punctuation");
    }
    if !message.contains(' ') {
        return Some("one word does not tell what happened to which thing");
    }
    if message.contains(['{', '}']) {
        return Some("the variable parts are not fields");
    }
    None
}

fn messages_of_the_product() -> BTreeSet<String> {
    let mut messages = BTreeSet::new();
    for package in linked_packages() {
        let name = package.file_name().expect("a package has a directory");
        let name = name.to_string_lossy().into_owned();
        for (_, text) in rust_sources(&package.join("src")) {
            let calls = log_calls(&text).into_iter();
            messages.extend(calls.map(|(level, message)| format!("{name} {level}: {message}")));
        }
    }
    messages
}

/// Compares the list with `snapshots/`, so that a new or changed message is read in review.
///
/// To accept a change of the list:
/// `INSTA_UPDATE=always cargo test -p engine-roles-e2e --test it log_messages`
#[test]
fn the_log_messages_of_the_product_are_those_of_the_snapshot() {
    let messages: Vec<String> = messages_of_the_product().into_iter().collect();
    insta::assert_snapshot!("log_messages", messages.join("\n"));
}

#[test]
fn every_log_message_starts_in_lower_case_and_stands_alone() {
    let mut flaws = Vec::new();
    for package in linked_packages() {
        for (path, text) in rust_sources(&package.join("src")) {
            for (level, message) in log_calls(&text) {
                if let Some(flaw) = flaw(&message) {
                    flaws.push(format!("{}: {level} {message:?}: {flaw}", path.display()));
                }
            }
        }
    }
    assert!(flaws.is_empty(), "\n{}", flaws.join("\n"));
}

#[test]
fn the_message_is_found_in_every_form_of_a_log_call() {
    for text in [
        "use tracing::info; fn f() { info!(\"role created\"); }",
        "fn f() { tracing::info!(\"role created\"); }",
        "fn f() { info!(%role, n = 1, \"role created\"); }",
        "fn f() { info!(error = \"a, b\".to_owned(), \"role created\") }",
        "fn f() { info!(target: \"other\", \"role created\") }",
        "fn f() { select! { _ = g() => info!(\"role created\"), } }",
        "macro_rules! m { () => { info!(\"role created\") } }",
    ] {
        let expected = ("info".to_owned(), "role created".to_owned());
        assert_eq!(log_calls(text), [expected], "{text}");
    }
    for text in [
        "fn f() { info_span!(\"role\"); }",
        "fn f(info: u8) { let a = info != (\"role\"); }",
        "#[cfg(test)] mod tests { fn f() { info!(\"role created\"); } }",
        "/// info!(\"role created\")\nfn f() {}",
    ] {
        assert_eq!(log_calls(text), [], "{text}");
    }
    let without_literal = log_calls("fn f() { warn!(error, message); }");
    assert_eq!(without_literal, [("warn".to_owned(), String::new())]);
}

#[test]
fn a_message_of_another_form_is_rejected() {
    for message in [
        "",
        "Role created",
        "role created.",
        "created",
        "role {name} created",
    ] {
        assert!(flaw(message).is_some(), "{message:?}");
    }
    for message in ["role created", "AWS denied the call", "SIGTERM: stopping"] {
        assert_eq!(flaw(message), None, "{message:?}");
    }
}
