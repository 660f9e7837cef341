//! What a check found, in one line of the report.

use serde::Serialize;

/// What a line of the report says about the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// The configuration does not use it.
    Skipped,
    /// It works.
    Ok,
    /// It was not tested, or could not be.
    Unknown,
    /// The service works, but somebody should look at it.
    Warning,
    /// The service can't start, or can't do its work.
    Failed,
}

impl Verdict {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// A line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was checked.
    pub(super) name: String,
    pub(super) verdict: Verdict,
    /// What was found, for a person.
    pub(super) found: String,
    /// What to do; none where there is nothing to do.
    pub(super) advice: Option<String>,
    /// More lines for a person.
    #[serde(skip)]
    pub(super) details: Vec<String>,
}

impl Finding {
    pub(super) fn new(name: impl Into<String>, verdict: Verdict, found: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            verdict,
            found: found.into(),
            advice: None,
            details: Vec::new(),
        }
    }

    /// Says what to do.
    pub(super) fn with_advice(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }

    pub(super) fn with_details(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }

    /// Returns the lines for a person.
    pub(super) fn lines(&self) -> Vec<String> {
        let verdict = self.verdict.as_str();
        let mut lines = vec![format!("{verdict:<8} {:<28} {}", self.name, self.found)];
        lines.extend(self.details.iter().map(|detail| format!("    {detail}")));
        let advice = self.advice.iter();
        lines.extend(advice.map(|advice| format!("    to do: {advice}")));
        lines
    }
}
