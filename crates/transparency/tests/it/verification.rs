//! Exports that were tampered with, and what their verification finds.

use crate::fixtures::{ORIGIN, event, leaf, name, root_by_definition, signing_key, trust};
use engine_roles_transparency::{
    Certainty, Checkpoint, ExportedEvent, Finding, Frontier, KeyName, LogVerifier, MAX_FINDINGS,
    Report, SigningKey, TransparencyError, TreeHash, VerifiedCheckpoint,
};

/// One line of an export.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) seq: u64,
    pub(crate) event: Option<Vec<u8>>,
    pub(crate) leaf: Option<TreeHash>,
}

/// The lines of the log that the key has signed.
pub(crate) fn lines(size: u64) -> Vec<Line> {
    let line = |index| Line {
        seq: index + 1,
        event: Some(event(index)),
        leaf: Some(leaf(index)),
    };
    (0..size).map(line).collect()
}

/// Hashes of the lines' leaves, as tiles that fit the events have them.
pub(crate) fn rewrite_tiles(lines: &mut [Line]) {
    for line in lines {
        line.leaf = line.event.as_deref().map(TreeHash::of_leaf);
    }
}

pub(crate) fn sign(
    key: &SigningKey,
    origin: &KeyName,
    size: u64,
    root: TreeHash,
) -> VerifiedCheckpoint {
    let checkpoint = Checkpoint {
        origin: origin.clone(),
        size,
        root,
    };
    let note = checkpoint.sign(&[key]).expect("the name is the origin");
    trust(&[key]).verify(&note).expect("the key has signed")
}

pub(crate) fn checkpoint(size: u64) -> VerifiedCheckpoint {
    let leaves: Vec<TreeHash> = (0..size).map(leaf).collect();
    let root = root_by_definition(&leaves);
    sign(&signing_key(ORIGIN, 1), &name(ORIGIN), size, root)
}

pub(crate) fn frontier(size: u64) -> Frontier {
    let mut frontier = Frontier::new();
    for index in 0..size {
        frontier.push(leaf(index)).expect("the tree is small");
    }
    frontier
}

pub(crate) fn verify_from(start: Frontier, lines: &[Line], newest: u64, others: &[u64]) -> Report {
    let others: Vec<_> = others.iter().map(|size| checkpoint(*size)).collect();
    let first = start.size() + 1;
    let verifier = LogVerifier::new(start, &checkpoint(newest), &others);
    let verifier = verifier.expect("the checkpoints are of one log");
    let mut verifier = verifier.beginning_with(first);
    for line in lines {
        verifier.push(&ExportedEvent {
            seq: line.seq,
            event: line.event.as_deref(),
            leaf: line.leaf,
        });
    }
    verifier.finish()
}

pub(crate) fn verify(lines: &[Line], newest: u64, others: &[u64]) -> Report {
    verify_from(Frontier::new(), lines, newest, others)
}

/// The findings, all of which are proved.
fn proved(report: &Report) -> Vec<Finding> {
    assert!(!report.is_clean());
    let findings = report.findings.iter().map(|located| {
        assert_eq!(located.certainty, Certainty::Proved, "{located}");
        located.finding.clone()
    });
    findings.collect()
}

#[test]
fn a_log_that_was_not_touched_is_clean() {
    for size in [1, 2, 20, 255, 256, 300] {
        let report = verify(&lines(size), size, &[0, size / 2]);
        assert!(report.is_clean(), "{report:?}");
        assert_eq!((report.proved, report.size), (Some(size), size));
    }
}

#[test]
fn a_changed_event_is_found_at_its_number() {
    let mut lines = lines(20);
    lines[6].event = Some(b"another".to_vec());
    let report = verify(&lines, 20, &[]);
    assert_eq!(proved(&report), [Finding::Changed { seq: 7 }]);
    assert_eq!(report.findings[0].to_string(), "event 7 was changed");
    assert_eq!(report.proved, None);
}

#[test]
fn a_removed_event_is_found_at_its_number() {
    let mut lines = lines(20);
    (lines[6].event, lines[7].event, lines[11].event) = (None, None, None);
    let report = verify(&lines, 20, &[]);
    let expected = [
        Finding::Removed { first: 7, last: 8 },
        Finding::Removed {
            first: 12,
            last: 12,
        },
    ];
    assert_eq!(proved(&report), expected);
    assert_eq!(report.findings[0].to_string(), "events 7 to 8 were removed");
}

#[test]
fn a_removed_event_is_found_though_the_later_events_were_numbered_anew() {
    let mut lines = lines(20);
    for number in 6..19 {
        lines[number].event = lines[number + 1].event.clone();
    }
    lines[19].event = None;
    let report = verify(&lines, 20, &[]);
    let expected = [
        Finding::Removed { first: 7, last: 7 },
        Finding::Moved {
            first: 7,
            last: 19,
            by: 1,
        },
    ];
    assert_eq!(proved(&report), expected);
    let text = report.findings[1].to_string();
    assert_eq!(text, "events 7 to 19 were moved; logged as numbers 8 to 20");
}

#[test]
fn an_inserted_event_is_found_at_its_number() {
    let mut lines = lines(20);
    for number in (7..20).rev() {
        lines[number].event = lines[number - 1].event.clone();
    }
    lines[6].event = Some(b"another".to_vec());
    let report = verify(&lines, 20, &[]);
    let expected = [
        Finding::Inserted { seq: 7 },
        Finding::Moved {
            first: 8,
            last: 20,
            by: -1,
        },
        // Its number was taken by the event before.
        Finding::Removed {
            first: 20,
            last: 20,
        },
    ];
    assert_eq!(proved(&report), expected);
}

#[test]
fn swapped_events_are_found_near_and_far() {
    for (first, second) in [(7, 8), (1, 20), (5, 17)] {
        let mut lines = lines(20);
        let event = lines[first - 1].event.take();
        lines[first - 1].event = lines[second - 1].event.take();
        lines[second - 1].event = event;
        let report = verify(&lines, 20, &[]);
        let (first, second) = (first as u64, second as u64);
        assert_eq!(proved(&report), [Finding::Swapped { first, second }]);
    }
}

#[test]
fn events_that_were_moved_by_different_distances_are_told_apart() {
    let mut lines = lines(20);
    let event = lines[0].event.take();
    lines[0].event = lines[1].event.take();
    lines[1].event = lines[2].event.take();
    lines[2].event = event;
    let report = verify(&lines, 20, &[]);
    let expected = [
        Finding::Moved {
            first: 1,
            last: 2,
            by: 1,
        },
        Finding::Moved {
            first: 3,
            last: 3,
            by: -2,
        },
    ];
    assert_eq!(proved(&report), expected);
}

#[test]
fn a_cut_tail_is_found_with_its_numbers() {
    let report = verify(&lines(15), 20, &[10]);
    assert_eq!(
        proved(&report),
        [Finding::Cut {
            first: 16,
            last: 20
        }]
    );
    assert_eq!(report.proved, Some(10));
    let report = verify(&[], 20, &[]);
    assert_eq!(proved(&report), [Finding::Cut { first: 1, last: 20 }]);
}

#[test]
fn removed_and_sorted_lines_are_found_by_their_numbers() {
    let mut removed = lines(20);
    removed.drain(6..8);
    let report = verify(&removed, 20, &[4]);
    assert_eq!(proved(&report), [Finding::Missing { first: 7, last: 8 }]);
    assert_eq!(report.proved, Some(4));

    let mut sorted = lines(20);
    sorted.swap(6, 7);
    let report = verify(&sorted, 20, &[]);
    let expected = [
        Finding::Missing { first: 7, last: 7 },
        Finding::OutOfOrder { seq: 7, after: 8 },
    ];
    assert_eq!(proved(&report), expected);

    let mut repeated = lines(20);
    repeated.insert(5, repeated[4].clone());
    let report = verify(&repeated, 20, &[]);
    assert_eq!(proved(&report), [Finding::OutOfOrder { seq: 5, after: 5 }]);
    assert_eq!(report.proved, Some(20));

    let mut zero = lines(3);
    zero[0].seq = 0;
    assert!(!verify(&zero, 3, &[]).is_clean());
    let mut far = lines(3);
    far[1].seq = u64::MAX;
    let report = verify(&far, 3, &[]);
    assert_eq!(proved(&report)[0], Finding::Missing { first: 2, last: 3 });
}

#[test]
fn a_rewritten_history_is_found_between_two_checkpoints() {
    let mut lines = lines(20);
    lines[11].event = Some(b"another".to_vec());
    rewrite_tiles(&mut lines);
    let report = verify(&lines, 20, &[5, 10, 14]);
    let expected = Finding::RootDiffers {
        after: 10,
        until: 14,
    };
    assert_eq!(proved(&report), [expected]);
    assert_eq!(report.proved, Some(10));
    let report = verify(&lines, 20, &[]);
    let expected = Finding::RootDiffers {
        after: 0,
        until: 20,
    };
    assert_eq!(proved(&report), [expected]);
}

#[test]
fn a_history_that_was_rewritten_and_signed_again_is_found_by_an_older_checkpoint() {
    let mut lines = lines(20);
    lines[11].event = Some(b"another".to_vec());
    rewrite_tiles(&mut lines);
    let leaves: Vec<TreeHash> = lines.iter().filter_map(|line| line.leaf).collect();
    let root = root_by_definition(&leaves);
    let signed_again = sign(&signing_key(ORIGIN, 1), &name(ORIGIN), 20, root);
    for (others, findings) in [
        (vec![], vec![]),
        (vec![checkpoint(10)], vec![]),
        (
            vec![checkpoint(10), checkpoint(12)],
            vec![Finding::RootDiffers {
                after: 10,
                until: 12,
            }],
        ),
        (
            vec![checkpoint(20)],
            vec![
                Finding::RootDiffers {
                    after: 0,
                    until: 20,
                },
                Finding::Forked { size: 20 },
            ],
        ),
    ] {
        let verifier = LogVerifier::new(Frontier::new(), &signed_again, &others);
        let mut verifier = verifier.expect("the checkpoints are of one log");
        for line in &lines {
            let event = line.event.as_deref();
            let (seq, leaf) = (line.seq, line.leaf);
            verifier.push(&ExportedEvent { seq, event, leaf });
        }
        let report = verifier.finish();
        assert_eq!(report.is_clean(), findings.is_empty());
        let mut found: Vec<_> = report.findings.into_iter().map(|one| one.finding).collect();
        found.sort_by_key(|finding| matches!(finding, Finding::Forked { .. }));
        assert_eq!(found, findings);
    }
}

#[test]
fn without_leaf_hashes_a_change_is_found_between_two_checkpoints() {
    let mut lines = lines(20);
    for line in &mut lines {
        line.leaf = None;
    }
    assert!(verify(&lines, 20, &[10]).is_clean());
    lines[11].event = Some(b"another".to_vec());
    let report = verify(&lines, 20, &[10]);
    let expected = Finding::RootDiffers {
        after: 10,
        until: 20,
    };
    assert_eq!(proved(&report), [expected]);
    lines[11].event = None;
    let report = verify(&lines, 20, &[10]);
    assert_eq!(
        proved(&report),
        [Finding::Missing {
            first: 12,
            last: 12
        }]
    );
}

#[test]
fn a_wrong_leaf_hash_of_a_right_event_is_told_from_a_changed_event() {
    for seq in [1, 12, 20] {
        let mut lines = lines(20);
        lines[seq - 1].leaf = Some(leaf(99));
        let report = verify(&lines, 20, &[]);
        let seq = seq as u64;
        assert_eq!(proved(&report), [Finding::WrongLeaf { seq }]);
        assert_eq!(report.proved, Some(20));
    }
}

#[test]
fn where_leaf_hashes_are_not_those_of_the_log_a_place_is_only_suspected() {
    let mut lines = lines(20);
    lines[5].event = Some(b"another".to_vec());
    lines[14].event = Some(b"rewritten".to_vec());
    lines[14].leaf = Some(TreeHash::of_leaf(b"rewritten"));
    let report = verify(&lines, 20, &[]);
    let suspected: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        suspected[0],
        "event 6 was changed (not proved by a checkpoint)"
    );
    assert!(
        suspected[1].starts_with("the log was rewritten"),
        "{suspected:?}"
    );
    // A checkpoint before the rewritten event proves the leaf hashes up to it.
    let report = verify(&lines, 20, &[10]);
    let expected = [
        Finding::Changed { seq: 6 },
        Finding::RootDiffers {
            after: 10,
            until: 20,
        },
    ];
    assert_eq!(proved(&report), expected);
}

#[test]
fn an_export_from_a_later_event_on_is_verified_from_its_frontier() {
    let lines = lines(20);
    let report = verify_from(frontier(7), &lines[7..], 20, &[5, 7, 12]);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.start, report.before_start), (7, vec![5]));

    let mut changed = lines.clone();
    changed[9].event = Some(b"another".to_vec());
    let report = verify_from(frontier(7), &changed[7..], 20, &[]);
    assert_eq!(proved(&report), [Finding::Changed { seq: 10 }]);

    let other = Frontier::from_hashes(7, vec![leaf(0), leaf(1), leaf(2)]);
    let other = other.expect("three subtrees");
    let report = verify_from(other.clone(), &lines[7..], 20, &[7]);
    let expected = Finding::RootDiffers { after: 0, until: 7 };
    assert_eq!(proved(&report), [expected]);
    assert!(!verify_from(other, &lines[7..], 20, &[]).is_clean());
    assert!(!verify_from(frontier(7), &lines[8..], 20, &[]).is_clean());
}

#[test]
fn events_after_the_checkpoint_are_counted_and_not_proved() {
    let report = verify(&lines(25), 20, &[]);
    assert!(report.is_clean());
    assert_eq!((report.proved, report.beyond), (Some(20), 5));
}

#[test]
fn the_largest_checkpoint_has_to_be_reached_even_if_it_is_not_given_first() {
    let report = verify(&lines(15), 15, &[20]);
    assert_eq!(
        proved(&report),
        [Finding::Cut {
            first: 16,
            last: 20
        }]
    );
}

#[test]
fn checkpoints_of_other_logs_or_from_before_the_start_are_rejected() {
    let key = signing_key("example.com/other", 1);
    let other = sign(&key, &name("example.com/other"), 1, leaf(0));
    let error = LogVerifier::new(Frontier::new(), &checkpoint(5), &[other]).expect_err("another");
    assert!(matches!(error, TransparencyError::OtherOrigin { .. }));
    let error = LogVerifier::new(frontier(7), &checkpoint(5), &[]).expect_err("too old");
    assert_eq!(error, TransparencyError::Shorter { old: 7, new: 5 });
}

#[test]
fn more_changes_than_are_kept_are_counted() {
    let size = MAX_FINDINGS as u64 + 10;
    let mut verifier = LogVerifier::new(Frontier::new(), &checkpoint(size), &[]);
    let verifier = verifier.as_mut().expect("the checkpoint is valid");
    for index in 0..size {
        // All events but the first are numbered anew.
        let (event, leaf) = (event(index + 1), leaf(index));
        verifier.push(&ExportedEvent {
            seq: index + 1,
            event: Some(&event),
            leaf: Some(leaf),
        });
    }
    let report = verifier_report(verifier);
    assert_eq!(report.more, 10);
    let kept = MAX_FINDINGS as u64;
    let expected = [
        Finding::Removed { first: 1, last: 1 },
        Finding::Moved {
            first: 1,
            last: kept - 1,
            by: 1,
        },
        Finding::Changed { seq: kept },
    ];
    assert_eq!(proved(&report), expected);
}

fn verifier_report(verifier: &mut LogVerifier) -> Report {
    let empty = LogVerifier::new(Frontier::new(), &checkpoint(0), &[]);
    std::mem::replace(verifier, empty.expect("the checkpoint is valid")).finish()
}
