use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::account::Account;
use crate::caller::{Caller, Sessions};
use crate::config::Quotas;
use crate::errors::ApiError;
use crate::instance_profile::InstanceProfile;
use crate::layers::Policies;
use crate::managed_policy::ManagedPolicy;
use crate::names::Name;
use crate::role::Role;

/// The state that one call reads and changes, and the time of the call.
pub(crate) struct Context<'a> {
    pub(crate) account: &'a mut Account,
    pub(crate) sessions: &'a mut Sessions,
    pub(crate) rng: &'a mut StdRng,
    pub(crate) quotas: &'a Quotas,
    pub(crate) policies: &'a Policies,
    /// Whether messages of explicit denials name the policy.
    pub(crate) policy_arns: bool,
    /// Whether a session is decided by the policies of its role.
    pub(crate) role_policies: bool,
    pub(crate) caller: Caller,
    /// Whether the caller is the account's administrator, to whom no policy applies.
    pub(crate) is_administrator: bool,
    /// The region of the endpoint.
    pub(crate) region: &'a str,
    pub(crate) now: Duration,
    pub(crate) date: DateTime<Utc>,
    /// The time as of which this call reads.
    pub(crate) view: Duration,
    /// The oldest time as of which any call may still read.
    pub(crate) horizon: Duration,
    /// The path assumed in the ARN of a resource that does not exist.
    pub(crate) unknown_path: &'a str,
}

impl Context<'_> {
    /// Returns a role as this call sees it.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) fn role(&self, name: &Name) -> Result<Arc<Role>, ApiError> {
        let role = self.account.roles.at(&name.key(), self.view);
        role.cloned().ok_or_else(|| no_role(name))
    }

    /// Returns an instance profile as this call sees it.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) fn instance_profile(&self, name: &Name) -> Result<Arc<InstanceProfile>, ApiError> {
        let profile = self.account.instance_profiles.at(&name.key(), self.view);
        profile.cloned().ok_or_else(|| no_profile(name))
    }

    /// Returns a managed policy as this call sees it.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) fn policy(&self, arn: &str) -> Result<Arc<ManagedPolicy>, ApiError> {
        let policy = self.account.policy_at(arn, self.view).cloned();
        policy.ok_or_else(|| ApiError::absent(format!("Policy {arn} was not found.")))
    }

    /// Changes the current version of a role. A write with an old view does not find a role that is
    /// newer than the view; a role that it finds is changed in its current version.
    ///
    /// # Errors
    /// `NoSuchEntity`, or the error of `change`.
    pub(crate) fn change_role(
        &mut self,
        name: &Name,
        change: impl FnOnce(&mut Role) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let mut role = Role::clone(&*self.role_to_write(name)?);
        change(&mut role)?;
        self.put_role(&name.key(), Some(role));
        Ok(())
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) fn role_to_write(&self, name: &Name) -> Result<Arc<Role>, ApiError> {
        self.role(name)?;
        let role = self.account.roles.current(&name.key());
        role.cloned().ok_or_else(|| no_role(name))
    }

    /// Changes an instance profile, by the same rules as [`Context::change_role`].
    ///
    /// # Errors
    /// `NoSuchEntity`, or the error of `change`.
    pub(crate) fn change_instance_profile(
        &mut self,
        name: &Name,
        change: impl FnOnce(&mut InstanceProfile) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let mut profile = InstanceProfile::clone(&*self.instance_profile_to_write(name)?);
        change(&mut profile)?;
        self.put_instance_profile(&name.key(), Some(profile));
        Ok(())
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) fn instance_profile_to_write(
        &self,
        name: &Name,
    ) -> Result<Arc<InstanceProfile>, ApiError> {
        self.instance_profile(name)?;
        let profile = self.account.instance_profiles.current(&name.key());
        profile.cloned().ok_or_else(|| no_profile(name))
    }

    pub(crate) fn put_role(&mut self, key: &str, role: Option<Role>) {
        let role = role.map(Arc::new);
        self.account.roles.put(key, self.now, self.horizon, role);
    }

    pub(crate) fn put_instance_profile(&mut self, key: &str, profile: Option<InstanceProfile>) {
        let (now, profile) = (self.now, profile.map(Arc::new));
        let profiles = &mut self.account.instance_profiles;
        profiles.put(key, now, self.horizon, profile);
    }

    /// Returns a unique id in IAM's format: a prefix such as `AROA`, then 17 characters.
    pub(crate) fn unique_id(&mut self, prefix: &str) -> String {
        prefix.to_owned() + &self.random(17)
    }

    /// Returns `length` random capital letters and digits.
    pub(crate) fn random(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut char = || char::from(ALPHABET[self.rng.random_range(0..32)]);
        (0..length).map(|_| char()).collect()
    }
}

pub(crate) fn no_role(name: &Name) -> ApiError {
    let name = name.as_str();
    ApiError::absent(format!("The role with name {name} cannot be found."))
}

fn no_profile(name: &Name) -> ApiError {
    let name = name.as_str();
    ApiError::absent(format!("Instance Profile {name} cannot be found."))
}
