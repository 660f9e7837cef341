//! Towards a role: making, adopting, changing, and withdrawing what is refused.

use std::time::Duration;

use engine_roles_domain::binding::{
    Event, EventAction, Failure, FailureCode, ProfileRecord, RoleRecord, State,
};
use engine_roles_domain::cluster::{Mode, ModeSpec};
use engine_roles_domain::grant::{RolePolicyError, as_written};
use engine_roles_domain::resources::{Desired, Observed, Obstacle, Step, plan};
use engine_roles_iam::{Applied, Depth, ErrorKind, IamError, Target};
use serde_json::json;
use tracing::info;

use crate::backoff::spread;
use crate::worker::{Interrupted, Turn, Worker};

/// How long EC2 may take to know a new instance profile. Seconds as a rule; `RunInstances` names
/// the profile as invalid until then, and is to be sent again.
/// Source: IAM user guide, "Changes that I make are not always immediately visible".
const EC2_PROPAGATION: Duration = Duration::from_secs(15);

/// How often a worker looks again at once; then it comes back later.
const MOST_LOOKS: u32 = 2;

/// What the answers of a stage mean together.
enum StageOutcome {
    Done,
    /// Something is otherwise than was believed: read and plan again.
    Look,
    Refused(Box<Failure>),
    Later {
        detail: String,
        busy: bool,
    },
}

impl Worker<'_> {
    pub(crate) async fn provision(&mut self) -> Result<Turn, Interrupted> {
        let desired = match Desired::of(&self.known) {
            Ok(desired) => desired,
            Err(error) => return self.refuse(self.unwritable(&error)).await,
        };
        let observed = match self.believed().await? {
            Ok(observed) => observed,
            // What does not show yet has no path, so a refusal may only be early.
            Err(error) if error.kind == ErrorKind::Denied && self.is_settled() => {
                return self.refuse(self.denied(&error)).await;
            }
            Err(error) => return self.delay(error.describe(), false).await,
        };
        let mut plan = match plan(&self.known, &desired, &observed) {
            Ok(plan) => plan,
            Err(obstacle) => {
                // What is there was seen: it is not ours.
                self.unseen = false;
                return self.refuse(self.name_taken(&obstacle)).await;
            }
        };
        self.adopt(&observed);
        // A plan that makes nothing has seen all there can be.
        self.unseen &= plan.stages.iter().flatten().any(Step::creates);
        if self.inner.permissions.is_create_role_refused() {
            plan = plan.role_first();
        }
        let mut usable_later = false;
        for stage in &plan.stages {
            let results = self.apply(stage).await?;
            match self.judge(stage, &results).await {
                StageOutcome::Done => {}
                StageOutcome::Look => {
                    self.look = true;
                    self.looks += 1;
                    if self.looks > MOST_LOOKS {
                        let detail = "IAM does not show yet what is there".to_owned();
                        return self.delay(detail, false).await;
                    }
                    return Ok(Turn::Again);
                }
                StageOutcome::Refused(failure) => return self.refuse(*failure).await,
                StageOutcome::Later { detail, busy } => return self.delay(detail, busy).await,
            }
            usable_later |= stage.iter().any(|step| {
                matches!(
                    step,
                    Step::CreateInstanceProfile { .. } | Step::AddRoleToInstanceProfile { .. }
                )
            });
        }
        self.activate(&desired, usable_later, plan.calls()).await
    }

    /// What is at AWS, as far as it may be believed.
    async fn believed(&mut self) -> Result<Result<Observed, IamError>, Interrupted> {
        if self.certain {
            return Ok(Ok(Observed::nothing()));
        }
        let looked = std::mem::take(&mut self.look);
        let settled = self.known.settled(self.claim.now());
        let target = self.target();
        let all_recorded = (target.role.is_none() || self.known.role.is_some())
            && (target.profile.is_none() || self.known.profile.is_some());
        let answered = self
            .known
            .writes_settle_at
            .is_none_or(|at| at <= self.claim.now());
        if !settled && !looked && answered && all_recorded {
            return Ok(Ok(Observed::recorded(&self.known)));
        }
        let seen = self.read(Depth::Contents).await?;
        Ok(seen.map(|seen| {
            if settled {
                seen
            } else {
                seen.or_recorded(&self.known)
            }
        }))
    }

    /// Keeps the unique ids of what was found and proved ours.
    fn adopt(&mut self, observed: &Observed) {
        if let Some(role) = &observed.role {
            self.known.role = Some(role.record.clone());
        }
        if let Some(profile) = &observed.profile {
            self.known.profile = Some(profile.record.clone());
        }
    }

    async fn judge(&self, stage: &[Step], results: &[Result<Applied, IamError>]) -> StageOutcome {
        let (mut look, mut later) = (false, None);
        for (step, result) in stage.iter().zip(results) {
            let Err(error) = result else { continue };
            match (error.kind, step) {
                (ErrorKind::Denied, _) => {
                    return StageOutcome::Refused(Box::new(self.denied(error)));
                }
                // A 5xx is an answer, but doesn't say that nothing was done; and IAM is in trouble.
                (ErrorKind::Unanswered, _) if error.code.is_some() => {
                    later = Some((error.describe(), false));
                }
                // IAM also answers Quota when the profile already holds a role.
                (ErrorKind::Quota, Step::AddRoleToInstanceProfile { .. })
                | (ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::Unanswered, _) => {
                    look = true;
                }
                (ErrorKind::Quota, _) => {
                    let code = match step {
                        Step::PutRolePolicy { .. } => FailureCode::PolicyTooLarge,
                        _ => FailureCode::QuotaExceeded,
                    };
                    if code == FailureCode::QuotaExceeded {
                        // So that the next request is told before anything is begun.
                        self.inner.look_at_room().await;
                    }
                    return self.refused(code, error);
                }
                (ErrorKind::Absent, Step::CreateRole { .. }) => {
                    return self.refused(FailureCode::BoundaryNotAllowed, error);
                }
                (ErrorKind::Absent, Step::AddRoleToInstanceProfile { role, .. })
                    if self.known.mode() == Mode::PassThrough =>
                {
                    let target = Target {
                        role: Some(role.clone()),
                        profile: None,
                    };
                    let found = self.inner.iam.observe(&target, Depth::Existence).await;
                    if found.is_ok_and(|found| found.role.is_none()) {
                        return self.refused(FailureCode::PassThroughRoleUnfit, error);
                    }
                    later = Some((error.describe(), false));
                }
                (ErrorKind::Absent, _) => {
                    look = true;
                    later = Some((error.describe(), false));
                }
                (ErrorKind::Malformed, _) => return self.refused(FailureCode::Internal, error),
                (ErrorKind::Busy, _) => later = Some((error.describe(), true)),
                (ErrorKind::Throttled | ErrorKind::Transient, _) => {
                    later = Some((error.describe(), false));
                }
            }
        }
        match later {
            Some((detail, busy)) => StageOutcome::Later { detail, busy },
            None if look => StageOutcome::Look,
            None => StageOutcome::Done,
        }
    }

    fn refused(&self, code: FailureCode, error: &IamError) -> StageOutcome {
        StageOutcome::Refused(Box::new(self.failure(code, error.describe())))
    }

    async fn activate(
        &mut self,
        desired: &Desired,
        usable_later: bool,
        calls: usize,
    ) -> Result<Turn, Interrupted> {
        let first = self.known.applied_generation.is_none();
        let withdrawn = self.withdraws();
        let action = match (first, withdrawn) {
            (true, _) => EventAction::Provisioned,
            (false, true) => EventAction::Withdrawn,
            (false, false) => EventAction::Updated,
        };
        if !withdrawn {
            self.known.last_error = None;
        }
        if let Desired::Present {
            role: Some(role), ..
        } = desired
        {
            self.known.policy = Some(as_written(&role.policy));
        }
        if let ModeSpec::PassThrough(pass) = &self.known.spec.mode {
            let arn = pass.iam_role.arn();
            self.known.role = Some(RoleRecord {
                name: pass.iam_role.name().clone(),
                path: arn.as_ref().map(|arn| arn.path.clone()),
                arn: arn.map(|arn| arn.to_string()),
                id: None,
            });
            if let Some(name) = &pass.instance_profile {
                let name = name.clone();
                self.known.profile = Some(ProfileRecord {
                    name,
                    arn: None,
                    id: None,
                    managed: false,
                });
            }
        }
        if first || usable_later {
            let wait = if usable_later {
                EC2_PROPAGATION
            } else {
                Duration::ZERO
            };
            self.known.usable_after = Some(self.later(wait));
        }
        self.known.state = State::Active;
        self.known.attempts = 0;
        self.known.applied_generation = Some(self.known.generation);
        self.known.applied_spec = Some(self.known.spec.clone());
        self.known.unapplied_tags.clear();
        info!(cluster = %self.known.cluster, generation = self.known.generation, calls, "role is active");
        let target = self.target();
        let ours = target.role.is_some() || target.profile.is_some();
        let window = self.inner.store.consistency_window();
        let read_back = ours.then(|| self.later(window + spread(window / 4)));
        let due_at = read_back.max(self.known.writes_settle_at.filter(|_| ours));
        let event = self.event(action, json!({ "calls": calls }));
        self.rest(Some(event), due_at).await
    }

    /// Takes a refused intent back: what was half-made goes again, or what was before comes back.
    pub(crate) async fn refuse(&mut self, failure: Failure) -> Result<Turn, Interrupted> {
        let event = self.refusal_event(&failure);
        info!(cluster = %self.known.cluster, code = failure.code.as_str(), detail = failure.detail, "refused");
        if !self.withdraws() {
            self.known.last_error = Some(failure);
        }
        match &self.known.applied_spec {
            None => {
                self.known.state = State::Failed;
                self.known.attempts = 0;
                self.keep(Some(event)).await
            }
            Some(applied) if *applied != self.known.spec => {
                let refused = std::mem::replace(&mut self.known.spec, applied.clone());
                let sent = refused.tags.iter().map(|(key, _)| key.to_owned());
                self.known.unapplied_tags.extend(sent);
                self.count_unseen();
                let withdrawn = self
                    .inner
                    .store
                    .withdraw(&mut self.claim, &self.known, &event)
                    .await?;
                self.after(withdrawn, Some(event.action), true)
            }
            Some(_) => {
                // Even what was before can't be written again. The next check says in what
                // IAM differs, and tries again.
                self.known.state = State::Active;
                self.known.applied_generation = Some(self.known.generation);
                let due_at = self.later(self.inner.settings.reconcile_interval);
                self.rest(Some(event), Some(due_at)).await
            }
        }
    }

    fn refusal_event(&self, failure: &Failure) -> Event {
        let detail = json!({
            "code": failure.code,
            "reason": failure.detail,
            "missing_permissions": failure.missing_permissions,
        });
        self.event(EventAction::Refused, detail)
    }

    fn unwritable(&self, error: &RolePolicyError) -> Failure {
        let code = match error {
            RolePolicyError::TooLarge { .. } => FailureCode::PolicyTooLarge,
            RolePolicyError::Unproved(_)
            | RolePolicyError::KeyNotConfined { .. }
            | RolePolicyError::Template(_)
            | RolePolicyError::Invalid(_) => FailureCode::Internal,
        };
        self.failure(code, error.to_string())
    }

    fn name_taken(&self, obstacle: &Obstacle) -> Failure {
        self.failure(FailureCode::NameTaken, obstacle.to_string())
    }
}
