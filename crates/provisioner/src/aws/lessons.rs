//! What AWS allowed our identity to do, and what it denied, in the course of work.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine_roles_domain::identity::Need;
use engine_roles_domain::resources::{Applied, Step};
use engine_roles_iam::{ErrorKind, IamError};

/// For how long a lesson is remembered where nothing contradicts it.
const REMEMBERED: Duration = Duration::from_hours(1);
/// For how long a denial of `CreateRole` decides the order of a plan.
const FRESH: Duration = Duration::from_mins(1);

const CREATE_ROLE: &str = "iam:CreateRole";
const PASS_ROLE: &str = "iam:PassRole";

/// What was learned of each action. `PassRole` counts by the role's name, since each prepared
/// role may be passed or not.
#[derive(Debug, Default)]
pub(crate) struct Lessons {
    learned: Mutex<HashMap<(String, Option<String>), Lesson>>,
}

/// What AWS last said to one action.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lesson {
    pub(crate) allowed: bool,
    pub(crate) at: Instant,
}

impl Lessons {
    /// Keeps what the answer to a step tells.
    pub(crate) fn note_step(&self, step: &Step, result: &Result<Applied, IamError>) {
        let passed = match step {
            // A role of our own has the name of its profile.
            Step::AddRoleToInstanceProfile { profile, role } => {
                (role.as_str() != profile.as_str()).then(|| role.to_string())
            }
            _ => None,
        };
        match result {
            Ok(Applied::Unseen) => {}
            Ok(_) => {
                self.learn(&format!("iam:{}", step.action()), None, true);
                if matches!(step, Step::AddRoleToInstanceProfile { .. }) {
                    self.learn(PASS_ROLE, passed, true);
                }
            }
            Err(error) if error.kind == ErrorKind::Denied => {
                let permission = error.missing_permission.as_deref().unwrap_or_default();
                let about = passed.filter(|_| permission == PASS_ROLE);
                self.learn(permission, about, false);
            }
            Err(_) => {}
        }
    }

    /// Returns what AWS last said to an action that we need; none where nothing was learned in the
    /// last hour.
    pub(crate) fn about(&self, need: &Need) -> Option<Lesson> {
        let ours = need.resource.contains("/ai-unlimited/engine/");
        let prepared = need.resource.rsplit('/').next().map(str::to_owned);
        let about = prepared.filter(|_| need.action == PASS_ROLE && !ours);
        if need.action != PASS_ROLE && !ours && need.resource != "*" {
            // A read of somebody's role tells nothing of ours, nor the other way round.
            return None;
        }
        let learned = self.lock();
        let lesson = learned.get(&(need.action.to_owned(), about)).copied();
        lesson.filter(|lesson| lesson.at.elapsed() < REMEMBERED)
    }

    /// Returns whether `CreateRole` was denied a moment ago: a plan then creates the role alone
    /// first, so that no instance profile is made only to be removed again.
    pub(crate) fn is_create_role_denied(&self) -> bool {
        let learned = self.lock();
        let lesson = learned.get(&(CREATE_ROLE.to_owned(), None));
        lesson.is_some_and(|lesson| !lesson.allowed && lesson.at.elapsed() < FRESH)
    }

    fn learn(&self, action: &str, about: Option<String>, allowed: bool) {
        let at = Instant::now();
        self.lock()
            .insert((action.to_owned(), about), Lesson { allowed, at });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, Option<String>), Lesson>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
