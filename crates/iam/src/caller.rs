//! Who we are at AWS.

use engine_roles_domain::account::{AccountId, Partition, Scope};
use engine_roles_domain::resources::{CallKind, RoleName};

use crate::IamError;
use crate::gate::{Call, Gate, GatedIam, Service};

/// Why it is not known who we are.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// STS did not say.
    #[error("STS did not say who we are")]
    Call(#[from] IamError),
    /// STS's answer has no account or a partition that this version does not know.
    #[error("STS's answer names no account and partition that this version knows")]
    Unreadable,
}

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Account and partition.
    pub scope: Scope,
    /// The ARN of our identity: a role's session, or a user.
    pub arn: String,
}

impl Caller {
    /// The name of the role whose session we are; none for a user.
    pub fn role_name(&self) -> Option<RoleName> {
        let (_, session) = self.arn.split_once(":assumed-role/")?;
        let (role, _) = session.split_once('/')?;
        RoleName::parse(role).ok()
    }

    /// The ARN of the role or user whose policies count. A session's ARN says nothing of its
    /// role's path, so a role is taken to have none.
    pub fn principal_arn(&self) -> String {
        match self.role_name() {
            Some(role) => {
                let Scope { account, partition } = &self.scope;
                format!("arn:{partition}:iam::{account}:role/{role}")
            }
            None => self.arn.clone(),
        }
    }
}

impl<G: Gate> GatedIam<'_, G> {
    /// Account and partition of our own identity, by STS; needs no permission.
    ///
    /// # Errors
    /// As [`GatedIam::caller`].
    pub async fn caller_scope(&self) -> Result<Scope, CallerError> {
        self.caller().await.map(|caller| caller.scope)
    }

    /// Our own identity, by STS; needs no permission.
    ///
    /// # Errors
    /// When STS does not answer, or answers what can't be read.
    pub async fn caller(&self) -> Result<Caller, CallerError> {
        let request = self.iam.sts.get_caller_identity();
        let call = Call {
            service: Service::Sts,
            action: "GetCallerIdentity",
            kind: CallKind::Read,
        };
        let answer = self.send(call, "our own identity", request.send()).await?;
        let account = answer
            .account()
            .and_then(|text| AccountId::parse(text).ok());
        let partition = answer.arn().and_then(|arn| arn.split(':').nth(1));
        let partition = partition.and_then(Partition::parse);
        match (account, partition, answer.arn) {
            (Some(account), Some(partition), Some(arn)) => Ok(Caller {
                scope: Scope { account, partition },
                arn,
            }),
            _ => Err(CallerError::Unreadable),
        }
    }
}
