//! How the database is reached: the password, which may change, and a connection pooler.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine_roles_files::FileAccess;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::StoreError;
use crate::database_url::{DatabaseUrl, UrlError};

/// The name under which this service's connections appear in `pg_stat_activity`.
const APPLICATION: &str = "engine-roles";
/// For how long a token is used for new connections. Source: the RDS User Guide, "IAM database
/// authentication": a token is valid for 15 minutes, and a connection outlives its token.
const TOKEN_USE: Duration = Duration::from_mins(10);
/// Two refused connections within this time make the URL be read again only once.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// What is between the service and Postgres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or something that does not change the protocol.
    #[default]
    None,
    /// A pooler that lends a server connection until the client disconnects, such as `PgBouncer` with
    /// `pool_mode = session`.
    Session,
    /// A pooler that lends a server connection for one transaction, such as `PgBouncer` with
    /// `pool_mode = transaction`.
    Transaction,
}

impl std::str::FromStr for Pooler {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" | "none" => Ok(Self::None),
            "session" => Ok(Self::Session),
            "transaction" => Ok(Self::Transaction),
            _ => Err("must be none, session or transaction"),
        }
    }
}

/// The server and the user for which a token is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The host of the database.
    pub host: String,
    /// The port of the database.
    pub port: u16,
    /// The database user.
    pub user: String,
}

/// The answer of a [`TokenSource`].
pub type TokenAnswer = Pin<
    Box<dyn Future<Output = Result<SecretString, Box<dyn std::error::Error + Send + Sync>>> + Send>,
>;

/// Makes a password for a new connection. RDS accepts a signed token in place of a password.
pub type TokenSource = Arc<dyn Fn(TokenRequest) -> TokenAnswer + Send + Sync>;

/// The database, and what new connections are opened with.
pub(crate) struct Database {
    url: DatabaseUrl,
    files: FileAccess,
    pub(crate) pooler: Pooler,
    tokens: Option<TokenSource>,
    current: Mutex<Current>,
}

struct Current {
    options: PgConnectOptions,
    /// When the token was made; none before the first.
    token_made_at: Option<Instant>,
    read_at: Instant,
}

impl Database {
    /// Reads the URL.
    ///
    /// # Errors
    /// When the URL can't be read or used.
    pub(crate) fn new(
        url: DatabaseUrl,
        pooler: Pooler,
        tokens: Option<TokenSource>,
    ) -> Result<Self, UrlError> {
        let options = url.read()?;
        Ok(Self {
            current: Mutex::new(Current {
                options: for_tokens(for_pooler(options, pooler), tokens.is_some()),
                token_made_at: None,
                read_at: Instant::now(),
            }),
            url,
            files: FileAccess::default(),
            pooler,
            tokens,
        })
    }

    /// Returns whether passwords are tokens, which are made anew for new connections.
    pub(crate) fn uses_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// Returns what a new connection is opened with. Makes a new token if the last one is old.
    ///
    /// # Errors
    /// When no token can be made.
    pub(crate) async fn options(&self) -> Result<PgConnectOptions, StoreError> {
        let options = {
            let current = self.current();
            let is_fresh = current
                .token_made_at
                .is_some_and(|at| at.elapsed() < TOKEN_USE);
            if self.tokens.is_none() || is_fresh {
                return Ok(current.options.clone());
            }
            current.options.clone()
        };
        self.with_token(options).await
    }

    /// Reads the URL and its password again, after Postgres refused the password. Where they were read
    /// a moment ago, returns what was read then. Returns none where they can't be read.
    pub(crate) async fn reload(&self) -> Option<PgConnectOptions> {
        {
            let mut current = self.current();
            if current.read_at.elapsed() < RELOAD_PAUSE {
                return Some(current.options.clone());
            }
            current.read_at = Instant::now();
        }
        let url = self.url.clone();
        let options = self.files.run(move || url.read_again()).await;
        let options = options.map_err(UrlError::Unanswered).flatten();
        let options = match options {
            Ok(options) => for_tokens(for_pooler(options, self.pooler), self.uses_tokens()),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "database URL could not be read again");
                return None;
            }
        };
        if self.tokens.is_some() {
            return self.with_token(options).await.ok();
        }
        self.current().options = options.clone();
        Some(options)
    }

    async fn with_token(&self, options: PgConnectOptions) -> Result<PgConnectOptions, StoreError> {
        let Some(tokens) = &self.tokens else {
            return Ok(options);
        };
        let request = TokenRequest {
            host: options.get_host().to_owned(),
            port: options.get_port(),
            user: options.get_username().to_owned(),
        };
        let token = tokens(request).await.map_err(StoreError::Token)?;
        let options = options.password(token.expose_secret());
        let mut current = self.current();
        current.options = options.clone();
        current.token_made_at = Some(Instant::now());
        Ok(options)
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pooler refuses startup parameters that it does not know, and statements that were prepared in one
/// transaction may not exist in the next.
fn for_pooler(options: PgConnectOptions, pooler: Pooler) -> PgConnectOptions {
    let options = options.application_name(APPLICATION);
    match pooler {
        Pooler::None => options,
        Pooler::Session => options.extra_float_digits(None),
        Pooler::Transaction => options.extra_float_digits(None).statement_cache_capacity(0),
    }
}

/// A token is sent as it is, so a server that declines TLS gets none, as with RDS itself. Only a URL
/// that says so (`sslmode=disable`) sends tokens without TLS, for example to a proxy on the same host.
fn for_tokens(options: PgConnectOptions, uses_tokens: bool) -> PgConnectOptions {
    match options.get_ssl_mode() {
        PgSslMode::Allow | PgSslMode::Prefer if uses_tokens => options.ssl_mode(PgSslMode::Require),
        _ => options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database_url::parse;

    #[test]
    fn tokens_need_tls_unless_the_url_disables_it() {
        for (url, mode) in [
            ("postgres://a@host/b?sslmode=prefer", "Require"),
            ("postgres://a@host/b?sslmode=allow", "Require"),
            ("postgres://a@host/b?sslmode=require", "Require"),
            ("postgres://a@host/b?sslmode=verify-full", "VerifyFull"),
            ("postgres://a@host/b?sslmode=disable", "Disable"),
        ] {
            let options = for_tokens(parse(url).expect("a URL"), true);
            assert_eq!(format!("{:?}", options.get_ssl_mode()), mode, "{url}");
            let without = for_tokens(parse(url).expect("a URL"), false).get_ssl_mode();
            let same = parse(url).expect("a URL").get_ssl_mode();
            assert_eq!(format!("{without:?}"), format!("{same:?}"), "{url}");
        }
    }
}
