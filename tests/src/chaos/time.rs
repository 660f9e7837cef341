//! Advances the clocks. The database's clock and the sandbox's clock can't be changed in one step, so
//! they advance only while no replica works: a replica would see one clock ahead of the other, which
//! can't happen in production.

use std::time::{Duration, Instant};

use crate::Installation;

/// The largest step while calls hang. The effect of a hanging call comes late by up to one step.
const STEP: Duration = Duration::from_secs(2);

/// Advances both clocks, in small steps while calls hang in the sandbox, so that each such call ends
/// at about its own time.
pub(super) async fn advance(installation: &Installation, by: Duration) {
    let mut left = by;
    while !left.is_zero() && some_call_hangs(installation) {
        let step = left.min(STEP);
        installation.advance(step).await;
        left -= step;
    }
    if !left.is_zero() {
        installation.advance(left).await;
    }
}

/// Advances both clocks until no call hangs in the sandbox.
pub(super) async fn let_hanging_calls_end(installation: &Installation) {
    while some_call_hangs(installation) {
        installation.advance(STEP).await;
    }
}

/// Waits up to `wait` until no replica holds a lease. Returns whether that happened.
pub(super) async fn becomes_idle_within(installation: &Installation, wait: Duration) -> bool {
    let until = Instant::now() + wait;
    loop {
        let bindings = installation.database.bindings().await;
        if bindings.iter().all(|binding| binding.lease_until.is_none()) {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn some_call_hangs(installation: &Installation) -> bool {
    let calls = installation.sandbox.calls(0);
    calls.iter().any(|call| call.ended_ms.is_none())
}
