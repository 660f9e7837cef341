//! The tables in `docs/configuration.md` are those of `engine-roles serve --help`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use engine_roles_e2e::service::command;
use regex::Regex;

use super::session::compare;

/// What `--help` says about a flag.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    variable: Option<String>,
    default: Option<String>,
    meaning: String,
}

/// The first group of the first place where a pattern matches.
fn captured(pattern: &str, text: &str) -> Option<String> {
    let pattern = Regex::new(pattern).expect("a regular expression");
    Some(pattern.captures(text)?[1].to_owned())
}

impl Setting {
    /// Reads the text of a flag, in one line.
    fn read(text: &str) -> Self {
        let notes = Regex::new(r" ?\[(env|default|possible values): [^\]]*\]");
        let notes = notes.expect("a regular expression");
        Self {
            variable: captured(r"\[env: (\w+)", text),
            default: captured(r"\[default: ([^\]]*)\]", text),
            meaning: notes.replace_all(text, "").trim().to_owned(),
        }
    }

    /// Returns the row of this setting; its last cell is that of the page.
    fn row(&self, flag: &str, more: &str) -> String {
        let code = |text: &str| match text {
            "" => "none".to_owned(),
            // A default that is a sentence rather than a value.
            _ if text.contains(' ') => text.to_owned(),
            _ => format!("`{text}`"),
        };
        let variable = code(self.variable.as_deref().unwrap_or_default());
        let default = code(self.default.as_deref().unwrap_or_default());
        let meaning = self.meaning.replace('|', "\\|");
        format!("| {variable} | `{flag}` | {default} | {meaning} | {more} |")
    }
}

/// Returns the settings in a help, by their flags.
fn settings(help: &str) -> BTreeMap<String, Setting> {
    let mut texts: Vec<(&str, String)> = Vec::new();
    for line in help.lines() {
        let text = line.trim();
        if line.starts_with("          ") {
            if let Some((_, whole)) = texts.last_mut() {
                whole.push(' ');
                whole.push_str(text);
            }
        } else if text.starts_with('-') {
            let flag = text.split_whitespace().find(|word| word.starts_with("--"));
            texts.push((flag.expect("a long flag"), String::new()));
        }
    }
    let settings = texts.into_iter().filter(|(flag, _)| *flag != "--help");
    settings
        .map(|(flag, text)| (flag.to_owned(), Setting::read(&text)))
        .collect()
}

/// Returns the flag and the last cell of a row of the page's tables; none for another line.
fn cells(line: &str) -> Option<(&str, &str)> {
    let row = line.strip_prefix('|')?.strip_suffix('|')?;
    let (_, rest) = row.split_once('|')?;
    let (flag, rest) = rest.split_once('|')?;
    let flag = flag.trim().strip_prefix('`')?.strip_suffix('`')?;
    let (_, more) = rest.rsplit_once('|')?;
    flag.starts_with("--").then_some((flag, more.trim()))
}

/// Returns the page with the rows of these settings, and the flags of the rows.
fn rendered(page: &str, settings: &BTreeMap<String, Setting>) -> (String, BTreeSet<String>) {
    let mut flags = BTreeSet::new();
    let lines = page.lines().map(|line| {
        let found = cells(line).and_then(|(flag, more)| Some((flag, more, settings.get(flag)?)));
        match found {
            Some((flag, more, setting)) => {
                flags.insert(flag.to_owned());
                setting.row(flag, more)
            }
            None => line.to_owned(),
        }
    });
    let lines: Vec<String> = lines.collect();
    (lines.join("\n") + "\n", flags)
}

#[test]
fn the_tables_of_settings_are_those_of_the_program() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = std::fs::read_to_string(&path).expect("the page can be read");
    let help = command(&["serve", "--help"], &BTreeMap::new()).output();
    let help = String::from_utf8(help.expect("the binary can be run").stdout).expect("UTF-8");
    let settings = settings(&help);
    assert!(settings.len() > 40, "{settings:?}");
    let (now, flags) = rendered(&page, &settings);
    let missing: Vec<&String> = settings
        .keys()
        .filter(|flag| !flags.contains(*flag))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/configuration.md lacks {missing:?}: add a line `| | `--flag` | | | |` to one of its tables"
    );
    let rows = page.lines().filter_map(cells);
    let unknown: Vec<&str> = rows
        .map(|(flag, _)| flag)
        .filter(|flag| !settings.contains_key(*flag))
        .collect();
    assert_eq!(unknown, [""; 0], "no setting of serve has these flags");
    compare(&path, &page, &now);
}

#[test]
fn the_parameters_of_the_databases_url_are_those_of_the_program() {
    let page = include_str!("../../../../docs/configuration.md");
    let beginning = "The URL may have these parameters: ";
    let line = page.lines().find_map(|line| line.strip_prefix(beginning));
    let documented = line.expect("the page has a line").replace(['`', '.'], "");
    let migrate = [
        "migrate",
        "--database-url=postgres://host/database?pasword=secret",
    ];
    let output = command(&migrate, &BTreeMap::new()).output();
    let output = output.expect("the binary can be run");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = String::from_utf8(output.stderr).expect("text");
    assert!(
        error.contains("not known, pasword: ") && !error.contains("secret"),
        "{error}"
    );
    let known = error.trim().split_once("the known ones are ");
    assert_eq!(documented, known.expect("the known ones").1);
}

#[test]
fn a_help_becomes_rows_that_keep_their_last_cell() {
    let help = "Run\n\nUsage: x [OPTIONS]\n\nOptions:\n      --one <ONE>\n          \
                Name, [a-z]{1,3}; `a` or `b` [env: ONE=] [default: a] [possible values: a, b]\n      \
                --two-b <TWO>\n          Two [default: a long text] [env: TWO]\n\n          \
                More of two\n      --three\n          Three\n  -h, --help\n          Print help\n";
    let settings = settings(help);
    assert_eq!(settings.len(), 3);
    let page = "# Page\n| | `--two-b` | | | [see](x.md) |\n| `old` | `--one` | `b` | Old | |\n\
                | | `--three` | | | |\n| `A` | b |\n";
    let (now, flags) = rendered(page, &settings);
    let expected = "# Page\n| `TWO` | `--two-b` | a long text | Two More of two | [see](x.md) |\n\
                    | `ONE` | `--one` | `a` | Name, [a-z]{1,3}; `a` or `b` |  |\n\
                    | none | `--three` | none | Three |  |\n| `A` | b |\n";
    assert_eq!(now, expected);
    assert_eq!(flags.len(), 3);
    assert_eq!(rendered(&now, &settings).0, expected);
}
