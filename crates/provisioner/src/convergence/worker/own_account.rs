//! Keeps a worker within the binding's own account: in another account nothing of the binding exists, and
//! nothing there is ours.

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::lifecycle::{Lifecycle, Transition};
use engine_roles_domain::resources::{Applied, Observed, Stage};
use engine_roles_iam::{IamError, Target};
use tracing::{error, warn};

use super::{Interrupted, Retry, Turn, Worker};
use crate::aws::Terms;
use crate::backoff::spread;
use crate::convergence::Converger;
use crate::convergence::stage::{Answer, apply_stage};

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
        let due_at = self.later(self.converger.check_interval);
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
        &self,
        stage: &Stage,
        answers: Vec<Answer>,
        asked_at: std::time::Instant,
        terms: Terms<'_>,
    ) -> Vec<Answer> {
        let Converger { gateway, stop, .. } = self.converger;
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
            let removed: Stage = step.undone().into_iter().collect();
            let removed = Box::pin(apply_stage(gateway, &removed, terms, stop)).await;
            let left = removed.into_iter().find_map(Result::err);
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

    /// Checks that what was read is of the binding's account. An absence is only believed if it is
    /// certain that the credentials belong to that account.
    pub(super) async fn confirm_account(
        &self,
        target: &Target,
        observed: &Observed,
        asked_at: std::time::Instant,
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
        let here = match gateway.known_account() {
            Some(known) if !is_absent => known,
            _ => gateway.confirmed_account().await.map_err(|unknown| {
                IamError::unconfirmed("GetRole", "what exists", &unknown.to_string())
            })?,
        };
        let is_ours = here == self.binding.scope;
        let other = || IamError::in_other_account("GetRole", "what exists", None);
        is_ours.then_some(()).ok_or_else(other)
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
