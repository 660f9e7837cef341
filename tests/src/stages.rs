//! Which calls ran side by side, and which after each other.

use engine_roles_iam_sandbox::Call;

/// The calls by stages: those of one stage overlap all, and a stage begins when the one before
/// has ended. Names are sorted within a stage.
///
/// The sandbox must take its time over each call, or nothing overlaps.
///
/// # Panics
/// When a call has not ended, or the calls fall into no stages.
pub fn stages_of(calls: &[Call]) -> Vec<Vec<&str>> {
    struct Stage<'a> {
        actions: Vec<&'a str>,
        first_end: u64,
        last_end: u64,
    }
    let mut stages: Vec<Stage<'_>> = Vec::new();
    for call in calls {
        let ended = call.ended_ms.expect("the calls have ended");
        match stages.last_mut() {
            Some(stage) if call.started_ms < stage.last_end => {
                assert!(
                    call.started_ms < stage.first_end,
                    "{} begins when some calls of its stage have ended and others not: {calls:#?}",
                    call.action
                );
                stage.actions.push(&call.action);
                stage.first_end = stage.first_end.min(ended);
                stage.last_end = stage.last_end.max(ended);
            }
            _ => stages.push(Stage {
                actions: vec![&call.action],
                first_end: ended,
                last_end: ended,
            }),
        }
    }
    let sorted = stages.into_iter().map(|mut stage| {
        stage.actions.sort_unstable();
        stage.actions
    });
    sorted.collect()
}
