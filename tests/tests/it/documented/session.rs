//! A session on a page: commands, each followed by what it prints.

use std::path::Path;

/// Makes the tests rewrite their pages instead of comparing them.
pub(crate) const UPDATE: &str = "ENGINE_ROLES_TEST_UPDATE_DOCS";
/// What begins a line of code on a page, and a command.
pub(crate) const CODE: &str = "    ";
pub(crate) const PROMPT: &str = "    $ ";

/// A part of a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Line(&'a str),
    /// A command, whose output follows on the page and is left out here.
    Command(&'a str),
}

/// Splits a page into commands and other lines. The output of a command ends at the next command, or
/// before a line that is neither code nor an empty line within the code.
pub(crate) fn parts(page: &str) -> Vec<Part<'_>> {
    let lines: Vec<&str> = page.lines().collect();
    let mut parts = Vec::new();
    let mut place = 0;
    while let Some(line) = lines.get(place) {
        place += 1;
        let Some(command) = line.strip_prefix(PROMPT) else {
            parts.push(Part::Line(line));
            continue;
        };
        parts.push(Part::Command(command));
        loop {
            let rest = lines.get(place..).unwrap_or_default();
            let empty = rest.iter().take_while(|line| line.is_empty()).count();
            match rest.get(empty) {
                Some(line) if line.starts_with(CODE) && !line.starts_with(PROMPT) => {
                    place += empty + 1;
                }
                _ => break,
            }
        }
    }
    parts
}

/// Compares a page with what it would be now, or rewrites it.
#[track_caller]
pub(crate) fn compare(path: &Path, page: &str, now: &str) {
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, now).expect("the page can be written");
        return;
    }
    let wrong = page
        .lines()
        .zip(now.lines())
        .find(|(page, now)| page != now);
    assert!(
        page == now,
        "{} is out of date, first here: {wrong:#?}\n\
         Set {UPDATE}=1 to rewrite the page. The page would be:\n{now}",
        path.display()
    );
}

#[test]
fn a_page_is_split_into_commands_without_their_output_and_lines() {
    let page = "# Title\n\n    $ one\n    out\n\n    more\n\n    $ two\n\nText\n    code\n";
    let expected = [
        Part::Line("# Title"),
        Part::Line(""),
        Part::Command("one"),
        Part::Line(""),
        Part::Command("two"),
        Part::Line(""),
        Part::Line("Text"),
        Part::Line("    code"),
    ];
    assert_eq!(parts(page), expected);
}
