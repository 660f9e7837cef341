//! The table.

use serde::Serialize;

/// One row: a measurement beside what it is compared with.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: String,
    ours: f64,
    theirs: f64,
    unit: &'static str,
    compared_with: String,
    /// `ours / theirs`.
    ratio: f64,
}

/// The rows so far. Each is printed as soon as it is known.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a comparison of two values with the same unit.
    pub(crate) fn compare(
        &mut self,
        what: impl Into<String>,
        unit: &'static str,
        ours: f64,
        compared_with: impl Into<String>,
        theirs: f64,
    ) {
        let row = Row {
            what: what.into(),
            ours,
            theirs,
            unit,
            compared_with: compared_with.into(),
            ratio: ours / theirs,
        };
        if self.rows.is_empty() {
            println!("| what | measured | compared with | its value | ratio |");
            println!("|---|---|---|---|---|");
        }
        println!(
            "| {} | {} {unit} | {} | {} {unit} | {:.2} |",
            row.what,
            number(ours),
            row.compared_with,
            number(theirs),
            row.ratio
        );
        self.rows.push(row);
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// Writes a number with at least three digits that count.
fn number(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// Returns the median; 0 of no values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
