//! The times from which IAM's answers can be believed.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Belief, Consistency, Evidence};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::fixtures::{at, every};

const NOW: i64 = 100;
const READS_LATER: i64 = 107;
const WRITES_LATER: i64 = 111;

fn evidence() -> [Evidence; 6] {
    every!(Evidence {
        NeverObserved,
        NotFound,
        Deleted,
        DeleteFoundNothing,
        LeftBehind,
        Present,
    })
}

/// The values that each of the two times may have, with a word for each.
fn times(later: i64) -> [(&'static str, Option<DateTime<Utc>>); 4] {
    [
        ("none", None),
        ("past", Some(at(NOW - 1))),
        ("now", Some(at(NOW))),
        ("later", Some(at(later))),
    ]
}

fn combinations() -> Vec<(String, Consistency)> {
    let mut all = Vec::new();
    for (reads, reads_consistent_at) in times(READS_LATER) {
        for (writes, writes_resolved_at) in times(WRITES_LATER) {
            let consistency = Consistency {
                reads_consistent_at,
                writes_resolved_at,
            };
            all.push((format!("{reads:<8}{writes:<8}"), consistency));
        }
    }
    all
}

fn word(belief: Belief) -> String {
    match belief {
        Belief::Believed => "yes".to_owned(),
        Belief::NotBefore(time) if time == at(NOW) => "not before now".to_owned(),
        Belief::NotBefore(time) if time == at(READS_LATER) => "reads".to_owned(),
        Belief::NotBefore(time) if time == at(WRITES_LATER) => "writes".to_owned(),
        Belief::NotBefore(time) => panic!("{time} is none of the times"),
    }
}

#[test]
fn whether_an_absence_is_believed_depends_on_the_evidence_and_both_times() {
    let mut table = format!("{:<8}{:<8}", "reads", "writes");
    for evidence in evidence() {
        let _ = write!(table, "{:<20}", format!("{evidence:?}"));
    }
    for (row, consistency) in combinations() {
        let _ = write!(table, "\n{row}");
        for evidence in evidence() {
            let belief = consistency.believes_absence(evidence, at(NOW));
            let _ = write!(table, "{:<20}", word(belief));
        }
    }
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();
    assert_snapshot!(table.join("\n"), @"
    reads   writes  NeverObserved       NotFound            Deleted             DeleteFoundNothing  LeftBehind          Present
    none    none    yes                 yes                 yes                 yes                 yes                 not before now
    none    past    yes                 yes                 yes                 yes                 yes                 not before now
    none    now     yes                 yes                 yes                 yes                 yes                 not before now
    none    later   writes              writes              yes                 writes              writes              writes
    past    none    yes                 yes                 yes                 yes                 yes                 not before now
    past    past    yes                 yes                 yes                 yes                 yes                 not before now
    past    now     yes                 yes                 yes                 yes                 yes                 not before now
    past    later   writes              writes              yes                 writes              writes              writes
    now     none    yes                 yes                 yes                 yes                 yes                 not before now
    now     past    yes                 yes                 yes                 yes                 yes                 not before now
    now     now     yes                 yes                 yes                 yes                 yes                 not before now
    now     later   writes              writes              yes                 writes              writes              writes
    later   none    yes                 reads               yes                 reads               reads               reads
    later   past    yes                 reads               yes                 reads               reads               reads
    later   now     yes                 reads               yes                 reads               reads               reads
    later   later   writes              writes              yes                 writes              writes              writes
    ");
}

#[test]
fn reads_are_trusted_after_both_times_and_writes_are_resolved_after_writes_resolved_at() {
    let mut table = format!(
        "{:<8}{:<8}{:<16}writes_resolved",
        "reads", "writes", "trusts_reads"
    );
    for (row, consistency) in combinations() {
        let reads = word(consistency.trusts_reads(at(NOW)));
        let writes = word(consistency.writes_resolved(at(NOW)));
        let _ = write!(table, "\n{row}{reads:<16}{writes}");
    }
    assert_snapshot!(table, @"
    reads   writes  trusts_reads    writes_resolved
    none    none    yes             yes
    none    past    yes             yes
    none    now     yes             yes
    none    later   writes          writes
    past    none    yes             yes
    past    past    yes             yes
    past    now     yes             yes
    past    later   writes          writes
    now     none    yes             yes
    now     past    yes             yes
    now     now     yes             yes
    now     later   writes          writes
    later   none    reads           yes
    later   past    reads           yes
    later   now     reads           yes
    later   later   writes          writes
    ");
}

#[test]
fn an_answered_write_sets_reads_consistent_at_and_an_unanswered_write_extends_writes_resolved_at() {
    let before = Consistency {
        reads_consistent_at: Some(at(10)),
        writes_resolved_at: Some(at(10)),
    };
    let answered = before.after_answered_write(at(20));
    let unanswered = before.after_unanswered_write(at(20));
    assert_eq!(
        answered,
        Consistency {
            reads_consistent_at: Some(at(20)),
            ..before
        }
    );
    assert_eq!(
        unanswered,
        Consistency {
            writes_resolved_at: Some(at(20)),
            ..before
        }
    );
    // The later time stays: a write that may take effect for longer is not forgotten.
    assert_eq!(unanswered.after_unanswered_write(at(15)), unanswered);
    let first = Consistency::default().after_unanswered_write(at(5));
    assert_eq!(first.writes_resolved_at, Some(at(5)));
}

fn consistencies() -> impl Strategy<Value = Consistency> {
    let time = || prop::option::of((0..100_i64).prop_map(at));
    (time(), time()).prop_map(|(reads_consistent_at, writes_resolved_at)| Consistency {
        reads_consistent_at,
        writes_resolved_at,
    })
}

proptest! {
    #[test]
    fn an_observation_is_believed_from_the_reported_time_on_and_not_before(
        consistency in consistencies(),
        evidence in prop::sample::select(evidence().to_vec()),
        now in 0..100_i64,
    ) {
        let Belief::NotBefore(time) = consistency.believes_absence(evidence, at(now)) else {
            return Ok(());
        };
        prop_assert!(time >= at(now));
        let then = consistency.believes_absence(evidence, time);
        if evidence == Evidence::Present {
            prop_assert_eq!(then, Belief::NotBefore(time));
        } else {
            prop_assert_eq!(then, Belief::Believed);
            let sooner = time - chrono::Duration::milliseconds(1);
            let belief = consistency.believes_absence(evidence, sooner);
            prop_assert_eq!(belief, Belief::NotBefore(time));
        }
    }

    #[test]
    fn writes_are_resolved_whenever_reads_are_trusted(
        consistency in consistencies(),
        now in 0..100_i64,
    ) {
        if consistency.trusts_reads(at(now)).is_believed() {
            prop_assert!(consistency.writes_resolved(at(now)).is_believed());
        }
    }
}
