//! Every command of the `justfile` exists: its script, its cargo command, its package and its
//! target.

use std::collections::{BTreeMap, BTreeSet};

use super::metadata;

/// Cargo's own commands that a recipe may use.
const OF_CARGO: [&str; 7] = ["build", "check", "clippy", "doc", "fmt", "run", "test"];
/// Commands that a developer installs; `CONTRIBUTING.md` says how.
const INSTALLED: [&str; 2] = ["deny", "nextest"];

/// What a command may name.
struct Known {
    /// The aliases of `.cargo/config.toml`.
    aliases: BTreeSet<String>,
    /// The targets of each package: `bin engine-roles`, `test it`.
    packages: BTreeMap<String, BTreeSet<String>>,
    /// Returns whether a path is an executable file of the repository.
    is_script: fn(&str) -> bool,
}

impl Known {
    fn read() -> Self {
        let config = std::fs::read_to_string(in_repository(".cargo/config.toml"));
        let config: toml::Table =
            toml::from_str(&config.expect("the file can be read")).expect("TOML");
        let aliases = config["alias"].as_table().expect("aliases");
        let metadata = metadata();
        let packages = metadata.packages.iter().map(|package| {
            let targets = package.targets.iter().flat_map(|target| {
                let kinds = target.kind.iter();
                kinds.map(|kind| format!("{kind} {}", target.name))
            });
            (package.name.to_string(), targets.collect())
        });
        Self {
            aliases: aliases.keys().cloned().collect(),
            packages: packages.collect(),
            is_script: |path| {
                use std::os::unix::fs::PermissionsExt;
                let metadata = std::fs::metadata(in_repository(path));
                metadata.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
            },
        }
    }
}

fn in_repository(path: &str) -> String {
    format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))
}

/// Returns the recipes of a `justfile`, each with its lines. Only what our own file uses is
/// understood: recipes with parameters, comments and interpolations.
pub(super) fn recipes(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut recipes = BTreeMap::<String, Vec<String>>::new();
    let mut current = None;
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            let recipe: &String = current.as_ref().expect("a line belongs to a recipe");
            let lines = recipes.entry(recipe.clone()).or_default();
            lines.push(line.trim().trim_start_matches('@').to_owned());
        } else if let Some((head, _)) = line.split_once(':').filter(|_| !line.starts_with('#')) {
            let name = head
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned();
            recipes.insert(name.clone(), Vec::new());
            current = Some(name);
        }
    }
    recipes
}

/// Returns the line without its interpolations, in words.
fn words(line: &str) -> Vec<String> {
    let mut parts = line.split("{{");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once("}}").expect("an interpolation ends");
        text.push_str("{}");
        text.push_str(rest);
    }
    text.split_whitespace().map(str::to_owned).collect()
}

/// Returns what a justfile names that does not exist.
fn findings(text: &str, known: &Known) -> Vec<String> {
    let recipes = recipes(text);
    let mut findings = Vec::new();
    for (recipe, lines) in &recipes {
        if lines.is_empty() {
            findings.push(format!("{recipe} has no command"));
        }
        for line in lines {
            let words = words(line);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            // VARIABLE=value before the command.
            let variables = words.iter().take_while(|word| word.contains('=')).count();
            let missing = match &words[variables..] {
                ["cargo", rest @ ..] => missing_of_cargo(rest, known),
                ["just", rest @ ..] => rest
                    .iter()
                    .filter(|word| !word.starts_with('-') && !recipes.contains_key(**word))
                    .map(|word| format!("recipe {word}"))
                    .collect(),
                [script, ..] if (known.is_script)(script) => Vec::new(),
                [other, ..] => vec![format!("command {other}")],
                [] => vec!["a command".to_owned()],
            };
            findings.extend(
                missing
                    .iter()
                    .map(|missing| format!("{recipe}: no {missing}")),
            );
        }
    }
    findings
}

fn missing_of_cargo(words: &[&str], known: &Known) -> Vec<String> {
    let mut missing = Vec::new();
    let command = words.first().copied().unwrap_or_default();
    let exists = OF_CARGO.contains(&command)
        || INSTALLED.contains(&command)
        || known.aliases.contains(command);
    if !exists {
        missing.push(format!("cargo {command}"));
    }
    // What follows `--` is for the program.
    let own: Vec<&str> = words
        .iter()
        .copied()
        .take_while(|word| *word != "--")
        .collect();
    let values_of = |flags: &[&str]| -> Vec<&str> {
        let pairs = own.windows(2).filter(|pair| flags.contains(&pair[0]));
        pairs
            .map(|pair| pair[1])
            .filter(|value| *value != "{}")
            .collect()
    };
    let packages = values_of(&["--package", "-p"]);
    for package in &packages {
        if !known.packages.contains_key(*package) {
            missing.push(format!("package {package}"));
        }
    }
    for kind in ["bin", "test", "example"] {
        for name in values_of(&[&format!("--{kind}")]) {
            let target = format!("{kind} {name}");
            let targets = packages
                .iter()
                .filter_map(|package| known.packages.get(*package));
            if !targets.into_iter().any(|targets| targets.contains(&target)) {
                missing.push(target);
            }
        }
    }
    missing
}

pub(super) fn justfile() -> String {
    std::fs::read_to_string(in_repository("justfile")).expect("the file can be read")
}

#[test]
fn every_command_of_the_justfile_exists() {
    let text = justfile();
    assert_eq!(findings(&text, &Known::read()), [""; 0]);
    assert!(recipes(&text).contains_key("one-test"), "{text}");
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    let known = Known {
        aliases: BTreeSet::from(["dev".to_owned()]),
        packages: BTreeMap::from([(
            "one".to_owned(),
            BTreeSet::from(["bin one".to_owned(), "test it".to_owned()]),
        )]),
        is_script: |path| path == ".ci/run",
    };
    for (command, expected) in [
        ("cargo dev -- {{ args }}", vec![]),
        ("@just --list", vec![]),
        ("just other", vec!["r: no recipe other"]),
        (".ci/run", vec![]),
        (".ci/walk", vec!["r: no command .ci/walk"]),
        (
            "A=1 B={{ b }} cargo test --package one --test it -- x",
            vec![],
        ),
        ("cargo test --package {{ package }} -- {{ filter }}", vec![]),
        ("cargo swim", vec!["r: no cargo swim"]),
        ("cargo test -p two", vec!["r: no package two"]),
        ("cargo test -p one --test them", vec!["r: no test them"]),
        (
            "cargo run -p one --bin two -- --bin three",
            vec!["r: no bin two"],
        ),
    ] {
        let text = format!("# A comment: with a colon.\nr a=\"1\" *b:\n    {command}\n");
        assert_eq!(findings(&text, &known), expected, "{command}");
    }
    assert_eq!(
        findings("r:\n\nq:\n    .ci/run\n", &known),
        ["r has no command"]
    );
}
