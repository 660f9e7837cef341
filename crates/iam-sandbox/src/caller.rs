use std::collections::HashMap;

use engine_roles_policy as policy;

use crate::account::Account;
use crate::session::Session;

/// The access key of the account's administrator, to whom no policy applies and whose signatures and
/// credentials are always valid. Tests use it for changes that somebody other than the service under
/// test makes.
pub const ADMINISTRATOR_ACCESS_KEY: &str = "AKIASANDBOXADMIN0000";

/// The callers by access key, for the keys that `AssumeRole` returned.
pub(crate) type Sessions = HashMap<String, Caller>;

/// The principal that makes a call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: String,
    /// The ARN of the session.
    pub(crate) arn: String,
    /// The ARN of the session's role.
    pub(crate) role_arn: String,
    pub(crate) user_id: String,
    /// The session that `AssumeRole` returned; none for other callers.
    pub(crate) session: Option<Session>,
}

/// The name of the service's own role, which does not have to exist in the account.
const SERVICE_ROLE: &str = "engine-roles-service";

impl Caller {
    /// Returns the caller with this access key: a session that the sandbox created, otherwise the
    /// service.
    pub(crate) fn of(access_key: Option<&str>, account: &Account, sessions: &Sessions) -> Self {
        let session = access_key.and_then(|key| sessions.get(key));
        session.map_or_else(|| Self::service(account), Self::clone)
    }

    /// Returns the identity of the service under test.
    pub(crate) fn service(account: &Account) -> Self {
        let Account { id, partition, .. } = account;
        Self {
            account: id.clone(),
            arn: format!("arn:{partition}:sts::{id}:assumed-role/{SERVICE_ROLE}/session"),
            role_arn: account.arn("role", "/", SERVICE_ROLE),
            user_id: "AROASANDBOXSERVICEAAA:session".to_owned(),
            session: None,
        }
    }

    /// Returns the condition keys that every request of the caller to a region has.
    pub(crate) fn context(&self, region: &str) -> policy::Context {
        policy::Context::new()
            .with("aws:PrincipalAccount", &self.account)
            .with("aws:PrincipalArn", &self.role_arn)
            .with("aws:PrincipalType", "AssumedRole")
            .with("aws:userid", &self.user_id)
            .with("aws:RequestedRegion", region)
            .with("aws:SecureTransport", "true")
    }
}
