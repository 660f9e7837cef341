//! In which account and partition this service works.

use engine_roles_domain::account::Scope;
use engine_roles_domain::cluster::{Defaults, Mode, RoleRequest};
use engine_roles_iam::{CallerError, Iam};
use tokio::sync::OnceCell;

/// Account and partition, once they are known.
#[derive(Debug)]
pub(crate) struct ScopeSource {
    known: OnceCell<Scope>,
}

impl ScopeSource {
    pub(crate) fn new(configured: Option<Scope>) -> Self {
        Self {
            known: OnceCell::new_with(configured),
        }
    }

    /// Account and partition, if they are known already.
    pub(crate) fn known(&self) -> Option<&Scope> {
        self.known.get()
    }

    /// Account and partition, asked of STS where they are not known.
    pub(crate) async fn get(&self, iam: &Iam) -> Result<&Scope, CallerError> {
        self.known.get_or_try_init(|| iam.caller_scope()).await
    }

    /// Account and partition for a request. Where STS can't be reached, a role passed by its
    /// ARN says them itself, so that pass-through works without any call.
    pub(crate) async fn of_request(
        &self,
        iam: &Iam,
        request: &RoleRequest,
        defaults: &Defaults,
    ) -> Result<Scope, CallerError> {
        if let Some(known) = self.known() {
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
        match self.get(iam).await {
            Ok(scope) => Ok(scope.clone()),
            Err(error) => named.ok_or(error),
        }
    }
}
