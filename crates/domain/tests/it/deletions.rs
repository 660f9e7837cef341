//! What a DELETE means, and how intents end.

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::{
    Binding, Deletion, DeletionRefusal, Failure, FailureCode, Generation, IfMatch, State, Verdict,
    decide_delete, verdict,
};

use crate::fixtures::{active, at, binding, scope};

fn in_state(state: State, live: bool) -> Binding {
    Binding {
        state,
        live,
        ..active()
    }
}

#[test]
fn a_delete_means_by_state() {
    for (state, live, meant) in [
        (State::Provisioning, true, Deletion::Begin),
        (State::Active, true, Deletion::Begin),
        (State::Failed, true, Deletion::Begin),
        (State::Deleting, true, Deletion::Continue),
        (State::Blocked, true, Deletion::Continue),
        (State::Failed, false, Deletion::Close),
        (State::Deleted, false, Deletion::Done),
    ] {
        let latest = in_state(state, live);
        for known in [None, Some(scope())] {
            let meaning = decide_delete(Some(&latest), known.as_ref(), None);
            assert_eq!(meaning.expect("a meaning"), meant, "{state}");
        }
    }
}

#[test]
fn a_delete_needs_a_binding_of_this_account_and_generation() {
    let refused = decide_delete(None, None, None);
    assert!(matches!(refused, Err(DeletionRefusal::NotFound)));
    let refused = decide_delete(None, None, Some(IfMatch::Any));
    assert!(matches!(refused, Err(DeletionRefusal::NotFound)));

    let live = active();
    assert!(decide_delete(Some(&live), None, Some(IfMatch::Generation(1))).is_ok());
    assert!(decide_delete(Some(&live), None, Some(IfMatch::Any)).is_ok());
    let refused = decide_delete(Some(&live), None, Some(IfMatch::Generation(7)));
    assert!(matches!(
        refused,
        Err(DeletionRefusal::PreconditionFailed { current: 1 })
    ));

    let elsewhere = Scope {
        account: "210987654321".parse().expect("an account"),
        ..scope()
    };
    let refused = decide_delete(Some(&live), Some(&elsewhere), None);
    assert!(matches!(refused, Err(DeletionRefusal::OtherAccount { .. })));
    let gone = in_state(State::Deleted, false);
    let again = decide_delete(Some(&gone), Some(&elsewhere), None);
    assert_eq!(again.expect("it is gone anywhere"), Deletion::Done);
}

fn failure(generation: Generation, again: bool) -> Failure {
    Failure {
        code: FailureCode::MissingPermission,
        detail: "no".to_owned(),
        missing_permissions: Vec::new(),
        blockers: Vec::new(),
        generation,
        at: at(0),
        attempts: 1,
        next_attempt_at: again.then(|| at(60)),
    }
}

#[test]
fn verdicts() {
    struct Row {
        state: State,
        live: bool,
        applied: Option<Generation>,
        failed: Option<Failure>,
        verdict: &'static str,
    }
    let row = |state, live, applied, failed, verdict| Row {
        state,
        live,
        applied,
        failed,
        verdict,
    };
    let table = [
        row(State::Provisioning, true, None, None, "pending"),
        row(
            State::Provisioning,
            true,
            Some(1),
            Some(failure(2, true)),
            "pending",
        ),
        row(State::Active, true, Some(2), None, "done"),
        row(
            State::Active,
            true,
            Some(2),
            Some(failure(1, false)),
            "done",
        ),
        row(
            State::Active,
            true,
            Some(2),
            Some(failure(2, false)),
            "failed",
        ),
        row(State::Active, true, Some(1), None, "pending"),
        row(State::Deleting, true, Some(1), None, "pending"),
        row(State::Deleted, false, Some(1), None, "done"),
        // What was half-made still goes: the refusal is told when it is gone.
        row(
            State::Failed,
            true,
            None,
            Some(failure(2, false)),
            "pending",
        ),
        row(
            State::Failed,
            false,
            None,
            Some(failure(2, false)),
            "failed",
        ),
        row(State::Failed, false, None, None, "pending"),
        row(State::Blocked, true, None, Some(failure(2, true)), "failed"),
        row(State::Blocked, true, None, None, "pending"),
    ];
    for row in table {
        let binding = Binding {
            state: row.state,
            live: row.live,
            generation: 2,
            applied_generation: row.applied,
            last_error: row.failed.clone(),
            ..binding()
        };
        let found = match verdict(&binding, 2) {
            Verdict::Pending => "pending",
            Verdict::Done => "done",
            Verdict::Failed(told) => {
                assert_eq!(Some(told), row.failed);
                "failed"
            }
            Verdict::Superseded => "superseded",
        };
        assert_eq!(found, row.verdict, "{} {:?}", row.state, row.failed);
    }
}

#[test]
fn an_intent_that_a_newer_one_took_the_place_of() {
    let newer = |state, last_error| Binding {
        state,
        generation: 3,
        applied_generation: Some(3),
        last_error,
        ..active()
    };
    for state in [
        State::Active,
        State::Provisioning,
        State::Deleting,
        State::Deleted,
    ] {
        let superseded = verdict(&newer(state, None), 2);
        assert_eq!(superseded, Verdict::Superseded, "{state}");
    }
    // A refused change withdraws itself by a newer intent, and is told once that is done.
    let refused = failure(2, false);
    let withdrawing = newer(State::Provisioning, Some(refused.clone()));
    assert_eq!(verdict(&withdrawing, 2), Verdict::Pending);
    let withdrawn = newer(State::Active, Some(refused.clone()));
    assert_eq!(verdict(&withdrawn, 2), Verdict::Failed(refused));
    // To the newer intent it is no failure.
    assert_eq!(verdict(&withdrawn, 3), Verdict::Done);
    let others = newer(State::Active, Some(failure(1, false)));
    assert_eq!(verdict(&others, 2), Verdict::Superseded);
}
