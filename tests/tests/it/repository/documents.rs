//! The documents name files, headings and recipes that exist, and `docs/` and `docs/decisions/` list all
//! their pages.

use std::path::{Path, PathBuf};

use super::recipes::{justfile, recipes};

/// The longest that a page about a decision may be.
const LINES_OF_A_DECISION: usize = 40;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages in `docs/decisions/`, without its list.
fn decisions() -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(root().join("docs/decisions")).expect("the directory can be read");
    let mut pages: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    pages.retain(|page| !page.ends_with("README.md"));
    pages.sort();
    pages
}

/// The texts in backticks that are one word, outside of code blocks.
fn code_words(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    let lines = prose
        .flat_map(str::lines)
        .filter(|line| !line.starts_with("    "));
    let spans = lines.flat_map(|line| line.split('`').skip(1).step_by(2));
    spans
        .filter(|span| !span.contains(char::is_whitespace))
        .collect()
}

/// The targets of links to files.
fn links(text: &str) -> Vec<&str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    files
        .filter_map(|target| target.split('#').next())
        .collect()
}

/// Returns the files that a page names and that do not exist: paths in backticks from the root of
/// the repository, links from the page.
fn missing_files(page: &Path, text: &str, root: &Path) -> Vec<String> {
    const DIRECTORIES: [&str; 9] = [
        ".ci/",
        ".github/",
        ".sqlx",
        "crates/",
        "docker/",
        "docs/",
        "migrations/",
        "policies/",
        "tests/",
    ];
    let paths = code_words(text).into_iter();
    let paths = paths.filter(|word| DIRECTORIES.iter().any(|start| word.starts_with(start)));
    // `crates/CRATE/…`, `…/*.json` and the like stand for many.
    let paths = paths.filter(|word| !word.contains(['*', '<', '…', '{']));
    let beside = page.parent().expect("a page is in a directory");
    let paths = paths.map(|path| (path, root.join(path)));
    let links = links(text)
        .into_iter()
        .map(|link| (link, beside.join(link)));
    let missing = paths.chain(links).filter(|(_, path)| !path.exists());
    missing.map(|(name, _)| name.to_owned()).collect()
}

/// The pages in `docs/`, without the decisions.
fn pages_of_docs() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("docs")).expect("the directory can be read");
    let mut pages: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

/// All pages whose links are checked.
fn pages() -> Vec<PathBuf> {
    let named = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "docker/README.md",
        "docs/decisions/README.md",
    ];
    let mut pages = named.map(|page| root().join(page)).to_vec();
    pages.extend(pages_of_docs());
    pages.extend(decisions());
    pages
}

#[test]
fn the_files_that_the_documents_name_exist() {
    let root = root();
    for page in pages() {
        let missing = missing_files(&page, &read(&page), &root);
        assert_eq!(missing, [""; 0], "{}", page.display());
    }
}

/// Returns the anchors of the headings of a page.
fn anchors(text: &str) -> Vec<String> {
    let prose = text.split("```").step_by(2);
    let headings = prose
        .flat_map(str::lines)
        .filter(|line| line.starts_with('#'));
    let anchors = headings.map(|heading| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let characters = heading.chars().filter_map(|character| match character {
            ' ' => Some('-'),
            '-' | '_' => Some(character),
            _ => character.is_alphanumeric().then_some(character),
        });
        characters.collect()
    });
    anchors.collect()
}

/// Returns the links of a page to headings that do not exist.
fn missing_headings(page: &Path, text: &str) -> Vec<String> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let targets = targets.filter(|target| !target.contains("://"));
    let missing = targets.filter(|target| {
        let Some((file, anchor)) = target.split_once('#') else {
            return false;
        };
        let found = match file {
            "" => anchors(text),
            _ => anchors(&read(&page.parent().expect("a directory").join(file))),
        };
        !found.iter().any(|found| found == anchor)
    });
    missing.map(str::to_owned).collect()
}

#[test]
fn the_headings_that_the_documents_link_to_exist() {
    for page in pages() {
        let missing = missing_headings(&page, &read(&page));
        assert_eq!(missing, [""; 0], "{}", page.display());
    }
}

#[test]
fn the_list_of_documents_has_every_page() {
    let list = read(&root().join("docs/README.md"));
    let listed = links(&list);
    for page in pages_of_docs() {
        let name = page.file_name().and_then(|name| name.to_str());
        let name = name.expect("a name");
        assert!(
            name == "README.md" || listed.contains(&name),
            "docs/README.md does not list {name}"
        );
    }
}

#[test]
fn a_heading_that_does_not_exist_is_found() {
    let text = "# A page's title\n[one](#a-pages-title) [two](#other) [three](https://example.com#x)\n\
                ```sh\n# other\n```\n[four](Cargo.toml#none)\n";
    let missing = missing_headings(&root().join("PAGE.md"), text);
    assert_eq!(missing, ["#other", "Cargo.toml#none"]);
}

/// The code blocks of a page in this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fenced = text.split("```").skip(1).step_by(2);
    let blocks = fenced.filter_map(|block| block.split_once('\n'));
    blocks
        .filter_map(|(named, code)| (named == language).then_some(code))
        .collect()
}

#[test]
fn the_programs_with_generated_clients_are_those_that_ci_runs() {
    let page = read(&root().join("docs/clients.md"));
    for (language, file) in [
        ("python", "program.py"),
        ("ts", "program.ts"),
        ("json", "tsconfig.json"),
    ] {
        let run = read(&root().join("tests/openapi/clients").join(file));
        assert_eq!(blocks(&page, language), [run], "{file}");
    }
}

#[test]
fn the_recipes_that_contributing_names_exist() {
    let recipes = recipes(&justfile());
    let text = read(&root().join("CONTRIBUTING.md"));
    let calls = text
        .split('`')
        .filter_map(|span| span.strip_prefix("just "));
    let names: Vec<&str> = calls
        .filter_map(|call| call.split_whitespace().next())
        .collect();
    assert!(!names.is_empty(), "no recipe is named");
    for name in names {
        assert!(
            recipes.contains_key(name) || name.starts_with('-'),
            "just {name}"
        );
    }
}

#[test]
fn every_decision_is_in_the_list_and_short() {
    let list = read(&root().join("docs/decisions/README.md"));
    let listed = links(&list);
    for page in decisions() {
        let name = page
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        assert!(listed.contains(&name), "README.md does not list {name}");
        let text = read(&page);
        for part in ["## Context", "## Decision", "## Consequences"] {
            assert!(text.contains(part), "{name} has no {part}");
        }
        let lines = text.lines().count();
        assert!(lines <= LINES_OF_A_DECISION, "{name} has {lines} lines");
    }
}

#[test]
fn a_file_that_does_not_exist_is_found() {
    let root = root();
    let text = "`tests/Cargo.toml` and `tests/absent.rs`, not `crates/*/x.rs`; \
                [one](Cargo.toml) [two](docs/absent.md#part) [three](https://example.com)\n\
                \n    `docs/in_a_block.md`\n";
    let missing = missing_files(&root.join("PAGE.md"), text, &root);
    assert_eq!(missing, ["tests/absent.rs", "docs/absent.md"]);
}
