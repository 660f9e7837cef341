//! Proof of an AWS identity: a request `GetCallerIdentity` that the identity has signed, as Vault's AWS
//! method and the tokens of EKS use it. Whoever has the request can't do anything else with it.
//!
//! What a caller sends is never forwarded. The caller names the parts of the signature; this module
//! checks them, and builds the request anew: its host follows from the region in the signature, its
//! method, path, body and headers are constants, and one signed header names the service, so that a
//! request for another service is of no use here. The signature covers all of it. Sources: the IAM User
//! Guide, "AWS Signature Version 4 for API requests"; CVE-2020-16250 and CVE-2020-16251 (Vault), where a
//! caller chose more of the request; CVE-2022-2385 (aws-iam-authenticator), where a caller named a part
//! twice.

mod check;
mod send;
mod sign;

use std::fmt;

use engine_roles_domain::account::Region;

pub use check::{NotAccepted, SignedLogin};
pub use send::{Identified, NotIdentified};
pub use sign::{SignError, sign_login};

/// The signed header that names the service for which a request was signed.
pub const SERVER_HEADER: &str = "x-engine-roles-server";
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// What a caller sends to prove its identity: headers of its signed request. `Debug` shows no header.
#[derive(Clone)]
pub struct LoginHeaders {
    /// The header `Authorization`.
    pub authorization: String,
    /// The header `X-Amz-Date`.
    pub date: String,
    /// The header `X-Amz-Security-Token`; none for the key of a user.
    pub security_token: Option<String>,
    /// The header [`SERVER_HEADER`].
    pub server: String,
}

impl fmt::Debug for LoginHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginHeaders").finish_non_exhaustive()
    }
}

/// Returns the names of the headers that must be signed, as a signature lists them.
fn signed_headers(has_token: bool) -> &'static str {
    if has_token {
        "content-type;host;x-amz-date;x-amz-security-token;x-engine-roles-server"
    } else {
        "content-type;host;x-amz-date;x-engine-roles-server"
    }
}

/// Returns the host of STS in a region; none for a region of no supported partition.
fn host(region: &Region) -> Option<String> {
    let suffix = region.partition()?.dns_suffix();
    Some(format!("sts.{region}.{suffix}"))
}
