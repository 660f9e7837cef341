//! Confirms, before a role that was listed by ARN is passed, that IAM finds this role by its name.
//!
//! A role is passed by its name alone. A role that was deleted and created again under another path has
//! the same name, and would be passed in its place.

use std::sync::Arc;

use engine_roles_domain::account::Scope;
use engine_roles_domain::cluster::{ModeSpec, RoleReference};
use engine_roles_domain::resources::{Plan, RoleName};
use engine_roles_iam::{Depth, IamError, Target};
use engine_roles_store::ReplicaId;
use tokio::time::Instant;

use crate::aws::{CallTrail, Gateway, Terms, Urgency};
use crate::convergence::worker::Worker;

/// A role to confirm before it is passed.
pub(crate) struct PassedRole<'a> {
    listed: RoleReference,
    scope: Scope,
    gateway: &'a Gateway,
    urgency: Urgency,
    until: Instant,
    lease_of: Option<ReplicaId>,
    trail: Arc<CallTrail>,
}

/// Why a role is not passed.
pub(crate) enum Unconfirmed {
    /// IAM finds no role, or another one, by the listed role's name.
    NotTheListedRole(String),
    /// IAM was not read.
    Unread(IamError),
}

impl<'a> PassedRole<'a> {
    /// Returns the role to confirm before this plan is carried out; none where the plan passes no role
    /// that was listed by ARN.
    pub(crate) fn of(worker: &Worker<'a>, plan: &Plan, urgency: Urgency) -> Option<Self> {
        let ModeSpec::PassThrough(pass) = &worker.binding().spec.mode else {
            return None;
        };
        (plan.passes_role() && pass.iam_role.arn().is_some()).then(|| Self {
            listed: pass.iam_role.clone(),
            scope: worker.binding().scope.clone(),
            gateway: &worker.converger().gateway,
            urgency,
            until: worker.latest_call(),
            lease_of: worker.lease().replica(),
            trail: worker.trail(),
        })
    }

    /// Reads the role by its name, with one call, and compares the ARN.
    pub(crate) async fn confirm(self) -> Result<(), Unconfirmed> {
        let name: &RoleName = self.listed.name();
        let target = Target {
            role: Some(name.clone()),
            profile: None,
        };
        let terms = Terms {
            account: &self.scope.account,
            urgency: self.urgency,
            until: self.until,
            lease_of: self.lease_of,
            trail: Some(&self.trail),
        };
        let asked_at = std::time::Instant::now();
        let read = self.gateway.observe(&target, Depth::Existence, terms).await;
        self.gateway.learned_permissions().note_read(name, &read);
        let found = read.map_err(Unconfirmed::Unread)?;
        let shown = found.role.and_then(|role| role.record.arn);
        if let Some(other) = shown.as_deref().and_then(Scope::of_arn)
            && other != self.scope
        {
            self.gateway.report_account(other, asked_at);
            let error = IamError::in_other_account("GetRole", &format!("role {name}"), None);
            return Err(Unconfirmed::Unread(error));
        }
        let listed = self.listed.to_string();
        match shown {
            Some(arn) if arn == listed => Ok(()),
            Some(other) => Err(Unconfirmed::NotTheListedRole(format!(
                "IAM returned role {other} for the name {name}; the administrator listed {listed}"
            ))),
            None => Err(Unconfirmed::NotTheListedRole(format!(
                "role {listed} does not exist"
            ))),
        }
    }
}
