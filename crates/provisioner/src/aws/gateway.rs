//! The gateway, which owns the only client for AWS.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use engine_roles_domain::account::{AccountId, OtherAccount, Scope};
use engine_roles_domain::binding::Rejection;
use engine_roles_domain::cluster::{Defaults, Mode, RoleRequest};
use engine_roles_domain::identity::{Need, Standing};
use engine_roles_domain::prepared::HeldRole;
use engine_roles_domain::resources::{
    Applied, CallKind, Observed, ProfileName, ResourcePath, RoleName, Step,
};
use engine_roles_iam::{
    Call, Caller, CallerError, Depth, ErrorKind, Gate, GatedIam, Iam, IamError, Identified, Listed,
    NotSent, Outcome, QuotaUsage, RolePage, Service, SignedLogin, Target,
};
use engine_roles_store::{BudgetLimits, ReplicaId, Store};
use futures::FutureExt;
use tokio::time::Instant;

use crate::aws::account::{NotConfirmed, Reporter, WorkAccount};
use crate::aws::budget::{Budget, Grant, Purpose, Urgency};
use crate::aws::call_trail::CallTrail;
use crate::aws::learned_permissions::LearnedPermissions;
use crate::aws::logins::{LoginError, Logins};
use crate::aws::recent::{AwsHealth, RecentAnswers};
use crate::error::ProvisionerError;

/// Under which account, how urgently, and until when calls may be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    /// The account whose call budget the calls use.
    pub(crate) account: &'a AccountId,
    pub(crate) urgency: Urgency,
    /// No call begins after this.
    pub(crate) until: Instant,
    /// The replica under whose lease the calls are made; none for reads that need no lease.
    pub(crate) lease_of: Option<ReplicaId>,
    /// Collects the ids that AWS gives the calls; none where no event tells of them.
    pub(crate) trail: Option<&'a CallTrail>,
}

impl<'a> Terms<'a> {
    /// Returns the terms for calls whose result a caller waits for: it waits at most this long for the
    /// call budget.
    pub(crate) fn interactive(account: &'a AccountId, wait: Duration) -> Self {
        Self {
            account,
            urgency: Urgency::Interactive,
            until: Instant::now() + wait,
            lease_of: None,
            trail: None,
        }
    }

    /// Returns the terms for calls of an account task, which waits at most this long for the call
    /// budget.
    pub(crate) fn sweep(account: &'a AccountId, wait: Duration) -> Self {
        Self {
            account,
            urgency: Urgency::Sweep,
            until: Instant::now() + wait,
            lease_of: None,
            trail: None,
        }
    }
}

/// Makes all calls to AWS. The call budget admits each call to IAM, and so does this replica's
/// heartbeat where the call belongs to a lease; each answer is counted, a throttled call lowers the
/// rate of all replicas, and the answers to steps show our permissions.
pub(crate) struct Gateway {
    iam: Iam,
    store: Store,
    budget: Budget,
    learned_permissions: LearnedPermissions,
    /// How AWS answered this replica's calls.
    pub(crate) recent: RecentAnswers,
    account: WorkAccount,
    logins: Logins,
}

impl Gateway {
    pub(crate) fn new(
        iam: Iam,
        store: Store,
        limits: BudgetLimits,
        configured: Option<Scope>,
    ) -> Self {
        Self {
            iam,
            store,
            budget: Budget::new(limits),
            learned_permissions: LearnedPermissions::default(),
            recent: RecentAnswers::default(),
            account: WorkAccount::new(configured),
            logins: Logins::default(),
        }
    }

    /// Returns what the answers to earlier steps showed about our permissions.
    pub(crate) fn learned_permissions(&self) -> &LearnedPermissions {
        &self.learned_permissions
    }

    /// Returns how AWS answered this replica's calls since its start.
    pub(crate) fn health(&self) -> AwsHealth {
        self.recent.health()
    }

    /// Returns the region to whose STS this service sends its own calls.
    pub(crate) fn sts_region(&self) -> &str {
        self.iam.sts_region()
    }

    /// Returns how many seconds this machine's clock was ahead of AWS's at the last answer; none before the
    /// first answer.
    pub(crate) fn clock_ahead(&self) -> Option<i64> {
        self.iam.clock_ahead()
    }

    /// Returns how long one call may take at most.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.iam.call_timeout()
    }

    /// Sends one step to AWS, without retries.
    pub(crate) async fn apply(&self, step: &Step, terms: Terms<'_>) -> Result<Applied, IamError> {
        let not_sent = |reason| IamError::not_sent(step.action(), &step.target(), reason);
        let iam = self.admit(terms, CallKind::Write, 1).await;
        let result = iam.map_err(not_sent)?.apply(step).await;
        self.learned_permissions.note_step(step, &result);
        self.recent.note_step(step, &result);
        result
    }

    /// Forgets that AWS denied a step, because the denial had another cause than our permissions.
    pub(crate) fn forget_denial(&self, step: &Step) {
        self.learned_permissions.forget_denial(step);
        self.recent.forget_denial(step);
    }

    /// Reads which resources of a binding exist at AWS.
    pub(crate) async fn observe(
        &self,
        target: &Target,
        depth: Depth,
        terms: Terms<'_>,
    ) -> Result<Observed, IamError> {
        let role_calls = match depth {
            Depth::Existence => 1,
            Depth::Contents => 2,
            Depth::Dependants => 5,
        };
        let of_role = target.role.as_ref().map_or(0, |_| role_calls);
        let calls = of_role + u8::from(target.profile.is_some());
        let iam = self.admit(terms, CallKind::Read, calls).await;
        let not_sent = |reason| IamError::not_sent("GetRole", "what exists", reason);
        iam.map_err(not_sent)?.observe(target, depth).await
    }

    /// Reads a role and all documents that determine what it may do. With the instance profile through
    /// which engines get the role, reads that too; where it contains another role, returns that role.
    /// Returns none when the role does not exist.
    pub(crate) async fn held_role(
        &self,
        name: &RoleName,
        profile: Option<&ProfileName>,
        terms: Terms<'_>,
    ) -> Result<Option<HeldRole>, IamError> {
        let calls = 4 + u8::from(profile.is_some());
        let iam = self.admit(terms, CallKind::Read, calls).await;
        let not_sent = |reason| IamError::not_sent("GetRole", &format!("role {name}"), reason);
        iam.map_err(not_sent)?.held_role(name, profile).await
    }

    /// Lists all roles and instance profiles under a path.
    pub(crate) async fn list_owned(
        &self,
        path: &ResourcePath,
        terms: Terms<'_>,
    ) -> Result<Vec<Listed>, IamError> {
        let iam = self.admit(terms, CallKind::Read, 2).await;
        let not_sent = |reason| IamError::not_sent("ListRoles", path.as_str(), reason);
        iam.map_err(not_sent)?.list_owned(path).await
    }

    /// Reads a page of all roles of the account with what depends on them.
    pub(crate) async fn role_page(
        &self,
        after: Option<&str>,
        terms: Terms<'_>,
    ) -> Result<RolePage, IamError> {
        let iam = self.admit(terms, CallKind::Read, 1).await;
        let not_sent =
            |reason| IamError::not_sent("GetAccountAuthorizationDetails", "the account", reason);
        iam.map_err(not_sent)?.role_page(after).await
    }

    /// Reads the account's quotas and their usage.
    pub(crate) async fn quota_usage(&self, terms: Terms<'_>) -> Result<QuotaUsage, IamError> {
        let iam = self.admit(terms, CallKind::Read, 1).await;
        let not_sent = |reason| IamError::not_sent("GetAccountSummary", "the account", reason);
        iam.map_err(not_sent)?.quota_usage().await
    }

    /// Asks IAM's simulator what a principal may do.
    pub(crate) async fn simulate(
        &self,
        principal: &str,
        needs: &[Need],
        terms: Terms<'_>,
    ) -> Result<Vec<Standing>, IamError> {
        let iam = self.admit(terms, CallKind::Read, 1).await;
        let not_sent = |reason| IamError::not_sent("SimulatePrincipalPolicy", principal, reason);
        iam.map_err(not_sent)?.simulate(principal, needs).await
    }

    /// Makes a read call to find out whether AWS allows it. Returns none when the action is not a
    /// read that can be tried.
    pub(crate) async fn try_read(
        &self,
        action: &str,
        name: &RoleName,
        terms: Terms<'_>,
    ) -> Option<Standing> {
        self.through(terms, None).try_read(action, name).await
    }

    /// Asks STS for this service's identity. The call needs no permission and uses no call budget.
    pub(crate) async fn caller(&self) -> Result<Caller, CallerError> {
        self.iam.through(StsOnly(self)).caller().await
    }

    /// Asks STS who has signed a request. A stranger can trigger this call, so that it has limits of its
    /// own, and its outcome counts neither as health of AWS nor as an answer about our credentials.
    pub(crate) async fn identify(&self, login: &SignedLogin) -> Result<Identified, LoginError> {
        let _slot = self.logins.admit()?;
        Ok(self.iam.through(StsOnly(self)).identify(login).await?)
    }

    /// Returns the account and partition in which this service works, if they are known: as AWS last
    /// reported them, or else as configured.
    pub(crate) fn known_account(&self) -> Option<Scope> {
        self.account.known()
    }

    /// Returns the account and partition in which this service works, if they are known and are not
    /// another account than the configured one. Nothing in another account is anything of ours.
    pub(crate) fn own_account(&self) -> Option<Scope> {
        let is_ours = self.must_be_configured_account().is_ok();
        self.known_account().filter(|_| is_ours)
    }

    /// Checks that AWS has not reported another account than the configured one.
    pub(crate) fn must_be_configured_account(&self) -> Result<(), OtherAccount> {
        self.account.must_be_configured()
    }

    /// Returns the account and partition of the present credentials. Asks STS if AWS has not reported
    /// them yet.
    pub(crate) async fn confirmed_account(&self) -> Result<Scope, NotConfirmed> {
        self.account.forget_after_key_change(self.key_changes());
        let ask = || {
            let asked = async {
                let caller = self.caller().await?;
                // The question may have made the SDK renew the credentials.
                self.account.forget_after_key_change(self.key_changes());
                Ok(caller.scope)
            };
            asked.boxed()
        };
        Box::pin(self.account.confirmed(ask)).await
    }

    /// Asks STS for the account and partition of the present credentials, even if they are known.
    pub(crate) async fn confirm_account_again(&self) -> Result<Scope, CallerError> {
        let asked_at = std::time::Instant::now();
        let scope = self.caller().await?.scope;
        self.account.forget_after_key_change(self.key_changes());
        self.account.report(Reporter::Sts, scope.clone(), asked_at);
        Ok(scope)
    }

    /// Records the account in an ARN that IAM returned in the answer to a call that began at
    /// `asked_at`.
    pub(crate) fn report_account(&self, scope: Scope, asked_at: std::time::Instant) {
        self.account.forget_after_key_change(self.key_changes());
        self.account.report(Reporter::Arn, scope, asked_at);
    }

    /// Returns how often the access key that calls are signed with has changed.
    pub(crate) fn key_changes(&self) -> u64 {
        self.iam.key_changes()
    }

    /// Checks that an absence which was just read is one in this account: that the present credentials
    /// belong to it, and have been the same since `changes` were counted, before the read.
    pub(crate) async fn confirm_absence(
        &self,
        scope: &Scope,
        changes: u64,
    ) -> Result<(), IamError> {
        let unconfirmed = |why: &str| IamError::unconfirmed("GetRole", "what exists", why);
        let here = self.confirmed_account().await;
        let here = here.map_err(|unknown| unconfirmed(&unknown.to_string()))?;
        if here != *scope {
            return Err(IamError::in_other_account("GetRole", "what exists", None));
        }
        if self.key_changes() != changes {
            return Err(unconfirmed("the credentials were renewed meanwhile"));
        }
        Ok(())
    }

    /// Returns account and partition for a request. If STS can't be reached, they are taken from the
    /// ARN of the role that the request passes, so that pass-through needs no call to AWS.
    pub(crate) async fn account_for(
        &self,
        request: &RoleRequest,
        defaults: &Defaults,
    ) -> Result<Scope, ProvisionerError> {
        self.must_be_configured_account().map_err(Rejection::from)?;
        if let Some(known) = self.known_account() {
            return Ok(known);
        }
        let passed = request.iam_role.as_ref().or(defaults.iam_role.as_ref());
        let passed = passed.filter(|_| request.mode != Some(Mode::Create));
        let entry = passed.and_then(|role| defaults.pass_through_role(role));
        let arn = entry.and_then(|entry| entry.role.arn());
        let named = arn.and_then(|arn| {
            Some(Scope {
                account: arn.account?,
                partition: arn.partition,
            })
        });
        match self.confirmed_account().await {
            Ok(scope) => Ok(scope),
            Err(error) => named.ok_or(error.into()),
        }
    }

    /// Reads the credentials anew: after AWS did not accept them, or while they belong to another
    /// account. They may belong to another one then.
    pub(crate) async fn renew_credentials(&self) {
        if self.iam.renew_credentials().await {
            self.account.forget();
        }
    }

    /// Returns the client with this many calls reserved, so that a read that needs several calls is
    /// never abandoned halfway for lack of budget. Further calls are admitted one by one.
    async fn admit<'a>(
        &'a self,
        terms: Terms<'a>,
        kind: CallKind,
        calls: u8,
    ) -> Result<GatedIam<'a, Admission<'a>>, NotSent> {
        let grant = self.acquire(terms, kind, calls).await?;
        let calls = AtomicU8::new(calls);
        let reserved = Some(Reserved { kind, calls, grant });
        Ok(self.through(terms, reserved))
    }

    fn through<'a>(
        &'a self,
        terms: Terms<'a>,
        reserved: Option<Reserved>,
    ) -> GatedIam<'a, Admission<'a>> {
        self.iam.through(Admission {
            gateway: self,
            terms,
            reserved,
        })
    }

    async fn acquire(&self, terms: Terms<'_>, kind: CallKind, calls: u8) -> Result<Grant, NotSent> {
        let Terms {
            account,
            urgency,
            until,
            lease_of: _,
            trail: _,
        } = terms;
        let purpose = Purpose { kind, urgency };
        let acquiring = self
            .budget
            .acquire(&self.store, account, purpose, calls, until);
        let granted = acquiring.await;
        let waited = granted.map(|grant| grant.has_waited);
        self.recent.calls.note_budget(waited);
        granted.ok_or(NotSent::CallBudget)
    }

    /// Checks that a call may change AWS or, for a read, that its worker may still have its lease:
    /// this replica's heartbeat is fresh, and no other replica has declared it dead since it took the
    /// lease. A read that needs no lease changes nothing, so it may be made at any time.
    fn check_heartbeat(&self, terms: Terms<'_>, kind: CallKind) -> Result<(), NotSent> {
        let may_be_made = match (terms.lease_of, kind) {
            (Some(replica), _) => self.store.current_replica() == Some(replica),
            (None, CallKind::Read) => true,
            (None, CallKind::Write) => false,
        };
        may_be_made.then_some(()).ok_or(NotSent::Heartbeat)
    }
}

/// Admits calls within the account's budget.
struct Admission<'a> {
    gateway: &'a Gateway,
    terms: Terms<'a>,
    /// None when each call is admitted separately.
    reserved: Option<Reserved>,
}

/// Calls that were admitted together and not made yet.
struct Reserved {
    kind: CallKind,
    calls: AtomicU8,
    grant: Grant,
}

impl Reserved {
    /// Uses up one reserved call. Returns false when none of this kind is left.
    fn take(&self, kind: CallKind) -> bool {
        let one_less = |left: u8| left.checked_sub(1);
        let relaxed = Ordering::Relaxed;
        kind == self.kind && self.calls.fetch_update(relaxed, relaxed, one_less).is_ok()
    }
}

impl Gate for Admission<'_> {
    async fn admit(&self, call: Call) -> Result<(), NotSent> {
        if call.service == Service::Sts {
            return Ok(());
        }
        let reserved = self.reserved.as_ref();
        if !reserved.is_some_and(|reserved| reserved.take(call.kind)) {
            self.gateway.acquire(self.terms, call.kind, 1).await?;
        }
        // Checked last: the heartbeat can become stale during the wait for the call budget.
        self.gateway.check_heartbeat(self.terms, call.kind)
    }

    async fn answered(&self, call: Call, outcome: Outcome<'_>) {
        let Outcome { request_id, error } = outcome;
        if let (Some(trail), Some(id)) = (self.terms.trail, request_id) {
            trail.add(id);
        }
        let Gateway {
            budget,
            store,
            recent,
            ..
        } = self.gateway;
        recent.note(call, error);
        match error.map(|error| error.kind) {
            Some(ErrorKind::Throttled) => {
                budget.throttled(store, self.terms.account, call.kind).await;
            }
            Some(ErrorKind::InvalidCredentials) => self.gateway.renew_credentials().await,
            Some(ErrorKind::Denied) => {
                if let Some(scope) = error.and_then(IamError::denied_caller) {
                    let asked_at = std::time::Instant::now();
                    let asked_at = asked_at.checked_sub(self.gateway.call_timeout());
                    if let Some(asked_at) = asked_at {
                        self.gateway.report_account(scope, asked_at);
                    }
                }
            }
            _ => {}
        }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let Some(reserved) = &mut self.reserved else {
            return;
        };
        let (kind, urgency) = (reserved.kind, self.terms.urgency);
        let left = *reserved.calls.get_mut();
        if left > 0 {
            let purpose = Purpose { kind, urgency };
            self.gateway.budget.give_back(purpose, left, reserved.grant);
        }
    }
}

/// Admits only calls to STS: used while the account, and so its call budget, is not known.
struct StsOnly<'a>(&'a Gateway);

impl Gate for StsOnly<'_> {
    async fn admit(&self, call: Call) -> Result<(), NotSent> {
        let is_to_sts = call.service == Service::Sts;
        is_to_sts.then_some(()).ok_or(NotSent::CallBudget)
    }

    async fn answered(&self, call: Call, Outcome { error, .. }: Outcome<'_>) {
        self.0.recent.note(call, error);
        if error.is_some_and(|error| error.kind == ErrorKind::InvalidCredentials) {
            self.0.renew_credentials().await;
        }
    }
}
