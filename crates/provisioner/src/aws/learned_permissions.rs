//! Permissions learned from ordinary calls: what AWS allowed or denied this service's identity.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine_roles_domain::identity::{Need, Standing};
use engine_roles_domain::resources::{Applied, RoleName, Step};
use engine_roles_iam::{ErrorKind, IamError};

/// How long a learned permission is used unless a later answer contradicts it.
const REMEMBERED: Duration = Duration::from_hours(1);
/// How long a denial of `CreateRole` influences the order of a plan.
const FRESH: Duration = Duration::from_mins(1);

const CREATE_ROLE: &str = "iam:CreateRole";
const PASS_ROLE: &str = "iam:PassRole";
const GET_ROLE: &str = "iam:GetRole";

/// What was learned about each action. `PassRole` and `GetRole` are kept for each pass-through role
/// separately, because AWS may allow an action on one role and deny it on another.
#[derive(Debug, Default)]
pub(crate) struct LearnedPermissions {
    learned: Mutex<HashMap<(String, Option<String>), LearnedPermission>>,
}

/// Whether AWS last allowed or denied an action.
#[derive(Clone, Debug)]
pub(crate) struct LearnedPermission {
    pub(crate) standing: Standing,
    pub(crate) at: Instant,
}

impl LearnedPermissions {
    /// Records what the answer to a step shows about our permissions.
    pub(crate) fn note_step(&self, step: &Step, result: &Result<Applied, IamError>) {
        let passed = match step {
            // A role that this service created has the same name as its profile.
            Step::AddRoleToInstanceProfile { profile, role } => {
                (role.as_str() != profile.as_str()).then(|| role.to_string())
            }
            _ => None,
        };
        match result {
            Ok(Applied::Unseen) => {}
            Ok(_) => {
                self.learn(&format!("iam:{}", step.action()), None, Standing::Allowed);
                if matches!(step, Step::AddRoleToInstanceProfile { .. }) {
                    self.learn(PASS_ROLE, passed, Standing::Allowed);
                }
            }
            Err(error) if error.kind == ErrorKind::Denied => {
                let permission = error.missing_permission.as_deref().unwrap_or_default();
                let about = passed.filter(|_| permission == PASS_ROLE);
                let denied = Standing::Denied(error.denied_by.as_deref().cloned());
                self.learn(permission, about, denied);
            }
            Err(_) => {}
        }
    }

    /// Forgets that AWS denied a step.
    pub(crate) fn forget_denial(&self, step: &Step) {
        let action = (format!("iam:{}", step.action()), None);
        let mut learned = self.lock();
        let is_denied = learned
            .get(&action)
            .is_some_and(|last| last.standing != Standing::Allowed);
        if is_denied {
            learned.remove(&action);
        }
    }

    /// Records what the answer to a read of a pass-through role shows about our permissions.
    pub(crate) fn note_read<T>(&self, role: &RoleName, result: &Result<T, IamError>) {
        let standing = match result {
            Ok(_) => Standing::Allowed,
            Err(error) if error.kind == ErrorKind::Denied => {
                Standing::Denied(error.denied_by.as_deref().cloned())
            }
            Err(_) => return,
        };
        self.learn(GET_ROLE, Some(role.to_string()), standing);
    }

    /// Returns whether AWS last allowed or denied a permission that we need; none when nothing was
    /// learned about it in the last hour.
    pub(crate) fn about(&self, need: &Need) -> Option<LearnedPermission> {
        let ours = need.resource.contains("/ai-unlimited/engine/");
        let prepared = need.resource.rsplit('/').next().map(str::to_owned);
        let is_kept_by_role = matches!(need.action, PASS_ROLE | GET_ROLE);
        if !is_kept_by_role && !ours && need.resource != "*" {
            // The answer to a read of a role under our path shows nothing about other roles, nor the
            // reverse.
            return None;
        }
        let about = prepared.filter(|_| is_kept_by_role && !ours);
        let learned = self.lock();
        let last = learned.get(&(need.action.to_owned(), about)).cloned();
        last.filter(|last| last.at.elapsed() < REMEMBERED)
    }

    /// Returns whether AWS denied `CreateRole` within the last minute. A plan then creates the role
    /// first and alone, so that no instance profile is created only to be removed again.
    pub(crate) fn is_create_role_denied(&self) -> bool {
        let learned = self.lock();
        let last = learned.get(&(CREATE_ROLE.to_owned(), None));
        last.is_some_and(|last| last.standing != Standing::Allowed && last.at.elapsed() < FRESH)
    }

    fn learn(&self, action: &str, about: Option<String>, standing: Standing) {
        let at = Instant::now();
        self.lock().insert(
            (action.to_owned(), about),
            LearnedPermission { standing, at },
        );
    }

    fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<(String, Option<String>), LearnedPermission>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
