//! How the database is reached: the URL and its file, the password, and a connection pooler.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

use crate::StoreError;

/// The name under which this service's connections appear in `pg_stat_activity`.
const APPLICATION: &str = "engine-roles";
/// For how long a token is used for new connections. Source: the RDS User Guide, "IAM database
/// authentication": a token is valid for 15 minutes, and a connection outlives its token.
const TOKEN_USE: Duration = Duration::from_mins(10);
/// Two refused connections within this time make the URL be read again only once.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// Where the database's URL is found.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// The URL itself. It may contain a password, so this type does not implement `Debug`.
    Text(String),
    /// A file with the URL, which is read again when Postgres refuses the password.
    File(PathBuf),
}

impl DatabaseUrl {
    fn read(&self) -> Result<String, UrlError> {
        match self {
            Self::Text(url) => Ok(url.clone()),
            Self::File(path) => {
                let url = std::fs::read_to_string(path).map_err(|source| UrlError::File {
                    path: path.clone(),
                    source,
                })?;
                Ok(url.trim().to_owned())
            }
        }
    }
}

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
pub type TokenAnswer =
    Pin<Box<dyn Future<Output = Result<String, Box<dyn std::error::Error + Send + Sync>>> + Send>>;

/// Makes a password for a new connection. RDS accepts a signed token in place of a password.
pub type TokenSource = Arc<dyn Fn(TokenRequest) -> TokenAnswer + Send + Sync>;

/// Why a database URL can't be used. The URL may contain a password, so no message repeats it.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// The file can't be read.
    #[error("the file {} can't be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it can't be read.
        #[source]
        source: std::io::Error,
    },
    /// The scheme is that of another database.
    #[error("the URL must begin with postgres:// or postgresql://")]
    Scheme,
    /// The URL names several servers.
    #[error(
        "the URL names several hosts, which is not supported: name the one address that always \
         leads to the writable server, such as the endpoint of the cluster or of a proxy"
    )]
    SeveralHosts,
    /// The URL has a parameter that is not supported.
    #[error("the URL's parameter {name} is not supported: {advice}")]
    Parameter {
        /// The name of the parameter.
        name: &'static str,
        /// What to do instead.
        advice: &'static str,
    },
    /// The URL has another form.
    #[error("the URL must be of the form postgres://user:password@host:port/database")]
    Form(#[source] sqlx::Error),
}

/// Parameters of libpq whose loss would change where the service connects or how long it waits, each
/// with what to do instead. `target_session_attrs` is checked separately.
const REFUSED: [(&str, &str); 3] = [
    (
        "connect_timeout",
        "leave it out; an attempt to connect ends after 10 seconds",
    ),
    (
        "load_balance_hosts",
        "leave it out and name one address that leads to the writable server",
    ),
    (
        "passfile",
        "name the file in the variable PGPASSFILE instead",
    ),
];

/// Reads a URL.
fn parse(url: &str) -> Result<PgConnectOptions, UrlError> {
    let rest = url.strip_prefix("postgres://");
    let rest = rest.or_else(|| url.strip_prefix("postgresql://"));
    let rest = rest.ok_or(UrlError::Scheme)?;
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split_once('/').map_or(place, |(host, _)| host);
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, it)| it);
    let parameters = parameters
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    if hosts.contains(',') {
        return Err(UrlError::SeveralHosts);
    }
    let mut kept = Vec::new();
    for (name, value) in parameters {
        if let Some((name, advice)) = REFUSED.into_iter().find(|(it, _)| *it == name) {
            return Err(UrlError::Parameter { name, advice });
        }
        match (name, value) {
            ("host" | "hostaddr" | "port", value) if value.contains([',', '%']) => {
                // A percent sign: the host may be the path of a socket, but not a list.
                if value.contains(',') || value.to_ascii_lowercase().contains("%2c") {
                    return Err(UrlError::SeveralHosts);
                }
                kept.push(format!("{name}={value}"));
            }
            // The service leaves a server that is not writable in any case.
            ("target_session_attrs", "any" | "read-write" | "primary") => {}
            ("target_session_attrs", _) => {
                return Err(UrlError::Parameter {
                    name: "target_session_attrs",
                    advice: "the service needs a writable server; leave it out, or set read-write",
                });
            }
            (name, value) => kept.push(format!("{name}={value}")),
        }
    }
    let url = format!("postgres://{place}?{}", kept.join("&"));
    url.parse().map_err(UrlError::Form)
}

/// The database, and what new connections are opened with.
pub(crate) struct Database {
    url: DatabaseUrl,
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
        let options = parse(&url.read()?)?;
        Ok(Self {
            current: Mutex::new(Current {
                options: for_pooler(options, pooler),
                token_made_at: None,
                read_at: Instant::now(),
            }),
            url,
            pooler,
            tokens,
        })
    }

    /// Returns whether passwords are tokens, which are made anew for new connections.
    pub(crate) fn uses_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// Returns what the last connection was opened with.
    pub(crate) fn last_options(&self) -> PgConnectOptions {
        self.current().options.clone()
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
        let options = self.url.read().and_then(|url| parse(&url));
        let options = match options {
            Ok(options) => for_pooler(options, self.pooler),
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
        let options = options.password(&token);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_in_every_notation_of_a_url_is_accepted() {
        for url in [
            "postgres://user:pass@host:5432/database",
            "postgresql://host/database",
            "postgres://user:a,b%40c@host/database?sslmode=disable",
            "postgres:///database?host=/var/run/postgresql&user=someone",
            "postgres:///database?host=%2Fvar%2Frun%2Fpostgresql",
            "postgres://host/database?target_session_attrs=read-write&sslmode=require",
            "postgres://[::1]:5433/database",
        ] {
            assert!(parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_would_connect_elsewhere_or_otherwise_is_refused_with_what_to_do() {
        let refused = |url: &str| parse(url).expect_err("refused").to_string();
        for url in [
            "postgres://a,b/database?target_session_attrs=read-write",
            "postgres://user:pass@a:5432,b:5433/database",
            "postgres:///database?host=a,b",
            "postgres:///database?host=a%2Cb",
        ] {
            assert!(refused(url).contains("several hosts"), "{url}");
        }
        assert!(refused("mysql://host/database").contains("postgres://"));
        assert!(refused("host=a dbname=b").contains("postgres://"));
        assert!(refused("postgres://a/b?connect_timeout=3").contains("10 seconds"));
        assert!(refused("postgres://a/b?target_session_attrs=standby").contains("writable"));
        for url in ["postgres://user:secret@a,b/c", "mysql://user:secret@a/c"] {
            assert!(!refused(url).contains("secret"));
        }
    }
}
