//! What gives a machine its credentials: the metadata service of EC2 (version 2), the endpoint of a
//! container, and STS for a web identity token.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{TimeDelta, Utc};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufStream};
use tokio::net::TcpStream;

use crate::aws_proxy::http::{Request, Response};
use crate::loopback::LoopbackServer;

const SECRET: &str = "wJalrXUtnFEMI";

/// A server on loopback that answers in place of all three. Dropping this value ends it.
#[derive(Debug)]
pub struct CredentialSource {
    server: LoopbackServer,
    access_key: Arc<Mutex<String>>,
    lifetime: Arc<AtomicI64>,
}

impl CredentialSource {
    /// Starts a source that gives this access key.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn start(access_key: &str) -> Self {
        let access_key = Arc::new(Mutex::new(access_key.to_owned()));
        let lifetime = Arc::new(AtomicI64::new(6 * 60 * 60));
        let (key, left) = (Arc::clone(&access_key), Arc::clone(&lifetime));
        let server = LoopbackServer::start(move |caller| {
            let (key, left) = (Arc::clone(&key), Arc::clone(&left));
            async move { serve(caller, &key, &left).await }
        });
        Self {
            server: server.await,
            access_key,
            lifetime,
        }
    }

    /// Gives this access key from now on.
    pub fn give(&self, access_key: &str) {
        let held = self.access_key.lock();
        access_key.clone_into(&mut held.unwrap_or_else(PoisonError::into_inner));
    }

    /// Gives credentials that expire within seconds, so that the SDK asks again for each call.
    pub fn expire_soon(&self) {
        self.lifetime.store(5, Ordering::Relaxed);
    }

    /// The URL of the server, with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }
}

async fn serve(
    stream: TcpStream,
    access_key: &Mutex<String>,
    lifetime: &AtomicI64,
) -> std::io::Result<()> {
    let mut stream = BufStream::new(stream);
    while !stream.fill_buf().await?.is_empty() {
        let Some(request) = Request::read(&mut stream).await? else {
            return Ok(());
        };
        let held = access_key
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let lifetime = TimeDelta::seconds(lifetime.load(Ordering::Relaxed));
        answer(&request, &held, lifetime).write(&mut stream).await?;
    }
    Ok(())
}

fn answer(request: &Request, access_key: &str, lifetime: TimeDelta) -> Response {
    let expires = Utc::now() + lifetime;
    let expires = expires.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let keys = json!({
        "Code": "Success",
        "Type": "AWS-HMAC",
        "LastUpdated": Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        "AccessKeyId": access_key,
        "SecretAccessKey": SECRET,
        "Token": "session",
        "Expiration": expires,
    });
    let instance = "/latest/meta-data/iam/security-credentials/";
    let (status, body) = match (request.path(), request.parameter("Action").as_deref()) {
        ("/latest/api/token", _) => (200, "token".to_owned()),
        (path, _) if path == instance => (200, "service".to_owned()),
        ("/container", _) => (200, keys.to_string()),
        (path, _) if path == format!("{instance}service") => (200, keys.to_string()),
        (_, Some("AssumeRoleWithWebIdentity")) => (200, session(access_key, &expires)),
        (_, Some("GetCallerIdentity")) => (200, IDENTITY.to_owned()),
        _ => (404, String::new()),
    };
    let headers = [
        ("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
        ("x-amzn-requestid", "6f1e9a52-0000-4000-8000-000000000000"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Response {
        status,
        headers: headers.into(),
        body,
    }
}

const IDENTITY: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/engine-roles-service/session</Arn><UserId>AROASERVICE:session</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

fn session(access_key: &str, expires: &str) -> String {
    format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{access_key}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>session</SessionToken><Expiration>{expires}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )
}
