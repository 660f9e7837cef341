use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::errors::ApiError;

/// Which access keys AWS accepts. By default it accepts every key. Keys that `AssumeRole` returned
/// are always known.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Credentials {
    /// The keys that AWS knows; `None` means every key. Any other key is answered like one of
    /// [`Credentials::unknown`], and a request that is not signed with
    /// `MissingAuthenticationToken`.
    pub valid: Option<Vec<String>>,
    /// The keys whose session token has expired: `ExpiredToken`.
    pub expired: Vec<String>,
    /// The keys that AWS does not know: `InvalidClientTokenId`.
    pub unknown: Vec<String>,
    /// Identities with keys whose signatures are verified. Their keys are always known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<Identity>,
}

/// An identity at AWS, of any account, and an access key whose signatures are verified as AWS does.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The ARN that `GetCallerIdentity` returns.
    pub arn: String,
    /// The id of the access key.
    pub access_key_id: String,
    /// The secret of the access key.
    pub secret_access_key: String,
    /// The session token that each request must have; none for the key of a user.
    #[serde(default)]
    pub session_token: Option<String>,
}

impl Identity {
    pub(crate) fn caller(&self) -> Caller {
        let account = self.arn.split(':').nth(4).unwrap_or_default();
        Caller {
            account: account.to_owned(),
            arn: self.arn.clone(),
            role_arn: self.arn.clone(),
            user_id: "AIDASANDBOXIDENTITYAA".to_owned(),
            session: None,
        }
    }
}

impl Credentials {
    /// Returns the identity to which an access key belongs.
    pub(crate) fn identity(&self, access_key: Option<&str>) -> Option<&Identity> {
        let mut identities = self.identities.iter();
        identities.find(|identity| Some(identity.access_key_id.as_str()) == access_key)
    }

    /// Checks an access key; `is_session` says that `AssumeRole` returned it.
    ///
    /// # Errors
    /// `ExpiredToken`, `InvalidClientTokenId`, `MissingAuthenticationToken`.
    pub(crate) fn check(&self, access_key: Option<&str>, is_session: bool) -> Result<(), ApiError> {
        let Some(access_key) = access_key else {
            return match self.valid {
                Some(_) => Err(ApiError::of_code("MissingAuthenticationToken")),
                None => Ok(()),
            };
        };
        let contains = |keys: &Vec<String>| keys.iter().any(|key| key == access_key);
        if contains(&self.expired) {
            return Err(ApiError::of_code("ExpiredToken"));
        }
        let is_always_known = is_session || self.identity(Some(access_key)).is_some();
        let is_known = is_always_known || self.valid.as_ref().is_none_or(contains);
        if contains(&self.unknown) || !is_known {
            return Err(ApiError::of_code("InvalidClientTokenId"));
        }
        Ok(())
    }
}
