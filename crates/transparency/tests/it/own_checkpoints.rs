//! Exports that bring a checkpoint along.

use engine_roles_transparency::{
    ExportedEvent, Finding, Frontier, LogVerifier, Report, TransparencyError, VerifiedCheckpoint,
};

use crate::fixtures::{ORIGIN, leaf, name, signing_key};
use crate::verification::{Line, checkpoint, lines, sign};

/// Verifies lines against the checkpoint with size 10, and against the one that the export brings along.
fn verified(lines: &[Line], own: &VerifiedCheckpoint) -> Report {
    let verifier = LogVerifier::new(Frontier::new(), &checkpoint(10), &[checkpoint(5)]);
    let verifier = verifier.expect("the checkpoints are of one log");
    let mut verifier = verifier.bringing(own).expect("it is of the same log");
    for line in lines {
        verifier.push(&ExportedEvent {
            seq: line.seq,
            event: line.event.as_deref(),
            leaf: line.leaf,
        });
    }
    verifier.finish()
}

fn findings(report: &Report) -> Vec<Finding> {
    assert!(!report.is_clean());
    let found = report.findings.iter();
    found.map(|located| located.finding.clone()).collect()
}

#[test]
fn a_checkpoint_of_the_export_that_fits_proves_no_more_events() {
    for own in [5, 7, 10, 20] {
        let report = verified(&lines(20), &checkpoint(own));
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(
            (report.size, report.proved, report.beyond),
            (10, Some(10), 10)
        );
    }
}

#[test]
fn a_checkpoint_of_the_export_that_does_not_fit_is_found() {
    let key = signing_key(ORIGIN, 1);
    let other = |size| sign(&key, &name(ORIGIN), size, leaf(3));
    let differs = |after, until| Finding::RootDiffers { after, until };
    let forked = Finding::Forked { size: 10 };
    assert_eq!(
        findings(&verified(&lines(20), &other(10))),
        [forked, differs(5, 10)]
    );
    assert_eq!(findings(&verified(&lines(20), &other(7))), [differs(5, 7)]);
    assert_eq!(
        findings(&verified(&lines(20), &other(20))),
        [differs(10, 20)]
    );
    let cut = Finding::Cut {
        first: 16,
        last: 20,
    };
    assert_eq!(findings(&verified(&lines(15), &checkpoint(20))), [cut]);
    let mut changed = lines(20);
    changed[14].event = Some(b"another".to_vec());
    let found = [Finding::Changed { seq: 15 }];
    assert_eq!(findings(&verified(&changed, &checkpoint(20))), found);
}

#[test]
fn a_checkpoint_of_another_log_is_rejected() {
    let key = signing_key("example.com/other", 1);
    let own = sign(&key, &name("example.com/other"), 1, leaf(0));
    let verifier = LogVerifier::new(Frontier::new(), &checkpoint(5), &[]).expect("valid");
    let error = verifier.bringing(&own).expect_err("another");
    assert!(matches!(error, TransparencyError::OtherOrigin { .. }));
}
