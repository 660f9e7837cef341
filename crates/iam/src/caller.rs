//! The service's own identity at AWS.

use engine_roles_domain::account::{AccountId, Partition, Scope};
use engine_roles_domain::resources::{CallKind, RoleName};

use crate::IamError;
use crate::gate::{Call, Gate, GatedIam, Service};

/// Why our own identity is not known.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// The call to STS failed.
    #[error("STS did not return this service's identity")]
    Call(#[from] IamError),
    /// STS's answer has no account, or a partition that this release does not support.
    #[error("STS's answer has no account, or a partition that this release does not support")]
    Unreadable,
}

/// Our own identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account and partition of our identity.
    pub scope: Scope,
    /// The ARN of our identity, of a role session or of a user.
    pub arn: String,
}

impl Caller {
    /// Returns the name of the role whose session we use; none for a user.
    pub fn role_name(&self) -> Option<RoleName> {
        let (_, session) = self.arn.split_once(":assumed-role/")?;
        let (role, _) = session.split_once('/')?;
        RoleName::parse(role).ok()
    }

    /// Returns the ARN of the role or user whose policies apply. A session's ARN does not contain
    /// the role's path, so the role is assumed to have none.
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
    /// Asks STS for the account and partition of our own identity. The call needs no permission.
    ///
    /// # Errors
    /// The same as for [`GatedIam::caller`].
    pub async fn caller_scope(&self) -> Result<Scope, CallerError> {
        self.caller().await.map(|caller| caller.scope)
    }

    /// Asks STS for our own identity. The call needs no permission.
    ///
    /// # Errors
    /// When the call fails, or the answer has no account, ARN or supported partition.
    pub async fn caller(&self) -> Result<Caller, CallerError> {
        let request = self.iam.sts().get_caller_identity();
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
