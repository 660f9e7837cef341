//! Which calls ran concurrently, and which one after another.

use engine_roles_iam_sandbox::Call;

/// Groups calls into stages. All calls of a stage overlap, and a stage begins after the previous
/// one has ended. The names within a stage are sorted.
///
/// The sandbox needs a latency, otherwise no calls overlap.
///
/// # Panics
/// When a call has not ended, or the calls do not form stages.
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
