use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::http::{HeaderMap, Method, Uri, header};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::credentials::Identity;
use crate::errors::ApiError;

/// How far the date of a signature may be from AWS's clock.
const VALID_FOR: TimeDelta = TimeDelta::minutes(15);

/// What the signature of a request (version 4, in headers) is computed from.
///
/// Source: IAM User Guide, "Create a signed AWS API request".
#[derive(Clone, Debug, Default)]
pub(crate) struct SignedRequest {
    date: String,
    /// Date, region, service and `aws4_request`.
    scope: String,
    canonical: String,
    signature: String,
    token: Option<String>,
}

impl SignedRequest {
    /// Reads a request; none where it has no signature in its headers.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let authorization = text(header::AUTHORIZATION.as_str())?;
        let members = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?.split(',');
        let members: BTreeMap<&str, &str> = members
            .filter_map(|member| member.trim().split_once('='))
            .collect();
        let (_, scope) = members.get("Credential")?.split_once('/')?;
        let names = members.get("SignedHeaders")?;
        let signed = names.split(';').map(|name| {
            let values = headers.get_all(name).iter();
            let values = values.map(|value| value.to_str().unwrap_or_default().trim());
            format!("{name}:{}\n", values.collect::<Vec<_>>().join(","))
        });
        let mut query: Vec<&str> = uri.query().unwrap_or_default().split('&').collect();
        query.sort_unstable();
        let canonical = format!(
            "{method}\n{}\n{}\n{}\n{names}\n{}",
            uri.path(),
            query.join("&"),
            signed.collect::<String>(),
            hex(&Sha256::digest(body)),
        );
        Some(Self {
            date: text("x-amz-date")?.to_owned(),
            scope: scope.to_owned(),
            canonical,
            signature: (*members.get("Signature")?).to_owned(),
            token: text("x-amz-security-token").map(str::to_owned),
        })
    }

    /// Checks that an identity has signed the request, and recently.
    ///
    /// # Errors
    /// `InvalidClientTokenId` for another session token, else `SignatureDoesNotMatch`.
    pub(crate) fn verify(&self, identity: &Identity, now: DateTime<Utc>) -> Result<(), ApiError> {
        if self.token != identity.session_token {
            return Err(ApiError::of_code("InvalidClientTokenId"));
        }
        let signed_at = NaiveDateTime::parse_from_str(&self.date, DATE);
        let Ok(signed_at) = signed_at.map(|at| at.and_utc()) else {
            return Err(ApiError::of_code("SignatureDoesNotMatch"));
        };
        check_age(signed_at, now)?;
        let digest = hex(&Sha256::digest(self.canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{digest}", self.date, self.scope);
        let secret = format!("AWS4{}", identity.secret_access_key).into_bytes();
        let parts = self.scope.split('/');
        let key = parts.fold(secret, |key, part| hmac(&key, part));
        if hex(&hmac(&key, &text)) != self.signature || !self.scope.starts_with(&self.date[..8]) {
            return Err(ApiError::of_code("SignatureDoesNotMatch"));
        }
        Ok(())
    }
}

const DATE: &str = "%Y%m%dT%H%M%SZ";

fn check_age(signed_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), ApiError> {
    let text = |at: DateTime<Utc>| at.format(DATE).to_string();
    let (oldest, newest) = (now - VALID_FOR, now + VALID_FOR);
    let message = if signed_at < oldest {
        format!(
            "Signature expired: {} is now earlier than {} ({} - 15 min.)",
            text(signed_at),
            text(oldest),
            text(now),
        )
    } else if signed_at > newest {
        format!(
            "Signature not yet current: {} is still later than {} ({} + 15 min.)",
            text(signed_at),
            text(newest),
            text(now),
        )
    } else {
        return Ok(());
    };
    Err(ApiError::new("SignatureDoesNotMatch", message))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.expect("a key of HMAC may have any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String can't fail");
        text
    })
}
