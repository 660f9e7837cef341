use serde::{Deserialize, Serialize};

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
}

impl Credentials {
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
        let is_known = is_session || self.valid.as_ref().is_none_or(contains);
        if contains(&self.unknown) || !is_known {
            return Err(ApiError::of_code("InvalidClientTokenId"));
        }
        Ok(())
    }
}
