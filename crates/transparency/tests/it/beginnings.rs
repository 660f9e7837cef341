//! Exports that lack their beginning, which a frontier hides.

use engine_roles_transparency::{ExportedEvent, Finding, Frontier, LogVerifier, Report};

use crate::verification::{checkpoint, frontier, lines};

/// Verifies the events after the first `start` of a log with 20, of which the auditor demands those from
/// `first` on.
fn verified(start: u64, first: Option<u64>) -> Report {
    let verifier = LogVerifier::new(frontier(start), &checkpoint(20), &[checkpoint(5)]);
    let verifier = verifier.expect("the checkpoints are of one log");
    let mut verifier = match first {
        Some(first) => verifier.beginning_with(first),
        None => verifier,
    };
    for line in lines(20).iter().filter(|line| line.seq > start) {
        verifier.push(&ExportedEvent {
            seq: line.seq,
            event: line.event.as_deref(),
            leaf: line.leaf,
        });
    }
    verifier.finish()
}

fn only_finding(report: &Report) -> Finding {
    assert!(!report.is_clean());
    assert_eq!(report.findings.len(), 1, "{report:?}");
    report.findings[0].finding.clone()
}

#[test]
fn an_export_without_its_beginning_is_not_verified() {
    let late = |first, last| Finding::BeginsLate { first, last };
    let report = verified(7, None);
    assert_eq!(only_finding(&report), late(1, 7));
    let text = "the beginning is missing: the export lacks numbers 1 to 7";
    assert_eq!(report.findings[0].to_string(), text);
    assert_eq!(only_finding(&verified(7, Some(7))), late(7, 7));
    assert_eq!(only_finding(&verified(20, None)), late(1, 20));
    for first in [8, 9, 21] {
        assert!(verified(7, Some(first)).is_clean(), "{first}");
    }
    assert!(verified(0, None).is_clean());
}

#[test]
fn an_export_without_an_event_verifies_nothing() {
    assert!(!verified(20, Some(21)).is_clean());
    let empty = LogVerifier::new(Frontier::new(), &checkpoint(0), &[]);
    let report = empty.expect("the checkpoint is valid").finish();
    assert!(!report.is_clean(), "{report:?}");
}
