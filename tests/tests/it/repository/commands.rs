//! Each block of commands in the documents is run by a test or a script, or is marked as needing what CI
//! does not have; and the program accepts each of its commands that the documents show.

use std::collections::BTreeMap;
use std::path::Path;

use engine_roles_e2e::service::command;

use super::sources::{files, root};

/// The languages of blocks that have commands.
const LANGUAGES: [&str; 4] = ["sh", "bash", "console", "sql"];
/// How an indented block of commands begins.
const BEGINNINGS: [&str; 16] = [
    "$ ",
    "(umask",
    "AI_UNLIMITED=",
    "BUILD_IMAGE=",
    "DATABASE_URL=",
    "aws ",
    "cargo ",
    "cp ",
    "curl ",
    "diff ",
    "docker",
    "engine-roles ",
    "file=",
    "key=",
    "openssl ",
    "sudo ",
];
/// Beginnings of lines that need AWS or an instance; their pages say so.
const ON_AWS: [&str; 2] = ["aws ", "sudo "];

/// What shows that the indented commands of a page work: the page, the heading above the block (an empty one
/// stands for all others), and the mark that a fenced block would have.
const INDENTED: [(&str, &str, &str); 14] = [
    ("docker/README.md", "", "needs Docker"),
    ("docs/administrators.md", "", "run by administrators.rs"),
    ("docs/audit-log.md", "What is logged", "run by databases.rs"),
    ("docs/audit-log.md", "", "run by audit_tree/documented.rs"),
    ("docs/cli.md", "A session", "run by cli/page.rs"),
    ("docs/clients.md", "Go", "needs a network"),
    ("docs/clients.md", "", "run by .ci/openapi"),
    ("docs/database.md", "Three users", "run by databases.rs"),
    (
        "docs/http-examples.md",
        "",
        "run by documented/http_examples.rs",
    ),
    ("docs/operations.md", "API keys", "run by api_keys.rs"),
    (
        "docs/operations.md",
        "Certificates for a test",
        "run by tls/documented.rs",
    ),
    ("docs/operations.md", "Orphans", "run by orphans_command.rs"),
    (
        "docs/operations.md",
        "Permissions",
        "run by administrators.rs",
    ),
    (
        "docs/policies.md",
        "Getting the documents",
        "run by administrators.rs",
    ),
];

/// A block of commands.
#[derive(Debug)]
struct Block {
    page: String,
    heading: String,
    /// The text of the comment above a fenced block; none above an indented one.
    mark: Option<String>,
    is_fenced: bool,
    lines: Vec<String>,
}

impl Block {
    /// Returns what shows that the commands work; none if nothing does.
    fn shown_by(&self) -> Option<&str> {
        if self.is_fenced {
            return self.mark.as_deref();
        }
        if ON_AWS.iter().any(|start| self.lines[0].starts_with(start)) {
            return Some("needs AWS");
        }
        let of_page = INDENTED.iter().filter(|(page, ..)| *page == self.page);
        let mut fitting =
            of_page.filter(|(_, heading, _)| heading.is_empty() || *heading == self.heading);
        fitting.next().map(|(.., mark)| *mark)
    }

    /// Returns what is wrong with the block.
    fn finding(&self) -> Option<String> {
        let Some(mark) = self.shown_by() else {
            return Some("nothing shows that its commands work: mark it".to_owned());
        };
        let Some(file) = mark.strip_prefix("run by ") else {
            let known = ["needs AWS", "needs Docker", "needs a network"];
            return (!known.contains(&mark)).then(|| format!("the mark {mark} is unknown"));
        };
        let (path, is_test) = match file.strip_prefix('.') {
            Some(_) => (file.to_owned(), false),
            None => (format!("tests/tests/it/{file}"), true),
        };
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else {
            return Some(format!("{path} does not exist"));
        };
        // Of the test of a fenced block, the path of the page is part.
        let names_page = !is_test || !self.is_fenced || text.contains(&self.page);
        (!names_page).then(|| format!("{path} does not read {}", self.page))
    }
}

/// Returns the mark in a comment.
fn mark(line: &str) -> Option<String> {
    let text = line.trim().strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    Some(text.to_owned())
}

/// Returns the blocks of commands of a page.
fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::<Block>::new();
    let (mut heading, mut before) = (String::new(), "");
    // Whether the line before belongs to an indented block of commands.
    let mut is_open = false;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let block = |is_fenced, lines| Block {
            page: page.to_owned(),
            heading: heading.clone(),
            mark: mark(before),
            is_fenced,
            lines,
        };
        let text = line.trim_start();
        if let Some(language) = text.strip_prefix("```") {
            let inner = lines.by_ref().take_while(|line| line.trim() != "```");
            let inner: Vec<String> = inner.map(|line| line.trim().to_owned()).collect();
            if LANGUAGES.contains(&language) {
                blocks.push(block(true, inner));
            }
            is_open = false;
        } else if line.starts_with("    ") {
            let is_first = !before.starts_with("    ");
            if is_first {
                is_open = BEGINNINGS.iter().any(|start| text.starts_with(start));
                if is_open {
                    blocks.push(block(false, vec![text.to_owned()]));
                }
            } else if let Some(block) = blocks.last_mut().filter(|_| is_open) {
                block.lines.push(text.to_owned());
            }
        } else if line.starts_with('#') {
            text.trim_start_matches('#').trim().clone_into(&mut heading);
        }
        if !line.is_empty() {
            before = line;
        }
    }
    blocks
}

/// Returns the pages for users, by their paths.
fn pages() -> Vec<(String, String)> {
    let is_read = |path: &Path| {
        let is_directory = ["", "docs", "docker"]
            .iter()
            .any(|name| path == Path::new(name));
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        let is_ours = path.starts_with("docs") || path.ends_with("README.md");
        is_directory || (is_page && is_ours)
    };
    let pages = files(Path::new(""), &is_read).into_iter();
    pages
        .map(|(path, text)| (path.to_string_lossy().into_owned(), text))
        .collect()
}

fn all_blocks() -> Vec<Block> {
    let pages = pages();
    assert!(pages.len() > 15, "{pages:?}");
    pages
        .iter()
        .flat_map(|(page, text)| blocks(page, text))
        .collect()
}

#[test]
fn each_block_of_commands_is_run_by_a_test_or_a_script_or_says_what_it_needs() {
    let blocks = all_blocks();
    assert!(blocks.len() > 80, "{}", blocks.len());
    let findings = blocks.iter().filter_map(|block| {
        let Block { page, heading, .. } = block;
        let finding = block.finding()?;
        Some(format!("{page}, {heading}: {}: {finding}", block.lines[0]))
    });
    let findings: Vec<String> = findings.collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// Returns the words of a command up to the first sign that means something to a shell; none if a
/// variable is among them, or nothing.
fn words(line: &str) -> Option<Vec<&str>> {
    let line = line.strip_prefix("$ ").unwrap_or(line);
    let rest = line.strip_prefix("engine-roles ")?;
    let end = rest
        .find([';', '|', '>', '&', '#', ')'])
        .unwrap_or(rest.len());
    let own = &rest[..end];
    let words = own
        .split_whitespace()
        .map(|word| word.trim_matches(['"', '\'']));
    (!own.contains(['$', '…'])).then(|| words.collect())
}

#[test]
fn the_program_accepts_each_of_its_commands_in_the_documents() {
    let mut count = 0;
    for block in all_blocks() {
        let text = block.lines.join("\n").replace("\\\n", " ");
        for line in text.lines() {
            let Some(arguments) = words(line) else {
                continue;
            };
            // With --help, the program checks the arguments before it and ends.
            let arguments = [&arguments[..], &["--help"]].concat();
            let output = command(&arguments, &BTreeMap::new()).output();
            let output = output.expect("the binary can be run");
            assert!(
                output.status.success(),
                "{}: {line}: {output:?}",
                block.page
            );
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn a_block_without_a_mark_or_with_a_wrong_one_is_found() {
    let text = "# Page\n\n```sh\none\n```\n\n<!-- needs AWS -->\n```sh\ntwo\n```\n\n\
                <!-- run by absent.rs -->\n```sh\nthree\n```\n\n<!-- needs luck -->\n```sh\nfour\n```\n\n\
                <!-- run by measuring.rs -->\n```sh\nfive\n```\n\n```json\n{}\n```\n\n\
                Text\n\n    curl six\n    more\n\n    aws seven\n\n    {\"no\": \"command\"}\n";
    let blocks = blocks("docs/none.md", text);
    let findings: Vec<String> = blocks
        .iter()
        .map(|block| {
            format!(
                "{}: {}",
                block.lines[0],
                block.finding().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        findings,
        [
            "one: nothing shows that its commands work: mark it",
            "two: ",
            "three: tests/tests/it/absent.rs does not exist",
            "four: the mark needs luck is unknown",
            "five: tests/tests/it/measuring.rs does not read docs/none.md",
            "curl six: nothing shows that its commands work: mark it",
        ]
    );
}

#[test]
fn the_words_of_a_command_end_before_what_is_the_shells() {
    let expected = Some(vec!["audit", "export"]);
    assert_eq!(
        words("$ engine-roles audit export > audit.ndjson"),
        expected
    );
    assert_eq!(
        words("engine-roles keys list # all"),
        Some(vec!["keys", "list"])
    );
    assert_eq!(words("engine-roles role get \"$CLUSTER\""), None);
    assert_eq!(words("curl x"), None);
}
