//! Signs requests with which AWS identities log in, and others that must not be accepted.
//!
//! The signature is computed here anew, as the IAM User Guide describes it ("Create a signed AWS API
//! request"), so that a test can sign anything.

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::HEXLOWER;
use engine_roles_iam_sandbox::Identity;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::rds_login::hmac;

/// The name of the service in these tests.
pub const SERVER: &str = "roles.test";
/// The ARN of a session of the role `manager`.
pub const SESSION_ARN: &str = "arn:aws:sts::123456789012:assumed-role/manager/i-0123456789abcdef0";
/// The ARN of that role, with a path, as an administrator configures it.
pub const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/teams/manager";
/// The ARN of a user.
pub const USER_ARN: &str = "arn:aws:iam::123456789012:user/ops/ann";

/// Returns an identity whose keys end in this character. A session has a token, a user has none.
pub fn identity(arn: &str, key: char) -> Identity {
    let suffix = |length: usize| key.to_string().repeat(length);
    Identity {
        arn: arn.to_owned(),
        access_key_id: format!("AKIALOGIN{}", suffix(11)),
        secret_access_key: format!("SecretOfTheLogin{}", suffix(24)),
        session_token: arn
            .contains(":sts:")
            .then(|| format!("SessionTokenOfTheLogin/+={}", suffix(100))),
    }
}

/// A request that an identity signs. By default it is one that is accepted.
#[derive(Clone, Debug)]
pub struct Signing {
    pub identity: Identity,
    pub server: String,
    pub region: String,
    pub service: String,
    pub host: String,
    pub method: &'static str,
    pub path: &'static str,
    pub body: String,
    pub content_type: &'static str,
    pub at: DateTime<Utc>,
    /// Whether the header with the server's name is signed.
    pub signs_server: bool,
    /// A further header that is signed.
    pub also: Option<(&'static str, &'static str)>,
}

impl Signing {
    pub fn new(identity: &Identity) -> Self {
        Self {
            identity: identity.clone(),
            server: SERVER.to_owned(),
            region: "us-west-2".to_owned(),
            service: "sts".to_owned(),
            host: "sts.us-west-2.amazonaws.com".to_owned(),
            method: "POST",
            path: "/",
            body: "Action=GetCallerIdentity&Version=2011-06-15".to_owned(),
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            at: Utc::now(),
            signs_server: true,
            also: None,
        }
    }

    /// Signs so many seconds from now; a negative number is in the past.
    #[must_use]
    pub fn in_seconds(mut self, seconds: i64) -> Self {
        self.at = Utc::now() + TimeDelta::seconds(seconds);
        self
    }

    /// Signs the request, and returns the body of the login.
    pub fn login(&self) -> Value {
        let date = self.at.format("%Y%m%dT%H%M%SZ").to_string();
        let mut headers = vec![
            ("content-type", self.content_type),
            ("host", self.host.as_str()),
            ("x-amz-date", &date),
        ];
        if self.signs_server {
            headers.push(("x-engine-roles-server", &self.server));
        }
        let token = self.identity.session_token.as_deref();
        headers.extend(token.map(|token| ("x-amz-security-token", token)));
        headers.extend(self.also);
        headers.sort_unstable();
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"));
        let lines = lines.collect::<Vec<_>>().concat();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let hash = |text: &str| HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
        let (method, path) = (self.method, self.path);
        let canonical = format!("{method}\n{path}\n\n{lines}\n{names}\n{}", hash(&self.body));
        let scope = format!(
            "{}/{}/{}/aws4_request",
            &date[..8],
            self.region,
            self.service
        );
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(&canonical));
        let secret = format!("AWS4{}", self.identity.secret_access_key).into_bytes();
        let key = scope.split('/').fold(secret, |key, part| hmac(&key, part));
        let signature = HEXLOWER.encode(&hmac(&key, &text));
        let mut login = json!({
            "authorization": format!(
                "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, \
                 Signature={signature}",
                self.identity.access_key_id
            ),
            "date": date,
            "server": self.server,
        });
        if let Some(token) = token {
            login["security_token"] = json!(token);
        }
        login
    }
}
