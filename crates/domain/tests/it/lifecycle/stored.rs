//! States read back from the columns of a stored record.

use std::fmt::Write;

use engine_roles_domain::binding::lifecycle::Lifecycle;
use engine_roles_domain::binding::{Failure, Receipt, State};
use insta::assert_snapshot;

use crate::fixtures::{GENERATION, Stage, delay_of, in_stage, rejection_of};

#[test]
fn a_state_is_read_back_from_its_columns() {
    for stage in Stage::all() {
        let stored = in_stage(stage);
        let read = Lifecycle::from_stored(
            stored.state(),
            stored.is_live(),
            stored.generation,
            stored.last_error().cloned(),
            stored.receipt().cloned(),
        );
        assert_eq!(read, Ok(stored.lifecycle), "{stage:?}");
    }
}

/// A last error, with a word for it.
fn errors() -> [(&'static str, Option<Failure>); 5] {
    [
        ("none", None),
        ("delay", Some(delay_of(GENERATION))),
        ("rejection", Some(rejection_of(GENERATION))),
        ("older delay", Some(delay_of(GENERATION - 1))),
        ("older rejection", Some(rejection_of(GENERATION - 1))),
    ]
}

#[test]
fn each_combination_of_columns_is_a_state_or_a_contradiction() {
    let mut table = format!("{:<13}{:<7}", "state", "live");
    for (label, _) in errors() {
        let _ = write!(table, "{label:<22}");
    }
    for state in State::ALL {
        for live in [true, false] {
            let _ = write!(table, "\n{:<13}{live:<7}", state.as_str());
            for (_, error) in errors() {
                let read = Lifecycle::from_stored(state, live, GENERATION, error, None);
                let stage = read.map(|lifecycle| format!("{:?}", Stage::of_lifecycle(&lifecycle)));
                let _ = write!(table, "{:<22}", stage.unwrap_or("-".to_owned()));
            }
        }
    }
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();
    assert_snapshot!(table.join("\n"), @"
    state        live   none                  delay                 rejection             older delay           older rejection
    provisioning true   Provisioning          Provisioning          Provisioning          Provisioning          WithdrawingChange
    provisioning false  -                     -                     -                     -                     -
    active       true   Active                Active                Active                Active                Active
    active       false  -                     -                     -                     -                     -
    deleting     true   Deleting              Deleting              Deleting              Deleting              Deleting
    deleting     false  -                     -                     -                     -                     -
    deleted      true   -                     -                     -                     -                     -
    deleted      false  Deleted               Deleted               Deleted               Deleted               Deleted
    failed       true   -                     WithdrawingProvision  WithdrawingProvision  WithdrawingProvision  WithdrawingProvision
    failed       false  -                     Failed                Failed                Failed                Failed
    blocked      true   -                     Blocked               Blocked               Blocked               Blocked
    blocked      false  -                     -                     -                     -                     -
    ");
}

#[test]
fn a_contradiction_has_a_message() {
    for (state, live, expected) in [
        (State::Failed, true, "failed without a reason"),
        (State::Failed, false, "failed without a reason"),
        (State::Blocked, true, "blocked without a reason"),
        (State::Deleted, true, "deleted and still live"),
        (State::Provisioning, false, "in progress and not live"),
        (State::Active, false, "in progress and not live"),
        (State::Deleting, false, "in progress and not live"),
        (State::Blocked, false, "in progress and not live"),
    ] {
        let read = Lifecycle::from_stored(state, live, GENERATION, None, None);
        assert_eq!(
            read.expect_err("the stored state contradicts itself")
                .to_string(),
            expected
        );
    }
}

#[test]
fn a_teardown_without_a_stored_receipt_gets_an_empty_one_and_other_states_need_none() {
    let without = |state, live| {
        let error = Some(delay_of(GENERATION));
        Lifecycle::from_stored(state, live, GENERATION, error, None)
            .expect("a state")
            .receipt()
            .cloned()
    };
    assert_eq!(without(State::Deleting, true), Some(Receipt::default()));
    assert_eq!(without(State::Blocked, true), Some(Receipt::default()));
    for (state, live) in [
        (State::Provisioning, true),
        (State::Active, true),
        (State::Failed, true),
        (State::Failed, false),
        (State::Deleted, false),
    ] {
        assert_eq!(without(state, live), None, "{state}");
    }
}
