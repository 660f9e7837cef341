//! Logins with an AWS identity.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text::{
    AwsDate, AwsSignature, ClusterName, IdentityArn, PrincipalArn, ServerName, SessionToken, Token,
    Word,
};

/// A request to STS, `POST https://sts.REGION.amazonaws.com/` with the body
/// `Action=GetCallerIdentity&Version=2011-06-15`, that the AWS identity has signed (Signature Version 4): the
/// headers that make the signature. The service builds the request from them and sends it to STS.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsLogin {
    /// The header `Authorization`. Its `SignedHeaders` are exactly `content-type`
    /// (`application/x-www-form-urlencoded; charset=utf-8`), `host`, `x-amz-date`, `x-amz-security-token`
    /// if there is one, and `x-engine-roles-server`.
    #[schema(value_type = AwsSignature)]
    pub authorization: String,
    /// The header `X-Amz-Date`: at most 15 minutes ago.
    #[schema(value_type = AwsDate)]
    pub date: String,
    /// The header `X-Amz-Security-Token`; absent for the access key of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SessionToken>)]
    pub security_token: Option<String>,
    /// The header `X-Engine-Roles-Server`: the name of this service, as its administrator has set it.
    #[schema(value_type = ServerName)]
    pub server: String,
}

impl fmt::Debug for AwsLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsLogin")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// A token that stands for an AWS identity for some minutes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AwsToken {
    /// The token, to be sent as `Authorization: Bearer TOKEN` like an API key.
    #[schema(value_type = Token)]
    pub token: String,
    /// When the token stops being valid. Log in again before.
    #[serde(with = "crate::time")]
    pub expires_at: DateTime<Utc>,
    /// The identity as STS states it, which the audit log shows as the actor.
    #[schema(value_type = IdentityArn)]
    pub arn: String,
    /// The role or the user to which the administrator gave the scopes, without the path of a role.
    #[schema(value_type = PrincipalArn)]
    pub principal: String,
    /// What the token permits: `provision`, `read` and `audit`.
    #[schema(value_type = Vec<Word>, max_items = 8)]
    pub scopes: Vec<String>,
    /// The first characters of the names of the clusters to which the token is limited; null for all
    /// clusters.
    #[schema(value_type = Option<ClusterName>)]
    pub cluster_prefix: Option<String>,
}

impl fmt::Debug for AwsToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsToken")
            .field("arn", &self.arn)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
