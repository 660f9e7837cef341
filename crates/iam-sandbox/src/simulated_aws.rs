use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use engine_roles_policy::{Document, Kind, PolicyError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::account::Account;
use crate::authorization::not_allowed;
use crate::caller::{ADMINISTRATOR_ACCESS_KEY, Caller, Sessions};
use crate::clock::Clock;
use crate::config::{Quotas, SandboxConfig};
use crate::context::Context;
use crate::errors::ApiError;
use crate::faults::{Effect, Faults, When};
use crate::operations::Action;
use crate::service::Service;
use crate::throttle::Throttle;
use crate::wire::Params;
use crate::xml::Xml;

/// The simulated AWS: its accounts, and the settings of its behaviour.
pub(crate) struct SimulatedAws {
    /// Accounts by id; the current account is always present.
    accounts: BTreeMap<String, Account>,
    account_id: String,
    partition: String,
    unknown_path: String,
    sessions: Sessions,
    identity_policy: Option<Document>,
    pub(crate) latency: Duration,
    pub(crate) stale_reads: Duration,
    pub(crate) stale_writes: bool,
    pub(crate) throttle: Option<Throttle>,
    pub(crate) quotas: Quotas,
    pub(crate) faults: Faults,
    rng: StdRng,
}

impl SimulatedAws {
    /// # Errors
    /// Returns an error if the identity policy is not a valid permissions policy.
    pub(crate) fn new(config: &SandboxConfig, clock: &Clock) -> Result<Self, PolicyError> {
        let rate = config.rate;
        let mut aws = Self {
            accounts: BTreeMap::new(),
            account_id: config.account_id.clone(),
            partition: config.partition.clone(),
            unknown_path: config.unknown_path.clone(),
            sessions: HashMap::new(),
            identity_policy: None,
            latency: config.latency,
            stale_reads: config.stale_reads,
            stale_writes: config.stale_writes,
            throttle: rate.map(|rate| Throttle::new(rate, config.burst, clock.now())),
            quotas: config.quotas,
            faults: Faults::default(),
            rng: StdRng::seed_from_u64(config.seed.unwrap_or_else(rand::random)),
        };
        aws.set_identity_policy(config.identity_policy.as_ref())?;
        aws.switch_account(&config.account_id);
        Ok(aws)
    }

    pub(crate) fn account(&self) -> &Account {
        &self.accounts[&self.account_id]
    }

    /// Switches to another account, which is empty if the sandbox has not used it before.
    pub(crate) fn switch_account(&mut self, id: &str) {
        let partition = &self.partition;
        self.accounts
            .entry(id.to_owned())
            .or_insert_with(|| Account::new(id, partition));
        id.clone_into(&mut self.account_id);
    }

    /// Deletes all accounts, faults and sessions.
    pub(crate) fn reset(&mut self) {
        self.accounts.clear();
        self.sessions.clear();
        self.faults = Faults::default();
        self.switch_account(&self.account_id.clone());
    }

    /// # Errors
    /// Returns an error if the text is not a permissions policy.
    pub(crate) fn set_identity_policy(
        &mut self,
        policy: Option<&Value>,
    ) -> Result<(), PolicyError> {
        let parse = |policy| Document::from_value(Kind::Identity, policy);
        self.identity_policy = policy.map(parse).transpose()?;
        Ok(())
    }

    /// Admits a call and returns the fault that affects it, if any.
    ///
    /// # Errors
    /// `Throttling` if the account's calls are used up.
    pub(crate) fn admit(
        &mut self,
        action: &str,
        service: Service,
        params: &Params,
        now: Duration,
    ) -> Result<Option<(When, Effect)>, ApiError> {
        if service == Service::Iam
            && let Some(throttle) = &mut self.throttle
            && !throttle.admit(now)
        {
            return Err(ApiError::injected("Throttling"));
        }
        Ok(self.faults.take(action, params, &mut self.rng))
    }

    /// Performs a call.
    ///
    /// # Errors
    /// The error that AWS would return.
    pub(crate) fn perform(
        &mut self,
        action: Action,
        params: &Params,
        access_key: Option<&str>,
        clock: &Clock,
    ) -> Result<Option<Xml>, ApiError> {
        let now = clock.now();
        let account = self.accounts.get_mut(&self.account_id);
        let account = account.expect("the current account is always present");
        let caller = Caller::of(access_key, account, &self.sessions);
        let bound = access_key != Some(ADMINISTRATOR_ACCESS_KEY);
        let stale = action.reads || self.stale_writes && !action.creates;
        let age = if stale && !self.stale_reads.is_zero() {
            // Never 0, so that with a frozen clock no stale read sees what was just written.
            let nanosecond = Duration::from_nanos(1);
            self.rng.random_range(nanosecond..=self.stale_reads)
        } else {
            Duration::ZERO
        };
        let mut context = Context {
            account,
            sessions: &mut self.sessions,
            rng: &mut self.rng,
            quotas: &self.quotas,
            identity_policy: self.identity_policy.as_ref().filter(|_| bound),
            caller,
            now,
            date: clock.date(now),
            view: now.saturating_sub(age),
            horizon: now.saturating_sub(self.stale_reads),
            unknown_path: &self.unknown_path,
        };
        (action.handle)(params, &mut context)
    }

    /// Returns the error that a fault injects.
    pub(crate) fn injected(
        &self,
        code: &str,
        action: &str,
        service: Service,
        access_key: Option<&str>,
    ) -> ApiError {
        if code != "AccessDenied" {
            return ApiError::injected(code);
        }
        let caller = Caller::of(access_key, self.account(), &self.sessions);
        not_allowed(&caller, &format!("{}:{action}", service.prefix()), "*")
    }

    /// Returns a request id in AWS's format.
    pub(crate) fn request_id(&mut self) -> String {
        let id = format!("{:032x}", self.rng.random::<u128>());
        let parts = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]];
        parts.join("-")
    }
}
