//! Keeps a worker within the binding's own account: in another account nothing of the binding exists, and
//! nothing there is ours.

use std::time::Duration;

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::lifecycle::{Lifecycle, Transition};
use engine_roles_domain::resources::{Applied, Observed, Stage, Step};
use engine_roles_iam::{ErrorKind, IamError, Target};
use tracing::{error, warn};

use super::{CREDENTIALS_RETRY, Interrupted, Retry, Turn, Worker};
use crate::aws::Terms;
use crate::backoff::spread;
use crate::convergence::Converger;
use crate::convergence::stage::{Answer, apply_stage};

/// How often the removal of what was created in another account is tried.
const UNDO_TRIES: u32 = 8;
const UNDO_PAUSE: Duration = Duration::from_secs(1);

impl Worker<'_> {
    /// Releases the lease unless the credentials are those of the binding's account; returns none if
    /// they are. In another account nothing of the binding exists, and nothing there is ours.
    pub(crate) async fn leave_unless_in_own_account(
        &mut self,
    ) -> Result<Option<Turn>, Interrupted> {
        let gateway = &self.converger.gateway;
        let here = match gateway.known_account() {
            // The answers to calls confirm it, before an absence is believed.
            Some(known) => known,
            None => match gateway.confirmed_account().await {
                Ok(confirmed) => confirmed,
                Err(_) if self.needs_no_calls() => return Ok(None),
                Err(unknown) => return self.postpone(unknown.to_string()).await.map(Some),
            },
        };
        let Err(error) = self.binding.scope.must_be(&here) else {
            return Ok(None);
        };
        warn!(
            cluster = %self.binding.cluster,
            error = &error as &dyn std::error::Error,
            "binding belongs to another account; it is not changed",
        );
        // Once the credentials are those of the account again, pending work goes on within seconds.
        let pause = if self.binding.is_intent_pending() {
            CREDENTIALS_RETRY
        } else {
            self.converger.check_interval
        };
        let due_at = self.later(spread(pause));
        self.release(Transition::silent(self.binding.clone()), Some(due_at))
            .await
            .map(Some)
    }

    /// Returns whether AWS has nothing of the binding that is the service's own.
    fn needs_no_calls(&self) -> bool {
        let target = self.target();
        target.role.is_none() && target.profile.is_none()
    }

    /// Tries again when the credentials may be valid.
    async fn postpone(&mut self, reason: String) -> Result<Turn, Interrupted> {
        if matches!(self.binding.lifecycle, Lifecycle::Active { .. }) {
            let due_at = self.later(spread(self.converger.check_interval));
            return self.release_unchanged(Some(due_at)).await;
        }
        self.delay(reason, Retry::WithCredentials).await
    }

    /// Removes what this stage has just created if AWS created it in another account than the
    /// binding's: it is certainly ours, and the service must leave nothing there.
    pub(super) async fn remove_from_other_account(
        &mut self,
        stage: &Stage,
        answers: Vec<Answer>,
        asked_at: std::time::Instant,
        terms: Terms<'_>,
    ) -> Vec<Answer> {
        let gateway = &self.converger.gateway;
        let mut checked = Vec::with_capacity(answers.len());
        for (step, answer) in stage.iter().zip(answers) {
            let created_in = answer.as_ref().ok().and_then(created_in);
            if let Some(scope) = &created_in {
                gateway.report_account(scope.clone(), asked_at);
            }
            let Some(other) = created_in.filter(|scope| *scope != self.binding.scope) else {
                checked.push(answer);
                continue;
            };
            let left = Box::pin(self.undo(step, terms)).await;
            if let Some(error) = &left {
                self.left_in_other_account.push(format!(
                    "{} in account {}: {}",
                    step.target(),
                    other.account,
                    error.describe()
                ));
            }
            error!(
                cluster = %self.binding.cluster,
                account = %other.account,
                left = left.as_ref().map(IamError::describe),
                "AWS created a resource in another account than the binding's; it was removed again"
            );
            checked.push(Err(IamError::in_other_account(
                step.action(),
                &step.target(),
                left,
            )));
        }
        checked
    }

    /// Returns the error of a call. A denial for an identity of another account says nothing about the
    /// permissions in the binding's account.
    pub(super) fn in_own_account(&self, error: IamError) -> IamError {
        match error.denied_caller() {
            Some(caller) if caller != self.binding.scope => {
                IamError::in_other_account(error.action, &error.target, None)
            }
            _ => error,
        }
    }

    /// Undoes a creation. Repeats the removal while AWS does not answer it: nobody would find what is left
    /// in another account. Returns the error of the last attempt where something is left.
    async fn undo(&self, step: &Step, terms: Terms<'_>) -> Option<IamError> {
        let Converger { gateway, stop, .. } = self.converger;
        let removal: Stage = step.undone().into_iter().collect();
        let mut tries = 0;
        loop {
            let removed = apply_stage(gateway, &removal, terms, stop).await;
            let left = removed.into_iter().find_map(Result::err)?;
            tries += 1;
            let may_pass = matches!(
                left.kind,
                ErrorKind::Unanswered | ErrorKind::Transient | ErrorKind::Throttled
            );
            if tries == UNDO_TRIES || !may_pass || stop.is_cancelled() {
                return Some(left);
            }
            tokio::time::sleep(UNDO_PAUSE).await;
        }
    }

    /// Replaces answers that something does not exist, unless the credentials certainly belong to the
    /// binding's account.
    pub(super) async fn confirm_absences(
        &self,
        answers: Vec<Answer>,
        key_changes: u64,
    ) -> Vec<Answer> {
        let is_absence =
            |answer: &Answer| matches!(answer, Ok(Applied::AlreadyGone | Applied::Unseen));
        if !answers.iter().any(is_absence) {
            return answers;
        }
        let gateway = &self.converger.gateway;
        let confirmed = gateway.confirm_absence(&self.binding.scope, key_changes);
        let Err(error) = Box::pin(confirmed).await else {
            return answers;
        };
        let reason = error.describe();
        let checked = answers.into_iter().map(|answer| {
            if is_absence(&answer) {
                Err(IamError::unconfirmed("GetRole", "what exists", &reason))
            } else {
                answer
            }
        });
        checked.collect()
    }

    /// Checks that what was read is of the binding's account. An absence is only believed if it is
    /// certain that the credentials belong to that account.
    pub(super) async fn confirm_account(
        &self,
        target: &Target,
        observed: &Observed,
        (asked_at, key_changes): (std::time::Instant, u64),
    ) -> Result<(), IamError> {
        let gateway = &self.converger.gateway;
        let role = observed.role.as_ref();
        let profile = observed.profile.as_ref();
        let arns = [
            role.and_then(|role| role.record.arn.as_deref()),
            profile.and_then(|profile| profile.record.arn.as_deref()),
        ];
        for scope in arns.into_iter().flatten().filter_map(Scope::of_arn) {
            gateway.report_account(scope, asked_at);
        }
        let is_absent = (target.role.is_some() && role.is_none())
            || (target.profile.is_some() && profile.is_none());
        match gateway.known_account() {
            Some(known) if !is_absent => {
                let is_ours = known == self.binding.scope;
                let other = || IamError::in_other_account("GetRole", "what exists", None);
                is_ours.then_some(()).ok_or_else(other)
            }
            _ => {
                let scope = &self.binding.scope;
                Box::pin(gateway.confirm_absence(scope, key_changes)).await
            }
        }
    }
}

/// Returns the account in which AWS created a resource; none for other answers.
fn created_in(applied: &Applied) -> Option<Scope> {
    let arn = match applied {
        Applied::Role(role) => role.arn.as_deref(),
        Applied::Profile(profile) => profile.arn.as_deref(),
        _ => None,
    };
    Scope::of_arn(arn?)
}
