//! Towards nothing: teardown, the clean-up of what was refused, and what turns up late.

use std::time::Duration;

use engine_roles_domain::binding::{EventAction, Failure, FailureCode, State};
use engine_roles_domain::cluster::Mode;
use engine_roles_domain::resources::{Desired, Observed, Plan, Step, plan};
use engine_roles_iam::{Applied, Depth, ErrorKind, IamError};
use serde_json::json;
use tracing::info;

use crate::worker::{Interrupted, Turn, Worker};

/// How long a refused or blocked removal rests before it is tried again.
const SLOW_RETRY: Duration = Duration::from_mins(15);

/// What the answers of a removal mean together.
#[derive(Default)]
struct Removal {
    /// Something depends on what is to go: list it and plan again.
    conflict: bool,
    /// A call was not answered, or the absence that it met is not believed yet.
    unsure: bool,
    denied: Option<Failure>,
    later: Option<(String, bool)>,
}

impl Worker<'_> {
    pub(crate) async fn remove(&mut self) -> Result<Turn, Interrupted> {
        let observed = match self.seen_for_removal().await? {
            Ok(observed) => observed,
            Err(error) if error.kind == ErrorKind::Denied && self.is_settled() => {
                let failure = self.denied(&error);
                return self.block(failure).await;
            }
            Err(error) => return self.delay(error.describe(), false).await,
        };
        let plan = match plan(&self.known, &Desired::Absent, &observed) {
            Ok(plan) => plan,
            Err(obstacle) => {
                let failure = self.failure(FailureCode::TeardownBlocked, obstacle.to_string());
                return self.block(failure).await;
            }
        };
        let mut removal = Removal::default();
        for stage in &plan.stages {
            let results = self.apply(stage).await?;
            self.note(stage, &results, &mut removal);
            if removal.denied.is_some() || removal.later.is_some() {
                break;
            }
        }
        self.conclude(&plan, &observed, removal).await
    }

    /// What there is to remove, as far as it may be believed.
    async fn seen_for_removal(&mut self) -> Result<Result<Observed, IamError>, Interrupted> {
        let now = self.claim.now();
        let answered = self.known.writes_settle_at.is_none_or(|at| at <= now);
        // All creates of a refused intent were answered just now: what they made is known, and
        // IAM's reads may not show it yet.
        let known = self.known.state == State::Failed && answered && !self.known.settled(now);
        if known && self.depth == Depth::Existence {
            return Ok(Ok(Observed::recorded(&self.known)));
        }
        let depth = match self.known.state {
            State::Deleted => Depth::Dependants,
            _ => self.depth,
        };
        let seen = self.read(depth).await?;
        let settled = self.known.settled(now);
        Ok(seen.map(|seen| {
            if settled {
                seen
            } else {
                seen.or_recorded(&self.known)
            }
        }))
    }

    fn note(
        &mut self,
        stage: &[Step],
        results: &[Result<Applied, IamError>],
        removal: &mut Removal,
    ) {
        let now = self.claim.now();
        let settled = self.claim.binding.settled(now);
        for (step, result) in stage.iter().zip(results) {
            let gone = match result {
                Ok(Applied::AlreadyGone) => {
                    removal.unsure |= !settled && deletes_resource(step);
                    settled || !deletes_resource(step)
                }
                // Refused, and not there by a read that may be late.
                Ok(Applied::Unseen) => {
                    removal.unsure |= !settled;
                    settled
                }
                Ok(_) => true,
                // Our own delete was answered, and a late read showed it again.
                Err(error)
                    if error.kind == ErrorKind::Denied && !settled && self.was_removed(step) =>
                {
                    true
                }
                Err(error) => {
                    match error.kind {
                        ErrorKind::Denied => removal.denied = Some(self.denied(error)),
                        ErrorKind::Conflict => removal.conflict = true,
                        ErrorKind::Unanswered | ErrorKind::AlreadyExists | ErrorKind::Absent => {
                            removal.unsure = true;
                            removal.later = Some((error.describe(), false));
                        }
                        ErrorKind::Busy => removal.later = Some((error.describe(), true)),
                        ErrorKind::Throttled
                        | ErrorKind::Transient
                        | ErrorKind::Quota
                        | ErrorKind::Malformed => {
                            removal.later = Some((error.describe(), false));
                        }
                    }
                    false
                }
            };
            if !gone {
                continue;
            }
            let passed = self.known.mode() == Mode::PassThrough;
            let receipt = self.known.receipt.get_or_insert_default();
            match step {
                Step::DeleteRolePolicy { .. } => {
                    receipt.grant_ended_at.get_or_insert(now);
                }
                Step::RemoveRoleFromInstanceProfile { .. } if passed => {
                    receipt.grant_ended_at.get_or_insert(now);
                }
                Step::DeleteRole { .. } => {
                    receipt.grant_ended_at.get_or_insert(now);
                    receipt.access_ended_at.get_or_insert(now);
                    self.known.role = None;
                }
                Step::DeleteInstanceProfile { .. } => self.known.profile = None,
                _ => {}
            }
            if matches!(result, Ok(Applied::Done)) && !receipt.removed.contains(&step.target()) {
                receipt.removed.push(step.target());
            }
        }
    }

    async fn conclude(
        &mut self,
        plan: &Plan,
        observed: &Observed,
        removal: Removal,
    ) -> Result<Turn, Interrupted> {
        let receipt = self.known.receipt.get_or_insert_default();
        for left in &plan.left {
            if !receipt.left.contains(left) {
                receipt.left.push(left.clone());
            }
        }
        if let Some(failure) = removal.denied {
            return self.block(failure).await;
        }
        if let Some((detail, busy)) = removal.later {
            return self.delay(detail, busy).await;
        }
        if !plan.blockers.is_empty() {
            let failure = Failure {
                blockers: plan.blockers.clone(),
                ..self.failure(FailureCode::TeardownBlocked, plan.blockers.join("; "))
            };
            return self.block(failure).await;
        }
        if removal.conflict {
            // What depends on it is listed only now: as a rule nothing does.
            self.depth = Depth::Dependants;
            return Ok(Turn::Again);
        }
        let now = self.claim.now();
        let answered = self.known.writes_settle_at.is_none_or(|at| at <= now);
        let settled = self.claim.binding.settled(now);
        let target = self.target();
        let role_gone = target.role.is_none()
            || self
                .known
                .receipt
                .as_ref()
                .is_some_and(|receipt| receipt.access_ended_at.is_some())
            || (self.known.role.is_none() && answered)
            || (observed.role.is_none() && settled)
            || !plan.left.is_empty() && settled;
        let profile_gone = target.profile.is_none()
            || (self.known.profile.is_none() && answered)
            || (observed.profile.is_none() && settled)
            || !plan.left.is_empty() && settled
            || self.profile_removed();
        if removal.unsure || !role_gone || !profile_gone {
            let due_at = self.known.reads_settle_at.max(self.known.writes_settle_at);
            let due_at = due_at.unwrap_or(now);
            info!(cluster = %self.known.cluster, %due_at, "absence is not believed yet");
            return self.rest(None, Some(due_at)).await;
        }
        self.close(plan).await
    }

    fn profile_removed(&self) -> bool {
        let profile = self.known.resource_name().into();
        self.was_removed(&Step::DeleteInstanceProfile { profile })
    }

    fn was_removed(&self, step: &Step) -> bool {
        let receipt = self.known.receipt.as_ref();
        receipt.is_some_and(|receipt| receipt.removed.contains(&step.target()))
    }

    async fn close(&mut self, plan: &Plan) -> Result<Turn, Interrupted> {
        let before = self.known.state;
        let now = self.claim.now();
        let receipt = self.known.receipt.clone().unwrap_or_default();
        let ghost = !self.known.live;
        self.known.live = false;
        self.known.role = None;
        self.known.profile = None;
        let event = match before {
            _ if ghost && plan.is_empty() => None,
            _ if ghost => Some(self.event(
                EventAction::GhostRemoved,
                json!({ "removed": receipt.removed }),
            )),
            State::Failed => {
                self.known.receipt = None;
                Some(self.event(
                    EventAction::Withdrawn,
                    json!({ "removed": receipt.removed }),
                ))
            }
            _ => {
                self.known.state = State::Deleted;
                self.known.last_error = None;
                info!(cluster = %self.known.cluster, generation = self.known.generation, "role is gone");
                Some(self.event(EventAction::TornDown, json!({ "receipt": receipt })))
            }
        };
        // A write of ours that nobody saw answered may still arrive; the tombstone looks again.
        let due_at = self.known.writes_settle_at.filter(|at| *at > now);
        self.rest(event, due_at).await
    }

    /// Stops where something may not be removed, says so, and looks again slowly.
    async fn block(&mut self, failure: Failure) -> Result<Turn, Interrupted> {
        let due_at = self.later(SLOW_RETRY);
        let detail = json!({
            "code": failure.code,
            "reason": failure.detail,
            "missing_permissions": failure.missing_permissions,
            "blockers": failure.blockers,
        });
        let event = self.event(EventAction::Blocked, detail);
        if self.known.state == State::Deleting || self.known.state == State::Blocked {
            let news = self.claim.binding.state != State::Blocked;
            self.known.state = State::Blocked;
            self.known.last_error = Some(Failure {
                next_attempt_at: Some(due_at),
                ..failure
            });
            return self.rest(news.then_some(event), Some(due_at)).await;
        }
        // The refusal that the caller hears stays, as does a tombstone's receipt; this one is in
        // the receipt of what failed until it is over, and in the audit log, once.
        let news = self.known.attempts == 0;
        if self.known.state == State::Failed {
            self.known.receipt.get_or_insert_default().left = vec![failure.detail];
        }
        self.known.attempts = self.known.attempts.saturating_add(1);
        self.rest(news.then_some(event), Some(due_at)).await
    }
}

fn deletes_resource(step: &Step) -> bool {
    matches!(
        step,
        Step::DeleteRole { .. } | Step::DeleteInstanceProfile { .. }
    )
}
