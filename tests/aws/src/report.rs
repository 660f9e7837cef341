//! The result of a run: the differences between AWS and the sandbox, as a table and as JSON.

use std::io;
use std::path::Path;

use serde::Serialize;

use crate::observation::Seen;

/// What one rule found on both sides.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    pub(crate) rule: &'static str,
    pub(crate) aws: Seen,
    pub(crate) sandbox: Seen,
    /// Why the rule could not be checked to its end.
    pub(crate) trouble: Option<String>,
}

/// An answer that differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub(crate) rule: String,
    pub(crate) aws: String,
    pub(crate) sandbox: String,
}

/// All that was checked.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) rules: Vec<Checked>,
}

impl Checked {
    fn differences(&self) -> Vec<Difference> {
        let (aws, sandbox) = (&self.aws.observations, &self.sandbox.observations);
        let pairs = (0..aws.len().max(sandbox.len())).map(|at| (aws.get(at), sandbox.get(at)));
        let found = pairs.filter_map(|(aws, sandbox)| {
            let what = aws.or(sandbox)?.what.as_str();
            let text = |one: Option<&crate::observation::Observation>| {
                one.map_or_else(|| "not asked".to_owned(), |one| one.found.clone())
            };
            let (aws, sandbox) = (text(aws), text(sandbox));
            (aws != sandbox).then(|| Difference {
                rule: format!("{}: {what}", self.rule),
                aws,
                sandbox,
            })
        });
        // A rule that ended early on AWS has fewer answers there, which is no difference.
        let found = found.filter(|found| self.trouble.is_none() || found.aws != "not asked");
        found.collect()
    }
}

impl Report {
    pub(crate) fn differences(&self) -> Vec<Difference> {
        self.rules.iter().flat_map(Checked::differences).collect()
    }

    /// Returns the rules that could not be checked to their end, each with the reason.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let troubles = self.rules.iter().filter_map(|checked| {
            let trouble = checked.trouble.as_ref()?;
            Some(format!("{}: {trouble}", checked.rule))
        });
        troubles.collect()
    }

    /// Prints the measurements, what was not checked, and the differences.
    pub(crate) fn print(&self) {
        let measured = self
            .rules
            .iter()
            .flat_map(|checked| &checked.aws.measurements);
        for one in measured {
            println!("measured: {}: {} ms", one.what, one.milliseconds);
        }
        let waited = self
            .rules
            .iter()
            .flat_map(|checked| &checked.aws.observations);
        let longest = waited.max_by_key(|one| one.waited_ms);
        if let Some(longest) = longest.filter(|one| one.waited_ms > 1_000) {
            println!(
                "measured: longest wait for an answer: {} ms, {}",
                longest.waited_ms, longest.what
            );
        }
        for checked in &self.rules {
            for what in &checked.aws.not_checked {
                println!("not checked: {what}");
            }
        }
        for trouble in self.troubles() {
            println!("could not be checked: {trouble}");
        }
        let answers: usize = self
            .rules
            .iter()
            .map(|one| one.aws.observations.len())
            .sum();
        let differences = self.differences();
        if !differences.is_empty() {
            println!("\n| rule | AWS | sandbox |\n|---|---|---|");
            for Difference { rule, aws, sandbox } in &differences {
                let (of_aws, of_sandbox) = (shortened(aws, sandbox), shortened(sandbox, aws));
                println!(
                    "| {} | {} | {} |",
                    cell(rule),
                    cell(&of_aws),
                    cell(&of_sandbox)
                );
            }
            println!();
        }
        println!(
            "{} rules, {answers} answers compared, {} differences",
            self.rules.len(),
            differences.len()
        );
    }

    /// Writes everything that was found as JSON.
    ///
    /// # Errors
    /// If the file can't be written.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        std::fs::write(path, text)
    }
}

/// How much of the beginning that two long answers share is printed: its first characters, and those
/// before the difference.
const SHARED: (usize, usize) = (60, 40);
/// Longer texts, such as policies, are cut.
const MOST: usize = 600;

/// Returns a text without the middle of what it shares with another.
fn shortened(text: &str, other: &str) -> String {
    let pairs = text.chars().zip(other.chars());
    let same = pairs.take_while(|(one, other)| one == other).count();
    let (first, last) = SHARED;
    if same <= first + last {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(first).collect();
    let rest: String = text.chars().skip(same - last).collect();
    format!("{beginning} … {rest}")
}

/// Returns a text that can be in a cell of a table.
fn cell(text: &str) -> String {
    let text = text.replace('|', "\\|").replace(['\n', '\r'], " ");
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
