//! Verdicts on intents.

use std::fmt::Write;

use engine_roles_domain::binding::lifecycle::Lifecycle;
use engine_roles_domain::binding::{Binding, Generation, Receipt, Verdict, verdict};
use insta::assert_snapshot;

use crate::fixtures::{GENERATION, Stage, active, binding, delay_of, in_stage, rejection_of};

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pending => "pending".to_owned(),
        Verdict::Done => "done".to_owned(),
        Verdict::Failed(failure) => format!("failed ({})", failure.code.as_str()),
        Verdict::Superseded => "superseded".to_owned(),
    }
}

#[test]
fn every_state_has_a_verdict_on_the_current_intent_and_on_earlier_and_later_ones() {
    let mut table = format!(
        "{:<22}{:<28}{:<28}{:<28}\n",
        "", "intent before", "current intent", "later intent"
    );
    for stage in Stage::all() {
        let binding = in_stage(stage);
        let _ = write!(table, "{:<22}", format!("{stage:?}"));
        for generation in [GENERATION - 1, GENERATION, GENERATION + 1] {
            let word = word(&verdict(&binding, generation));
            let _ = write!(table, "{word:<28}");
        }
        table.push('\n');
    }
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();
    assert_snapshot!(table.join("\n"), @"
                          intent before               current intent              later intent
    Provisioning          superseded                  pending                     pending
    WithdrawingChange     pending                     pending                     pending
    Active                failed (missing_permission) done                        done
    Deleting              superseded                  pending                     pending
    Blocked               superseded                  failed (iam_unavailable)    failed (iam_unavailable)
    WithdrawingProvision  superseded                  pending                     pending
    Failed                superseded                  failed (missing_permission) failed (missing_permission)
    Deleted               superseded                  done                        done
    ");
}

#[test]
fn the_last_error_decides_the_verdict_on_the_current_intent() {
    struct Row {
        lifecycle: Lifecycle,
        applied: Option<Generation>,
        verdict: Verdict,
    }
    let row = |lifecycle, applied, verdict| Row {
        lifecycle,
        applied,
        verdict,
    };
    let provisioning = |last_error| Lifecycle::Provisioning { last_error };
    let active = |last_error| Lifecycle::Active { last_error };
    let table = [
        row(provisioning(None), None, Verdict::Pending),
        row(provisioning(Some(delay_of(2))), Some(1), Verdict::Pending),
        row(active(None), Some(2), Verdict::Done),
        row(active(Some(rejection_of(1))), Some(2), Verdict::Done),
        row(
            active(Some(rejection_of(2))),
            Some(2),
            Verdict::Failed(rejection_of(2)),
        ),
        row(active(None), Some(1), Verdict::Pending),
        row(
            Lifecycle::Deleting {
                last_error: None,
                receipt: Receipt::default(),
            },
            Some(1),
            Verdict::Pending,
        ),
        row(
            Lifecycle::Deleted {
                last_error: None,
                receipt: None,
            },
            Some(1),
            Verdict::Done,
        ),
        // The created resources are still being removed; the rejection is reported afterwards.
        row(
            Lifecycle::WithdrawingProvision {
                rejection: rejection_of(2),
                receipt: None,
            },
            None,
            Verdict::Pending,
        ),
        row(
            Lifecycle::Failed {
                rejection: rejection_of(2),
                receipt: None,
            },
            None,
            Verdict::Failed(rejection_of(2)),
        ),
        row(
            Lifecycle::Blocked {
                last_error: delay_of(2),
                receipt: Receipt::default(),
            },
            None,
            Verdict::Failed(delay_of(2)),
        ),
    ];
    for row in table {
        let binding = Binding {
            lifecycle: row.lifecycle,
            generation: 2,
            applied_generation: row.applied,
            ..binding()
        };
        assert_eq!(verdict(&binding, 2), row.verdict, "{:?}", binding.lifecycle);
    }
}

/// A binding whose second intent was followed by a third one.
fn newer(lifecycle: Lifecycle) -> Binding {
    Binding {
        lifecycle,
        generation: 3,
        applied_generation: Some(3),
        ..active()
    }
}

#[test]
fn a_newer_intent_supersedes_one_that_was_not_rejected() {
    for lifecycle in [
        Lifecycle::Active { last_error: None },
        Lifecycle::Provisioning { last_error: None },
        Lifecycle::Deleting {
            last_error: None,
            receipt: Receipt::default(),
        },
        Lifecycle::Deleted {
            last_error: None,
            receipt: None,
        },
        Lifecycle::Active {
            last_error: Some(rejection_of(1)),
        },
    ] {
        let superseded = newer(lifecycle);
        assert_eq!(
            verdict(&superseded, 2),
            Verdict::Superseded,
            "{:?}",
            superseded.lifecycle
        );
    }
}

#[test]
fn a_rejected_change_is_reported_once_it_is_withdrawn() {
    let rejection = rejection_of(2);
    let withdrawing = newer(Lifecycle::WithdrawingChange {
        rejection: rejection.clone(),
    });
    assert_eq!(verdict(&withdrawing, 2), Verdict::Pending);
    let withdrawn = newer(Lifecycle::Active {
        last_error: Some(rejection.clone()),
    });
    assert_eq!(verdict(&withdrawn, 2), Verdict::Failed(rejection));
    // For the newer intent, the rejection is no failure.
    assert_eq!(verdict(&withdrawn, 3), Verdict::Done);
}
