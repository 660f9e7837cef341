//! A login that checks what RDS checks of a token, in front of a Postgres that trusts its clients.
//!
//! RDS asks for a password in clear text and takes it as a request to `rds-db` that the AWS identity
//! has signed. Source: the RDS User Guide, "IAM database authentication". The signature is computed
//! here anew, as the AWS General Reference describes it ("Signature Version 4").

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{NaiveDateTime, TimeDelta, Utc};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use crate::administrator::SERVICE_ACCESS_KEY;
use crate::installation::SERVICE_SECRET_KEY;
use crate::loopback::LoopbackServer;
use crate::postgres_proxy::place;

/// The region of the service's identity in these tests.
const REGION: &str = "us-west-2";
/// How long RDS accepts a token.
const VALID_FOR: TimeDelta = TimeDelta::minutes(15);
/// The longest message of a login.
const LONGEST: usize = 10_000;

/// A login on loopback. Dropping this value ends it.
#[derive(Debug)]
pub struct RdsLogin {
    login: LoopbackServer,
    tokens: Arc<Mutex<Tokens>>,
}

#[derive(Debug, Default)]
struct Tokens {
    /// The users who logged in, each with the tokens.
    accepted: BTreeSet<(String, String)>,
    /// Why the others were refused.
    refused: Vec<String>,
    expired: BTreeSet<String>,
}

impl RdsLogin {
    /// Starts a login in front of the server of this URL, which must trust the users.
    ///
    /// # Panics
    /// When the URL is invalid, or no port is free.
    pub async fn start(url: &str) -> Self {
        let server = place(&reqwest::Url::parse(url).expect("the URL is valid"));
        let tokens = Arc::new(Mutex::new(Tokens::default()));
        let kept = Arc::clone(&tokens);
        let login = LoopbackServer::start(move |client| {
            let (server, tokens) = (server.clone(), Arc::clone(&kept));
            async move {
                let address = client.local_addr()?;
                serve(client, &server, address, &tokens).await
            }
        });
        Self {
            login: login.await,
            tokens,
        }
    }

    /// The URL of a database for a user without a password.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!(
            "postgres://{user}@{}/{database}?sslmode=disable",
            self.login.address()
        )
    }

    /// How many different tokens of this user were accepted.
    pub fn accepted(&self, user: &str) -> usize {
        let tokens = self.lock();
        tokens.accepted.iter().filter(|(it, _)| it == user).count()
    }

    /// Why logins were refused.
    pub fn refused(&self) -> Vec<String> {
        self.lock().refused.clone()
    }

    /// Refuses from now on all tokens that were accepted so far.
    pub fn expire_tokens(&self) {
        let mut tokens = self.lock();
        let accepted = tokens.accepted.iter().map(|(_, token)| token.clone());
        let accepted: Vec<String> = accepted.collect();
        tokens.expired.extend(accepted);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// The messages: PostgreSQL documentation, "Message Formats".
async fn serve(
    mut client: TcpStream,
    server: &str,
    address: SocketAddr,
    tokens: &Mutex<Tokens>,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let startup = message(&mut client).await?;
    // AuthenticationCleartextPassword.
    client.write_all(b"R\0\0\0\x08\0\0\0\x03").await?;
    let kind = client.read_u8().await?;
    let password = message(&mut client).await?;
    let user = user_of(&startup[8..]);
    let token = text(&password[4..]);
    let checked = {
        let mut tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let checked = if kind != b'p' {
            Err("the client sent no password".to_owned())
        } else if tokens.expired.contains(&token) {
            Err("the token has expired".to_owned())
        } else {
            check(&token, address, &user)
        };
        match &checked {
            Ok(()) => {
                tokens.accepted.insert((user.clone(), token));
            }
            Err(reason) => tokens.refused.push(reason.clone()),
        }
        checked
    };
    if checked.is_err() {
        let fields =
            format!("SFATAL\0VFATAL\0C28P01\0MPAM authentication failed for \"{user}\"\0\0");
        let length = u32::try_from(fields.len() + 4).unwrap_or_default();
        client.write_u8(b'E').await?;
        client.write_u32(length).await?;
        client.write_all(fields.as_bytes()).await?;
        return client.shutdown().await;
    }
    let mut server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    server.write_all(&startup).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// Reads a message with its length field, which includes itself.
async fn message(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let whole = usize::try_from(length).unwrap_or_default();
    let mut message = vec![0; whole.clamp(4, LONGEST)];
    message[..4].copy_from_slice(&length.to_be_bytes());
    from.read_exact(&mut message[4..]).await?;
    Ok(message)
}

fn text(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the user in the parameters of a startup message.
fn user_of(parameters: &[u8]) -> String {
    let mut parts = parameters.split(|byte| *byte == 0);
    parts.find(|name| *name == b"user");
    parts.next().map(text).unwrap_or_default()
}

/// Checks a token. The error says what is wrong with it.
fn check(token: &str, address: SocketAddr, user: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}: {token}"));
    let Some((place, query)) = token.split_once("/?") else {
        return wrong("no request");
    };
    if place != address.to_string() {
        return wrong("another server");
    }
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut parameters: BTreeMap<&str, &str> = pairs.collect();
    let signature = parameters.remove("X-Amz-Signature").unwrap_or_default();
    let date = parameters.get("X-Amz-Date").copied().unwrap_or_default();
    let signed_at = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ");
    let age = signed_at.map(|at| Utc::now().naive_utc() - at);
    if !age.is_ok_and(|age| age >= TimeDelta::seconds(-1) && age < VALID_FOR) {
        return wrong("another time");
    }
    let scope = format!("{}/{REGION}/rds-db/aws4_request", &date[..8]);
    let credential = format!("{SERVICE_ACCESS_KEY}/{scope}").replace('/', "%2F");
    for (name, expected) in [
        ("Action", "connect"),
        ("DBUser", user),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Expires", "900"),
        ("X-Amz-SignedHeaders", "host"),
    ] {
        if parameters.get(name) != Some(&expected) {
            return wrong(name);
        }
    }
    let sorted = parameters
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let sorted = sorted.collect::<Vec<_>>().join("&");
    let empty = HEXLOWER.encode(&Sha256::digest(b""));
    let request = format!("GET\n/\n{sorted}\nhost:{place}\n\nhost\n{empty}");
    let digest = HEXLOWER.encode(&Sha256::digest(request.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
    let secret = format!("AWS4{SERVICE_SECRET_KEY}").into_bytes();
    let key = scope.split('/').fold(secret, |key, part| hmac(&key, part));
    if HEXLOWER.encode(&hmac(&key, &to_sign)) != signature {
        return wrong("another signature");
    }
    Ok(())
}

/// HMAC with SHA-256, for keys that are not longer than a block. Source: RFC 2104.
pub(crate) fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let padded = |byte: u8| {
        let mut block = [byte; 64];
        for (place, key) in block.iter_mut().zip(key) {
            *place ^= key;
        }
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36));
    let inner = inner.chain_update(text).finalize();
    let outer = Sha256::new().chain_update(padded(0x5c));
    outer.chain_update(inner).finalize().to_vec()
}
