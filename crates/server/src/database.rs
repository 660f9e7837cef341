//! The arguments about the database that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use engine_roles_domain::resources::Namespace;
use engine_roles_store::{DatabaseUrl, Pooler, Store, StoreConfig, StoreError};
use secrecy::SecretString;

use crate::config_error::{ConfigError, invalid_in};
use crate::files;
use crate::setting_names::{Named, is_given};

/// The flags of the URLs, and of their files.
const URL: (&str, &str) = ("--database-url", "--database-url-file");
const DIRECT_URL: (&str, &str) = ("--database-direct-url", "--database-direct-url-file");

/// The arguments that all commands share which use the database.
#[derive(Clone, Debug, Args)]
pub struct DatabaseArgs {
    /// URL of the Postgres database, `postgres://user:password@host/database`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<SecretString>,
    /// File with the URL of the database; read again when Postgres refuses the password
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    /// URL that leads to Postgres past a connection pooler, for the heartbeat, for notifications
    /// between replicas and for migrations
    #[arg(
        long,
        env = "ENGINE_ROLES_DATABASE_DIRECT_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    database_direct_url: Option<SecretString>,
    /// File with the direct URL
    #[arg(
        long,
        env = "ENGINE_ROLES_DATABASE_DIRECT_URL_FILE",
        value_name = "FILE"
    )]
    database_direct_url_file: Option<PathBuf>,
    /// What is between the service and Postgres: `none`, `session` or `transaction` (a pooler that
    /// lends a connection until the client disconnects, or for one transaction)
    #[arg(long, env = "ENGINE_ROLES_DATABASE_POOLER", default_value = "none")]
    database_pooler: Pooler,
    /// Use a signed token of the service's AWS identity instead of a password, as RDS accepts it:
    /// `true` or `false`
    #[arg(
        long,
        env = "ENGINE_ROLES_DATABASE_IAM_AUTH",
        default_value_t = false,
        action = clap::ArgAction::Set
    )]
    pub(crate) database_iam_auth: bool,
    /// Name of this installation, [a-z0-9-]{1,32}; part of the path and tags of everything that is
    /// created
    #[arg(long, env = "ENGINE_ROLES_NAMESPACE", default_value = "default")]
    namespace: String,
}

impl DatabaseArgs {
    /// Returns the name of the installation.
    ///
    /// # Errors
    /// When it breaks its rule.
    pub(crate) fn namespace(&self) -> Result<Namespace, ConfigError> {
        invalid_in("--namespace", Namespace::parse(&self.namespace))
    }

    /// Returns how the database is reached. Size, time limits and tokens are those of a command; the
    /// service sets its own.
    ///
    /// # Errors
    /// When no URL is set, or one is set twice.
    pub(crate) fn store_config(&self) -> Result<StoreConfig, ConfigError> {
        let (url, file) = (self.database_url.as_ref(), &self.database_url_file);
        let url = files::value_or_file(URL, url, file.as_deref())?;
        let url = url.ok_or(ConfigError::NoDatabase)?;
        let direct = self.database_direct_url.as_ref();
        let direct_file = self.database_direct_url_file.as_deref();
        let direct_url = files::value_or_file(DIRECT_URL, direct, direct_file)?;
        Ok(StoreConfig {
            url: url.into(),
            direct_url: direct_url.map(DatabaseUrl::from),
            pooler: self.database_pooler,
            tokens: None,
            max_connections: 1,
            acquire_timeout: Duration::from_secs(10),
            lease: Duration::from_mins(1),
            consistency_window: Duration::from_mins(1),
        })
    }
}

impl From<files::Source> for DatabaseUrl {
    fn from(source: files::Source) -> Self {
        match source.place {
            files::Place::Value(url) => Self::Text(url),
            files::Place::File(path) => Self::File(path),
        }
    }
}

/// Prepares a store, which connects on first use. Needs a tokio runtime.
///
/// # Errors
/// When a URL can't be read or used. The error names the setting that says it.
pub(crate) fn open(config: &StoreConfig, namespace: Namespace) -> Result<Store, ConfigError> {
    Store::new(config, namespace).map_err(|source| {
        let flag = match (&source, &config.direct_url) {
            (StoreError::DirectUrl(_), Some(url)) => flag_of(url, DIRECT_URL),
            _ => flag_of(&config.url, URL),
        };
        ConfigError::Database { flag, source }
    })
}

/// Returns which settings say where the database is, if it is the reason of an error: it can't be reached or
/// used.
pub(crate) fn settings_behind(error: &anyhow::Error) -> Option<String> {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    let is_of_place = causes.any(|cause: &StoreError| {
        matches!(
            cause.original(),
            StoreError::Refused(_)
                | StoreError::Unavailable(_)
                | StoreError::Pooler(_)
                | StoreError::ReadOnly(_)
                | StoreError::NoTables(_)
        )
    });
    let flags = [URL.0, URL.1, DIRECT_URL.0, DIRECT_URL.1].into_iter();
    let given = flags.filter(|flag| is_given(flag));
    let given: Vec<String> = given.map(|flag| Named(flag).to_string()).collect();
    (is_of_place && !given.is_empty()).then(|| given.join(" and "))
}

/// Returns the flag of the setting that says the URL of the database.
pub(crate) fn flag_of_url(config: &StoreConfig) -> &'static str {
    flag_of(&config.url, URL)
}

fn flag_of(url: &DatabaseUrl, (flag, file_flag): (&'static str, &'static str)) -> &'static str {
    match url {
        DatabaseUrl::Text(_) => flag,
        DatabaseUrl::File(_) => file_flag,
    }
}
