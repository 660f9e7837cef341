//! Exports that were tampered with at random: each tampering is found, at its place.

use engine_roles_transparency::Finding;
use proptest::prelude::*;

use crate::fixtures::leaf;
use crate::verification::{Line, frontier, lines, rewrite_tiles, verify, verify_from};

/// What somebody does to the lines of an export.
#[derive(Clone, Debug)]
enum Tampering {
    Change(usize),
    Remove(usize),
    RemoveLine(usize),
    Swap(usize, usize),
    SwapLines(usize, usize),
    Cut(usize),
    Rewrite(usize),
    Renumber(usize),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let at = any::<usize>;
    prop_oneof![
        at().prop_map(Tampering::Change),
        at().prop_map(Tampering::Remove),
        at().prop_map(Tampering::RemoveLine),
        (at(), at()).prop_map(|(a, b)| Tampering::Swap(a, b)),
        (at(), at()).prop_map(|(a, b)| Tampering::SwapLines(a, b)),
        at().prop_map(Tampering::Cut),
        at().prop_map(Tampering::Rewrite),
        at().prop_map(Tampering::Renumber),
    ]
}

/// Applies the tampering and returns the place at which a finding must be.
fn tamper(lines: &mut Vec<Line>, tampering: &Tampering) -> Option<u64> {
    let size = lines.len();
    let swapped = |a: &usize, b: &usize| ((a % size).min(b % size), (a % size).max(b % size));
    let at = match tampering {
        Tampering::Change(at) => {
            lines[at % size].event = Some(b"another".to_vec());
            at % size
        }
        Tampering::Remove(at) => {
            lines[at % size].event = None;
            at % size
        }
        Tampering::RemoveLine(at) => {
            lines.remove(at % size);
            at % size
        }
        Tampering::Swap(a, b) => {
            let (a, b) = swapped(a, b);
            let (left, right) = (lines[a].event.clone(), lines[b].event.clone());
            (lines[a].event, lines[b].event) = (right, left);
            return (a != b).then_some(a as u64 + 1);
        }
        Tampering::SwapLines(a, b) => {
            let (a, b) = swapped(a, b);
            lines.swap(a, b);
            return (a != b).then_some(a as u64 + 1);
        }
        Tampering::Cut(at) => {
            lines.truncate(at % size);
            at % size
        }
        Tampering::Rewrite(at) => {
            lines[at % size].event = Some(b"another".to_vec());
            rewrite_tiles(lines);
            // The next checkpoint is the place.
            return Some((at % size / 8 * 8 + 8).min(size) as u64);
        }
        Tampering::Renumber(at) => {
            lines.remove(at % size);
            for (line, seq) in lines.iter_mut().zip(1..) {
                line.seq = seq;
            }
            // The leaf hashes moved too, so that only checkpoints show it.
            return Some((at % size / 8 * 8 + 8).min(size) as u64);
        }
    };
    Some(at as u64 + 1)
}

fn place(finding: &Finding) -> u64 {
    match *finding {
        Finding::Changed { seq }
        | Finding::Inserted { seq }
        | Finding::WrongLeaf { seq }
        | Finding::OutOfOrder { seq, .. } => seq,
        Finding::Removed { first, .. }
        | Finding::Swapped { first, .. }
        | Finding::Moved { first, .. }
        | Finding::Missing { first, .. }
        | Finding::Cut { first, .. } => first,
        Finding::RootDiffers { until, .. } => until,
        _ => 0,
    }
}

proptest! {
    #[test]
    fn every_tampering_is_found_at_its_place(size in 1_u64..60, tampering in tampering()) {
        let mut lines = lines(size);
        let expected = tamper(&mut lines, &tampering);
        let others: Vec<u64> = (0..size).step_by(8).collect();
        let report = verify(&lines, size, &others);
        prop_assert_eq!(report.is_clean(), expected.is_none());
        if let Some(expected) = expected {
            let first = report.findings.first().map(|one| place(&one.finding));
            prop_assert_eq!(first, Some(expected), "{:?}", report);
        }
    }

    #[test]
    fn several_changes_are_never_clean_and_never_cause_a_panic(
        size in 1_u64..40,
        tamperings in proptest::collection::vec(tampering(), 1..5),
        hashes in proptest::collection::vec(any::<Option<bool>>(), 40),
        start in 0_u64..40,
    ) {
        let original = lines(size);
        let mut lines = original.clone();
        for tampering in &tamperings {
            if !lines.is_empty() {
                tamper(&mut lines, tampering);
            }
        }
        for (line, hash) in lines.iter_mut().zip(hashes) {
            match hash {
                None => line.leaf = None,
                Some(true) => {}
                Some(false) => line.leaf = Some(leaf(7)),
            }
        }
        let report = verify(&lines, size, &[size / 2]);
        let events = |lines: &[Line]| -> Vec<_> {
            lines.iter().map(|line| (line.seq, line.event.clone())).collect()
        };
        let is_as_logged = events(&lines) == events(&original);
        prop_assert!(is_as_logged || !report.is_clean(), "{:?}", report);
        prop_assert_eq!(report.proved == Some(size), is_as_logged
            || report.findings.iter().all(|one| matches!(one.finding,
                Finding::WrongLeaf { .. } | Finding::OutOfOrder { .. })));
        verify_from(frontier(start.min(size)), &lines, size, &[]);
    }
}
