//! The gateway: the only owner of the client to AWS.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use engine_roles_domain::account::{AccountId, Scope};
use engine_roles_domain::cluster::{Defaults, Mode, RoleRequest};
use engine_roles_domain::identity::{Need, Standing};
use engine_roles_domain::prepared::HeldRole;
use engine_roles_domain::resources::{Applied, CallKind, Observed, ResourcePath, RoleName, Step};
use engine_roles_iam::{
    Call, Caller, CallerError, Depth, ErrorKind, Gate, GatedIam, Iam, IamError, Listed, QuotaUsage,
    RolePage, Service, Target,
};
use engine_roles_store::{BudgetLimits, Store};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::aws::budget::{Budget, Grant, Purpose, Urgency};
use crate::aws::lessons::Lessons;
use crate::aws::recent::{AwsHealth, RecentAnswers};

/// On what terms calls may be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    /// The account whose call budget they use.
    pub(crate) account: &'a AccountId,
    pub(crate) urgency: Urgency,
    /// No call begins later.
    pub(crate) until: Instant,
}

impl<'a> Terms<'a> {
    /// A caller waits, at most this long, until calls may be made.
    pub(crate) fn interactive(account: &'a AccountId, wait: Duration) -> Self {
        Self {
            account,
            urgency: Urgency::Interactive,
            until: Instant::now() + wait,
        }
    }

    /// An account task waits, at most this long, until calls may be made.
    pub(crate) fn sweep(account: &'a AccountId, wait: Duration) -> Self {
        Self {
            account,
            urgency: Urgency::Sweep,
            until: Instant::now() + wait,
        }
    }
}

/// The only way to AWS. Each call is admitted by the call budget, counted, and its answer noted:
/// throttling slows all replicas down, and a denial is a lesson about our permissions.
pub(crate) struct Gateway {
    iam: Iam,
    store: Store,
    budget: Budget,
    lessons: Lessons,
    recent: RecentAnswers,
    account: OnceCell<Scope>,
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
            lessons: Lessons::default(),
            recent: RecentAnswers::default(),
            account: OnceCell::new_with(configured),
        }
    }

    /// Returns what AWS allowed and denied in the course of work.
    pub(crate) fn lessons(&self) -> &Lessons {
        &self.lessons
    }

    /// Returns how AWS answered lately.
    pub(crate) fn health(&self) -> AwsHealth {
        self.recent.health()
    }

    /// Returns how long one call may take in all.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.iam.call_timeout()
    }

    /// Sends one step, once.
    pub(crate) async fn apply(&self, step: &Step, terms: Terms<'_>) -> Result<Applied, IamError> {
        let not_sent = || IamError::not_sent(step.action(), &step.target());
        let iam = self.admit(terms, CallKind::Write, 1).await;
        let result = iam.ok_or_else(not_sent)?.apply(step).await;
        self.lessons.note_step(step, &result);
        result
    }

    /// Reads what exists at AWS.
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
        let not_sent = || IamError::not_sent("GetRole", "what exists");
        iam.ok_or_else(not_sent)?.observe(target, depth).await
    }

    /// Reads a role with all documents that decide what it may do; none where it does not exist.
    pub(crate) async fn held_role(
        &self,
        name: &RoleName,
        terms: Terms<'_>,
    ) -> Result<Option<HeldRole>, IamError> {
        let iam = self.admit(terms, CallKind::Read, 4).await;
        let not_sent = || IamError::not_sent("GetRole", &format!("role {name}"));
        iam.ok_or_else(not_sent)?.held_role(name).await
    }

    /// Lists all roles and instance profiles under a path.
    pub(crate) async fn list_owned(
        &self,
        path: &ResourcePath,
        terms: Terms<'_>,
    ) -> Result<Vec<Listed>, IamError> {
        let iam = self.admit(terms, CallKind::Read, 2).await;
        let not_sent = || IamError::not_sent("ListRoles", path.as_str());
        iam.ok_or_else(not_sent)?.list_owned(path).await
    }

    /// Reads a page of all roles of the account with what depends on them.
    pub(crate) async fn role_page(
        &self,
        after: Option<&str>,
        terms: Terms<'_>,
    ) -> Result<RolePage, IamError> {
        let iam = self.admit(terms, CallKind::Read, 1).await;
        let not_sent = || IamError::not_sent("GetAccountAuthorizationDetails", "the account");
        iam.ok_or_else(not_sent)?.role_page(after).await
    }

    /// Reads the account's quotas and how much of them is used.
    pub(crate) async fn quota_usage(&self, terms: Terms<'_>) -> Result<QuotaUsage, IamError> {
        let iam = self.admit(terms, CallKind::Read, 1).await;
        let not_sent = || IamError::not_sent("GetAccountSummary", "the account");
        iam.ok_or_else(not_sent)?.quota_usage().await
    }

    /// Asks IAM's simulator what a principal may do.
    pub(crate) async fn simulate(
        &self,
        principal: &str,
        needs: &[Need],
        terms: Terms<'_>,
    ) -> Result<Vec<Standing>, IamError> {
        let iam = self.admit(terms, CallKind::Read, 1).await;
        let not_sent = || IamError::not_sent("SimulatePrincipalPolicy", principal);
        iam.ok_or_else(not_sent)?.simulate(principal, needs).await
    }

    /// Makes a read to see whether it is allowed; none for an action that is no read.
    pub(crate) async fn try_read(
        &self,
        action: &str,
        name: &RoleName,
        terms: Terms<'_>,
    ) -> Option<Standing> {
        self.through(terms, None).try_read(action, name).await
    }

    /// Asks STS who we are; needs no permission, and counts against no budget of IAM's.
    pub(crate) async fn caller(&self) -> Result<Caller, CallerError> {
        self.iam.through(StsOnly(self)).caller().await
    }

    /// Returns the account and partition in which this service works, if they are known already.
    pub(crate) fn known_account(&self) -> Option<&Scope> {
        self.account.get()
    }

    /// Returns the account and partition in which this service works, asked of STS where they are
    /// not known.
    pub(crate) async fn account(&self) -> Result<&Scope, CallerError> {
        let ask = || async { self.caller().await.map(|caller| caller.scope) };
        self.account.get_or_try_init(ask).await
    }

    /// Returns account and partition for a request. Where STS can't be reached, the ARN of a role
    /// that is passed names them itself, so that pass-through works without any call.
    pub(crate) async fn account_for(
        &self,
        request: &RoleRequest,
        defaults: &Defaults,
    ) -> Result<Scope, CallerError> {
        if let Some(known) = self.known_account() {
            return Ok(known.clone());
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
        match self.account().await {
            Ok(scope) => Ok(scope.clone()),
            Err(error) => named.ok_or(error),
        }
    }

    /// Returns the client with this many calls reserved, so that what they read together is read
    /// or not read as a whole. Further calls are admitted one by one.
    async fn admit<'a>(
        &'a self,
        terms: Terms<'a>,
        kind: CallKind,
        calls: u8,
    ) -> Option<GatedIam<'a, Admission<'a>>> {
        let grant = self.acquire(terms, kind, calls).await?;
        let calls = AtomicU8::new(calls);
        let reserved = Some(Reserved { kind, calls, grant });
        Some(self.through(terms, reserved))
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

    async fn acquire(&self, terms: Terms<'_>, kind: CallKind, calls: u8) -> Option<Grant> {
        let Terms {
            account,
            urgency,
            until,
        } = terms;
        let purpose = Purpose { kind, urgency };
        self.budget
            .acquire(&self.store, account, purpose, calls, until)
            .await
    }
}

/// Admits calls within the account's budget.
struct Admission<'a> {
    gateway: &'a Gateway,
    terms: Terms<'a>,
    /// None where each call is admitted by itself.
    reserved: Option<Reserved>,
}

/// Calls that were admitted together, and are not made yet.
struct Reserved {
    kind: CallKind,
    calls: AtomicU8,
    grant: Grant,
}

impl Reserved {
    /// Returns whether a call is one of those that are reserved.
    fn take(&self, kind: CallKind) -> bool {
        let one_less = |left: u8| left.checked_sub(1);
        let relaxed = Ordering::Relaxed;
        kind == self.kind && self.calls.fetch_update(relaxed, relaxed, one_less).is_ok()
    }
}

impl Gate for Admission<'_> {
    async fn admit(&self, call: Call) -> bool {
        if call.service == Service::Sts {
            return true;
        }
        let reserved = self.reserved.as_ref();
        if reserved.is_some_and(|reserved| reserved.take(call.kind)) {
            return true;
        }
        let grant = self.gateway.acquire(self.terms, call.kind, 1).await;
        grant.is_some()
    }

    async fn answered(&self, call: Call, error: Option<&IamError>) {
        let Gateway {
            budget,
            store,
            recent,
            ..
        } = self.gateway;
        recent.note(call, error);
        if error.is_some_and(|error| error.kind == ErrorKind::Throttled) {
            budget.throttled(store, self.terms.account, call.kind).await;
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

/// Admits calls to STS alone: for the time in which the account, and so its budget, is not known.
struct StsOnly<'a>(&'a Gateway);

impl Gate for StsOnly<'_> {
    async fn admit(&self, call: Call) -> bool {
        call.service == Service::Sts
    }

    async fn answered(&self, call: Call, error: Option<&IamError>) {
        self.0.recent.note(call, error);
    }
}
