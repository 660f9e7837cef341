//! Who we are at AWS.

use engine_roles_domain::{AccountId, Partition, Scope};

use crate::client::call;
use crate::error::CallKind;
use crate::{Iam, IamError};

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

impl Iam {
    /// Account and partition of our own identity, by STS; needs no permission.
    ///
    /// # Errors
    /// When STS does not answer, or answers what can't be read.
    pub async fn caller_scope(&self) -> Result<Scope, CallerError> {
        let request = self.sts.get_caller_identity();
        let answer = call(
            "GetCallerIdentity",
            CallKind::Read,
            "our own identity",
            request.send(),
        )
        .await?;
        let account = answer
            .account()
            .and_then(|text| AccountId::parse(text).ok());
        let partition = answer.arn().and_then(|arn| arn.split(':').nth(1));
        let partition = partition.and_then(Partition::parse);
        match (account, partition) {
            (Some(account), Some(partition)) => Ok(Scope { account, partition }),
            _ => Err(CallerError::Unreadable),
        }
    }
}
