//! The account's quotas and their usage.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine_roles_domain::account::AccountId;
use engine_roles_domain::cluster::{ModeSpec, RoleSpec};
use engine_roles_iam::QuotaUsage;
use tokio::time::Instant;

use crate::aws::gateway::{Gateway, Terms};
use crate::aws::optional::{OptionalFeature, OptionalFeatures};

/// How long a reading of the quotas is used.
const FRESH: Duration = Duration::from_mins(5);
/// How long a caller waits for the call budget.
const BUDGET_WAIT: Duration = Duration::from_secs(5);

/// The last reading of the account's quotas, so that a request can be rejected before a provision
/// begins. Without the permission to read them, no request is rejected because of a quota.
pub(crate) struct AccountQuota {
    gateway: Arc<Gateway>,
    optional: Arc<OptionalFeatures>,
    last: Mutex<Option<(Instant, QuotaUsage)>>,
}

impl AccountQuota {
    /// How often the quotas are read, so that a reading is never stale.
    pub(crate) const READ_INTERVAL: Duration = Duration::from_secs(150);

    pub(crate) fn new(gateway: Arc<Gateway>, optional: Arc<OptionalFeatures>) -> Self {
        Self {
            gateway,
            optional,
            last: Mutex::default(),
        }
    }

    /// Returns whether a quota was used up at the last reading.
    pub(crate) fn is_used_up(&self) -> bool {
        let usage = self.fresh();
        usage.is_some_and(|usage| usage.is_used_up_for(true, true))
    }

    /// Returns the usage if a quota is used up for a resource that a spec needs; none if it is not, or
    /// the usage is not known. Reads the quotas again before it returns a usage.
    pub(crate) async fn without_room_for(
        &self,
        spec: &RoleSpec,
        account: &AccountId,
    ) -> Option<QuotaUsage> {
        let (role, profile) = match &spec.mode {
            ModeSpec::Create(_) => (true, true),
            ModeSpec::PassThrough(pass) => (false, pass.instance_profile.is_none()),
        };
        self.fresh()
            .filter(|usage| usage.is_used_up_for(role, profile))?;
        let usage = self.read_now(account).await?;
        usage.is_used_up_for(role, profile).then_some(usage)
    }

    /// Reads the quotas for a caller that waits for the result.
    pub(crate) async fn read_now(&self, account: &AccountId) -> Option<QuotaUsage> {
        self.read(Terms::interactive(account, BUDGET_WAIT)).await
    }

    /// Reads the quotas. Returns none when that fails.
    pub(crate) async fn read(&self, terms: Terms<'_>) -> Option<QuotaUsage> {
        let usage = self.gateway.quota_usage(terms).await;
        self.optional
            .note(OptionalFeature::Quota, usage.as_ref().map(drop));
        let usage = usage.ok()?;
        metrics::gauge!("engine_roles_account_roles").set(usage.roles);
        metrics::gauge!("engine_roles_account_role_quota").set(usage.roles_quota);
        metrics::gauge!("engine_roles_account_instance_profiles").set(usage.profiles);
        metrics::gauge!("engine_roles_account_instance_profile_quota").set(usage.profiles_quota);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), usage));
        Some(usage)
    }

    fn fresh(&self) -> Option<QuotaUsage> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = last.filter(|(at, _)| at.elapsed() < FRESH);
        fresh.map(|(_, usage)| usage)
    }
}
