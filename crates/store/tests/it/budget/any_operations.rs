//! What holds for every order of reservations and throttled calls.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use engine_roles_store::{CallRequest, Precedence, Reservation};
use proptest::prelude::{Just, Strategy, prop_assert, prop_oneof};
use proptest::test_runner::{Config, TestRunner};

use super::{Bucket, Budget, LIMITS, assert_near};

/// The share of the full rate that comes back each second after throttling.
const GROWTH: f64 = 1.0 / 200.0;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Ask(CallRequest),
    /// A replica discards its tokens, of which it returns at most this many.
    Throttle {
        most_returned: usize,
    },
}

/// An operation, and how many milliseconds after the last it comes.
fn operation() -> impl Strategy<Value = (u32, Operation)> {
    let precedence = prop_oneof![
        3 => Just(Precedence::Prompt),
        1 => Just(Precedence::Sweep)
    ];
    let ask = (precedence, 1..8u32, 0..20u32, 0..20u32, 0..4000u64).prop_map(
        |(precedence, next, behind, batch, longest)| {
            Operation::Ask(CallRequest {
                precedence,
                next,
                waiting: next + behind,
                batch,
                longest_wait: Duration::from_millis(longest),
            })
        },
    );
    let throttle = (0..8usize).prop_map(|most_returned| Operation::Throttle { most_returned });
    (0..1500u32, prop_oneof![9 => ask, 1 => throttle])
}

/// What the bucket must hold after this time without a reservation.
fn refilled(bucket: Bucket, now: f64) -> Bucket {
    let age = now - bucket.updated_at;
    Bucket {
        tokens: (bucket.tokens + age * bucket.rate).min(LIMITS.burst),
        rate: (bucket.rate + age * LIMITS.rate * GROWTH).min(LIMITS.rate),
        updated_at: now,
    }
}

fn check_reservation(before: Bucket, after: Bucket, request: CallRequest, made: &Reservation) {
    let granted = u32::try_from(made.waits.len()).expect("few");
    let taken = f64::from(granted);
    assert_near(after.tokens, before.tokens - taken);
    assert_eq!(made.rest.is_some(), granted < request.next);
    for (nth, wait) in (1..).zip(&made.waits) {
        let missing = (f64::from(nth) - before.tokens).max(0.0);
        assert_near(wait.as_secs_f64(), missing / before.rate);
    }
    let longest = request.longest_wait.as_secs_f64() + 1e-4;
    match request.precedence {
        Precedence::Prompt if granted == 0 => {
            assert!(made.rest.expect("a wait").as_secs_f64() > longest - 2e-4);
        }
        Precedence::Prompt => {
            let last_of_next = usize::try_from(request.next).expect("few") - 1;
            assert!(made.waits[last_of_next].as_secs_f64() <= longest);
            // Only the next caller may need more than the tokens of a second.
            let is_beyond_next = granted > request.next && after.tokens < -1e-4;
            assert!(!is_beyond_next || after.tokens >= -before.rate - 1e-4);
            assert!(!is_beyond_next || granted <= request.batch);
            assert!(granted <= request.waiting || after.tokens >= -1e-4);
        }
        Precedence::Sweep => {
            assert!(granted <= request.waiting);
            assert!(granted == 0 || after.tokens >= LIMITS.burst / 2.0 - 1e-4);
        }
    }
}

/// Runs the operations on a full bucket. Returns when each reserved call may be made.
async fn run(budget: &mut Budget, operations: &[(u32, Operation)]) -> Vec<f64> {
    let mut now = 0.0;
    let mut calls: Vec<f64> = Vec::new();
    budget.at(now).await;
    let full = "UPDATE call_budgets
                SET tokens = 20, rate = 10, updated_at = service_now(), throttled_at = NULL";
    sqlx::query(full)
        .execute(&mut budget.sql)
        .await
        .expect("the bucket is filled");
    for (after_ms, operation) in operations {
        now += f64::from(*after_ms) / 1000.0;
        budget.at(now).await;
        let stored = budget.bucket().await;
        let before = refilled(stored, now);
        match *operation {
            Operation::Ask(request) => {
                let made = budget.ask(request).await;
                let after = budget.bucket().await;
                if made.waits.is_empty() {
                    assert_eq!(after, stored, "nothing was taken");
                    check_reservation(before, before, request, &made);
                } else {
                    check_reservation(before, after, request, &made);
                }
                calls.extend(made.waits.iter().map(|wait| now + wait.as_secs_f64()));
            }
            Operation::Throttle { most_returned } => {
                calls.sort_by(f64::total_cmp);
                let used = calls.partition_point(|at| *at <= now);
                let kept = calls.len().saturating_sub(most_returned).max(used);
                let returned = u32::try_from(calls.len() - kept).expect("few");
                calls.truncate(kept);
                budget.throttled(returned).await;
                let after = budget.bucket().await;
                assert!(after.tokens <= before.tokens.max(0.0) + f64::from(returned) + 1e-4);
                assert!(after.tokens <= LIMITS.burst && after.rate <= before.rate + 1e-6);
            }
        }
    }
    calls
}

#[test]
fn no_more_calls_may_be_made_by_any_time_than_the_bucket_held_and_was_refilled_with() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let budget = Mutex::new(runtime.block_on(Budget::empty()));
    let config = Config {
        cases: 100,
        failure_persistence: None,
        ..Config::default()
    };
    let operations = proptest::collection::vec(operation(), 1..20);
    let kept = TestRunner::new(config).run(&operations, |operations| {
        let mut budget = budget.lock().unwrap_or_else(PoisonError::into_inner);
        let mut calls = runtime.block_on(run(&mut budget, &operations));
        calls.sort_by(f64::total_cmp);
        for (count, at) in (1..).zip(calls) {
            let tokens = LIMITS.burst + LIMITS.rate * at;
            prop_assert!(
                f64::from(count) <= tokens + 1e-4,
                "{count} calls within {at} s"
            );
        }
        Ok(())
    });
    kept.expect("the budget is kept");
}
