use std::collections::HashMap;

use engine_roles_policy as policy;

use crate::account::Account;

/// The access key of the account's administrator, whom the identity's policy does not bind: for
/// what others do beside a service under test.
pub const ADMINISTRATOR_ACCESS_KEY: &str = "AKIASANDBOXADMIN0000";

/// Who has which access key, of those that `AssumeRole` gave out.
pub(crate) type Sessions = HashMap<String, Caller>;

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: String,
    /// The ARN of the session.
    pub(crate) arn: String,
    /// The ARN of the session's role.
    pub(crate) role_arn: String,
    pub(crate) user_id: String,
}

/// The name of the service's own role, which the account need not hold.
const SERVICE_ROLE: &str = "engine-roles-service";

impl Caller {
    /// Whose key it is: a session's that the sandbox gave out, else the service's.
    pub(crate) fn of(access_key: Option<&str>, account: &Account, sessions: &Sessions) -> Self {
        let session = access_key.and_then(|key| sessions.get(key));
        session.map_or_else(|| Self::service(account), Self::clone)
    }

    /// The service, which the sandbox is there for.
    pub(crate) fn service(account: &Account) -> Self {
        let Account { id, partition, .. } = account;
        Self {
            account: id.clone(),
            arn: format!("arn:{partition}:sts::{id}:assumed-role/{SERVICE_ROLE}/session"),
            role_arn: account.arn("role", "/", SERVICE_ROLE),
            user_id: "AROASANDBOXSERVICEAAA:session".to_owned(),
        }
    }

    /// The condition keys that each of its requests has.
    pub(crate) fn context(&self) -> policy::Context {
        policy::Context::new()
            .with("aws:PrincipalAccount", &self.account)
            .with("aws:PrincipalArn", &self.role_arn)
            .with("aws:PrincipalType", "AssumedRole")
            .with("aws:userid", &self.user_id)
            .with("aws:RequestedRegion", "us-east-1")
            .with("aws:SecureTransport", "true")
    }
}
