//! Sources, documentation, `--help` and the OpenAPI document use the terms of the field: words that
//! only this project used, and phrases that are hard to understand, are banned.
//!
//! The list has no common words. It can't judge prose; it prevents that removed words come back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine_roles_e2e::service::command;
use serde_json::Value;
use syn::buffer::{Cursor, TokenBuffer};

use super::sources;

/// Phrases that are banned in prose and in names, and what to write instead. Case, separators of
/// words, line breaks and a plural `s` do not matter: `NoRecordKnows` contains `no record knows`.
const BANNED: [(&str, &str); 54] = [
    ("ghost", "late resource"),
    ("upkeep", "account task"),
    ("undertaker", "say what it removes"),
    ("almighty", "allowed everything"),
    ("unborn", "not created yet"),
    ("patience", "the longest wait"),
    ("look around", "run the account tasks"),
    ("looks around", "runs the account tasks"),
    ("looked around", "ran the account tasks"),
    ("look at room", "read the quota"),
    ("grown old", "stale"),
    ("grows old", "becomes stale"),
    ("settle time", "consistency window"),
    ("it never was", "it never existed"),
    ("it was never", "name what did not happen"),
    ("what never was", "what never existed"),
    ("could not say so", "could not report it"),
    ("could not be had", "could not be read"),
    ("to be had", "available"),
    ("be had again", "be read again"),
    ("what stands", "what exists"),
    ("no record knows", "no binding accounts for"),
    ("life that is over", "finished incarnation"),
    ("lives that are over", "finished incarnations"),
    ("life of a role", "incarnation"),
    ("another life", "another incarnation"),
    ("next life", "next incarnation"),
    ("second life", "second incarnation"),
    ("for want of", "because … is missing"),
    ("at its word", "without reading IAM"),
    ("come to rest", "finish"),
    ("comes to rest", "finishes"),
    ("came to rest", "finished"),
    ("come back later", "retry later"),
    ("comes back later", "is retried later"),
    ("caller hears", "caller gets"),
    ("hears so", "gets the answer"),
    ("role serves", "role is fit"),
    ("role that serves", "role that is fit"),
    ("does not serve", "is unfit"),
    ("missing extra", "missing feature"),
    ("bindings elsewhere", "other account bindings"),
    ("of the house", "of the repository"),
    ("in vain", "without effect"),
    ("hence", "therefore"),
    ("henceforth", "from now on"),
    ("hitherto", "until now"),
    ("whence", "from where"),
    ("thence", "from there"),
    ("thereof", "of it"),
    ("therein", "in it"),
    ("whereupon", "after which"),
    ("shall", "must or should"),
    ("lest", "so that … does not"),
];

/// Identifiers that are banned in code. In prose they are common words.
const BANNED_IDENTIFIERS: [(&str, &str); 11] = [
    ("said", "verdict"),
    ("tell", "report"),
    ("met", "say what was found"),
    ("Ground", "say what it is"),
    ("extra", "feature"),
    ("elsewhere", "other_account"),
    ("made_in", "created_in"),
    ("look_at", "observe"),
    ("dice", "random"),
    ("life", "incarnation"),
    ("lives", "incarnations"),
];

/// Files that name a banned word because it is stored, was accepted once, or is a library's. An exception that is no
/// longer needed fails the test.
const EXCEPTIONS: [(&str, &str); 8] = [
    // The list of changes names the old words of an audit action and of a member of `/readyz`.
    ("CHANGELOG.md", "ghost"),
    ("CHANGELOG.md", "bindings elsewhere"),
    // Audit events of before the rename have the action `ghost_removed`.
    ("crates/domain/src/audit/action.rs", "ghost"),
    ("crates/domain/tests/it/events.rs", "ghost"),
    ("crates/store/tests/it/audit.rs", "ghost"),
    // The dumps have the name of a migration.
    ("crates/store/tests/older_release/database.sql", "upkeep"),
    ("tests/releases/0.1.0/database.sql", "upkeep"),
    // The library for metrics has a function `run_upkeep`.
    ("crates/api/src/metrics/mod.rs", "upkeep"),
];

/// Files and directories that are not read: generated files, licences, migrations, which are
/// never edited, and this list.
const UNREAD: [&str; 10] = [
    ".git",
    ".sqlx",
    ".venv",
    "target",
    "migrations",
    "Cargo.lock",
    "LICENSE",
    "crates/api/src/console/assets/htmx-2.0.11.LICENSE",
    "crates/policy/fuzz/target",
    "tests/tests/it/repository/vocabulary.rs",
];

struct Word {
    text: String,
    line: usize,
    /// Whether punctuation separates this word from the previous one, so that no phrase contains
    /// both.
    begins: bool,
}

/// Splits prose and names into lower-case words.
fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut line, mut begins, mut before) = (1, true, ' ');
    for character in text.chars() {
        let hump = before.is_lowercase() && character.is_uppercase();
        if character.is_alphanumeric() {
            match words.last_mut() {
                Some(word) if before.is_alphanumeric() && !hump => {
                    word.text.extend(character.to_lowercase());
                }
                _ => words.push(Word {
                    text: character.to_lowercase().collect(),
                    line,
                    begins: std::mem::take(&mut begins),
                }),
            }
        } else if !(character.is_whitespace() || "_-/\\!#*>`'’".contains(character)) {
            begins = true;
        }
        line += usize::from(character == '\n');
        before = character;
    }
    words
}

struct Phrase {
    words: Vec<String>,
    text: &'static str,
    better: &'static str,
}

/// The banned phrases by their first words.
struct Vocabulary(BTreeMap<String, Vec<Phrase>>);

struct Finding {
    line: usize,
    phrase: &'static str,
    better: &'static str,
}

impl Vocabulary {
    fn new() -> Self {
        let mut by_first_word = BTreeMap::<_, Vec<_>>::new();
        for (text, better) in BANNED {
            let words: Vec<String> = words(text).into_iter().map(|word| word.text).collect();
            let phrases = by_first_word.entry(words[0].clone()).or_default();
            phrases.push(Phrase {
                words,
                text,
                better,
            });
        }
        Self(by_first_word)
    }

    fn find(&self, text: &str) -> Vec<Finding> {
        let words = words(text);
        let mut found = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let singular = word.text.strip_suffix('s');
            let first_words = [Some(word.text.as_str()), singular].into_iter().flatten();
            for phrase in first_words.filter_map(|word| self.0.get(word)).flatten() {
                if phrase.begins(&words[at..]) {
                    found.push(Finding {
                        line: word.line,
                        phrase: phrase.text,
                        better: phrase.better,
                    });
                }
            }
        }
        found
    }
}

impl Phrase {
    /// Whether a text begins with this phrase. Its last word may be a plural.
    fn begins(&self, text: &[Word]) -> bool {
        let last = self.words.len() - 1;
        let pairs = self.words.iter().zip(text).enumerate();
        text.len() > last
            && pairs.into_iter().all(|(place, (expected, word))| {
                let is_plural = place == last && word.text.strip_suffix('s') == Some(expected);
                (word.text == *expected || is_plural) && (place == 0 || !word.begins)
            })
    }
}

/// Returns the banned identifiers among the tokens of a Rust file. Comments and strings are
/// not searched.
fn identifiers(text: &str) -> BTreeSet<&'static str> {
    let tokens = syn::parse_str(text).expect("the file consists of Rust tokens");
    let tokens = TokenBuffer::new2(tokens);
    let mut found = BTreeSet::new();
    collect_identifiers(tokens.begin(), &mut found);
    found
}

fn collect_identifiers(mut rest: Cursor<'_>, found: &mut BTreeSet<&'static str>) {
    while !rest.eof() {
        if let Some((identifier, next)) = rest.ident() {
            let banned = BANNED_IDENTIFIERS.iter();
            found.extend(
                banned
                    .map(|(name, _)| *name)
                    .filter(|name| identifier == *name),
            );
            rest = next;
        } else if let Some((inner, _, _, next)) = rest.any_group() {
            collect_identifiers(inner, found);
            rest = next;
        } else if let Some((_, next)) = rest.token_tree() {
            rest = next;
        }
    }
}

fn is_read(path: &Path) -> bool {
    let is_generated = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().ends_with("-snap"));
    !is_generated && !UNREAD.iter().any(|unread| path == Path::new(unread))
}

#[test]
fn no_file_of_the_repository_uses_a_banned_word() {
    let vocabulary = Vocabulary::new();
    let mut found = Vec::new();
    let mut unused: BTreeSet<(&str, &str)> = EXCEPTIONS.into();
    for (path, text) in sources::files(Path::new(""), &is_read) {
        let file = path.display().to_string();
        let mut report = |name: &'static str, line: String, better: &str| {
            let exception = EXCEPTIONS
                .iter()
                .find(|(path, word)| *path == file && *word == name);
            match exception {
                Some(exception) => drop(unused.remove(exception)),
                None => found.push(format!("{file}{line}: `{name}`; instead: {better}")),
            }
        };
        for finding in vocabulary.find(&text) {
            report(finding.phrase, format!(":{}", finding.line), finding.better);
        }
        if path.extension().is_some_and(|extension| extension == "rs") {
            let identifiers = identifiers(&text);
            for (name, better) in BANNED_IDENTIFIERS {
                if identifiers.contains(name) {
                    report(name, String::new(), better);
                }
            }
        }
    }
    let unused = unused.into_iter();
    found.extend(unused.map(|(path, word)| format!("the exception of {word} in {path} is unused")));
    assert!(
        found.is_empty(),
        "{} findings:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// Runs the program and returns what it prints.
fn printed(arguments: &[&str]) -> String {
    let output = command(arguments, &BTreeMap::new()).output();
    let output = output.expect("the binary can be run");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("the program prints text")
}

/// Returns the help of a command and of the commands below it, each with its command line.
fn help(arguments: &[&str]) -> Vec<(String, String)> {
    let text = printed(&[arguments, &["--help"]].concat());
    let names = commands_in(&text);
    let mut all = vec![(arguments.join(" "), text.clone())];
    for name in names.iter().filter(|name| *name != "help") {
        all.extend(help(&[arguments, &[name]].concat()));
    }
    all
}

/// Returns the names of the commands that a help lists, below one or more headings.
fn commands_in(help: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_list = false;
    for line in help.lines() {
        match line.strip_prefix("  ") {
            Some(row) if is_list => {
                let name = row.split(' ').next().unwrap_or_default();
                names.extend((!name.is_empty()).then(|| name.to_owned()));
            }
            Some(_) => {}
            None => is_list = line.ends_with(':') && line.to_lowercase().contains("commands"),
        }
    }
    names
}

#[test]
fn no_help_text_uses_a_banned_word() {
    let vocabulary = Vocabulary::new();
    let all = help(&[]);
    assert!(all.len() > 20, "{all:?}");
    for (arguments, text) in all {
        let found: Vec<&str> = vocabulary
            .find(&text)
            .iter()
            .map(|found| found.phrase)
            .collect();
        assert_eq!(found, [""; 0], "engine-roles {arguments} --help:\n{text}");
    }
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => {
            for (name, value) in members {
                found.push(name.clone());
                texts(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn the_openapi_document_uses_no_banned_word() {
    let vocabulary = Vocabulary::new();
    let document = serde_json::from_str(&printed(&["openapi"])).expect("the document is JSON");
    let mut all = Vec::new();
    texts(&document, &mut all);
    assert!(all.len() > 100);
    for text in all {
        let found: Vec<&str> = vocabulary
            .find(&text)
            .iter()
            .map(|found| found.phrase)
            .collect();
        assert_eq!(found, [""; 0], "{text}");
    }
}

#[test]
fn a_banned_phrase_is_found_in_every_spelling() {
    let vocabulary = Vocabulary::new();
    for text in [
        "a ghost appears",
        "Ghosts.",
        "fn remove_ghost()",
        "struct GhostRemoved;",
        "`ghost_removed`",
    ] {
        let found = vocabulary.find(text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].phrase, "ghost", "{text}");
    }
    let broken = "/// One line.\n/// The roles that no record\n    /// knows are left.";
    let found = vocabulary.find(broken);
    assert_eq!((found[0].phrase, found[0].line), ("no record knows", 2));
    for text in [
        "ghostly",
        "We write no record. Knows are not words.",
        "for(want, of)",
        "the service looks. Around it",
    ] {
        assert!(vocabulary.find(text).is_empty(), "{text}");
    }
}

#[test]
fn a_banned_identifier_is_found_in_code_and_not_in_prose() {
    for text in ["fn met() {}", "m!(a.met)", "struct A { met: u8 }"] {
        assert_eq!(identifiers(text), BTreeSet::from(["met"]), "{text}");
    }
    assert_eq!(
        identifiers("/// A condition is met.\nfn f() { \"met\" }").len(),
        0
    );
}
