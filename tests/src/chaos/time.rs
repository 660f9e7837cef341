//! Time moves only when nobody works. There are two clocks, the database's and AWS's, and they
//! can't be moved at once: whoever worked meanwhile would see one ahead of the other, which no
//! service has to bear.

use std::time::{Duration, Instant};

use crate::Installation;

/// So far the clocks are moved at once while calls hang: such a call's effect comes that much late.
const STEP: Duration = Duration::from_secs(2);

/// Moves both clocks. Calls that hang in AWS come to their ends on the way, each in its own time.
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

/// Moves both clocks until no call hangs in AWS.
pub(super) async fn let_hanging_calls_end(installation: &Installation) {
    while some_call_hangs(installation) {
        installation.advance(STEP).await;
    }
}

/// Whether nobody holds a lease, waited for a while.
pub(super) async fn comes_to_rest_within(installation: &Installation, patience: Duration) -> bool {
    let until = Instant::now() + patience;
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
