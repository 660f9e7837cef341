use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use engine_roles_policy::PolicyError;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::account::Account;
use crate::authorization::not_allowed;
use crate::caller::{ADMINISTRATOR_ACCESS_KEY, Caller, Sessions};
use crate::clock::Clock;
use crate::config::{Quotas, SandboxConfig};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::errors::ApiError;
use crate::faults::{Effect, Faults, When};
use crate::layers::{Policies, PolicyLayer};
use crate::operations::Action;
use crate::service::Service;
use crate::signature::Signature;
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
    policies: Policies,
    pub(crate) policy_arns: bool,
    role_policies: bool,
    pub(crate) credentials: Credentials,
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
    /// Returns the layer whose policy is not valid, and why.
    pub(crate) fn new(
        config: &SandboxConfig,
        clock: &Clock,
    ) -> Result<Self, (PolicyLayer, PolicyError)> {
        let rate = config.rate;
        let mut aws = Self {
            accounts: BTreeMap::new(),
            account_id: config.account_id.clone(),
            partition: config.partition.clone(),
            unknown_path: config.unknown_path.clone(),
            sessions: HashMap::new(),
            policies: Policies::default(),
            policy_arns: config.policy_arns,
            role_policies: config.role_policies,
            credentials: Credentials::default(),
            latency: config.latency,
            stale_reads: config.stale_reads,
            stale_writes: config.stale_writes,
            throttle: rate.map(|rate| Throttle::new(rate, config.burst, clock.now())),
            quotas: config.quotas,
            faults: Faults::default(),
            rng: StdRng::seed_from_u64(config.seed.unwrap_or_else(rand::random)),
        };
        for layer in PolicyLayer::ALL {
            let set = aws.set_policy(layer, config.policy(layer));
            set.map_err(|error| (layer, error))?;
        }
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

    /// Adds resources to the current account, as the state shows them.
    pub(crate) fn restore(&mut self, state: &Value, clock: &Clock) {
        let now = clock.now();
        let account = self.accounts.get_mut(&self.account_id);
        let account = account.expect("the current account is always present");
        account.restore(state, now, clock.date(now));
    }

    /// Deletes all accounts, faults and sessions, and accepts every access key again.
    pub(crate) fn reset(&mut self) {
        self.accounts.clear();
        self.sessions.clear();
        self.faults = Faults::default();
        self.credentials = Credentials::default();
        self.switch_account(&self.account_id.clone());
    }

    /// Sets the policy of a layer; without one, the layer allows everything.
    ///
    /// # Errors
    /// Returns an error if the policy is not valid.
    pub(crate) fn set_policy(
        &mut self,
        layer: PolicyLayer,
        policy: Option<&Value>,
    ) -> Result<(), PolicyError> {
        self.policies.set(layer, policy)
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
            return Err(ApiError::of_code("Throttling"));
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
        signature: &Signature,
        clock: &Clock,
    ) -> Result<Option<Xml>, ApiError> {
        let access_key = signature.access_key.as_deref();
        let is_administrator = access_key == Some(ADMINISTRATOR_ACCESS_KEY);
        if !is_administrator {
            signature.check_region(action.service, &self.partition)?;
            let is_session = access_key.is_some_and(|key| self.sessions.contains_key(key));
            self.credentials.check(access_key, is_session)?;
        }
        let now = clock.now();
        let identity = self.credentials.identity(access_key);
        if let Some(identity) = identity {
            signature.verify(identity, clock.date(now))?;
        }
        let account = self.accounts.get_mut(&self.account_id);
        let account = account.expect("the current account is always present");
        let caller = match identity {
            Some(identity) => identity.caller(),
            None => Caller::of(access_key, account, &self.sessions),
        };
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
            policies: &self.policies,
            policy_arns: self.policy_arns,
            role_policies: self.role_policies,
            caller,
            is_administrator,
            region: signature.requested_region(action.service, &self.partition),
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
            return ApiError::of_code(code);
        }
        let caller = Caller::of(access_key, self.account(), &self.sessions);
        let action = format!("{}:{action}", service.prefix());
        not_allowed(PolicyLayer::Identity, &caller, &action, "*")
    }

    /// Returns a request id in AWS's format.
    pub(crate) fn request_id(&mut self) -> String {
        let id = format!("{:032x}", self.rng.random::<u128>());
        let parts = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]];
        parts.join("-")
    }
}
