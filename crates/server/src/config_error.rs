//! Why a setting is refused.

use std::path::PathBuf;

use engine_roles_api::InvalidKey;
use engine_roles_domain::invalid::Invalid;
use engine_roles_store::StoreError;
use engine_roles_transparency::TransparencyError;

use crate::setting_names::Named;

/// Why the configuration is invalid. The fields name a setting by its flag; the text names it as it was
/// given.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value breaks its rule.
    #[error("{}", Named(flag))]
    Invalid {
        flag: &'static str,
        #[source]
        source: Invalid,
    },
    /// A secret is set, and so is its file.
    #[error(
        "{} is set, and so is {}; set one of the two",
        Named(flag),
        Named(file_flag)
    )]
    SetTwice {
        flag: &'static str,
        file_flag: &'static str,
    },
    /// A value has the wrong form.
    #[error("{}: {}", Named(flag), Named(rule))]
    Form {
        flag: &'static str,
        rule: &'static str,
    },
    /// The administrator's own limit forbids a default.
    #[error("{}: {value}: {} {rule}", Named(flag), Named(limit))]
    Contradiction {
        flag: &'static str,
        value: String,
        limit: &'static str,
        rule: &'static str,
    },
    /// An entry of a list has the name of another one.
    #[error("{}: {name} occurs more than once", Named(flag))]
    Repeated { flag: &'static str, name: String },
    /// The text is no API key.
    #[error("{}", Named(flag))]
    Key {
        flag: &'static str,
        #[source]
        source: InvalidKey,
    },
    /// The URL of the database can't be used.
    #[error("{}", Named(flag))]
    Database {
        flag: &'static str,
        #[source]
        source: StoreError,
    },
    /// A file of a setting can't be read.
    #[error("{}: the file {} can't be read", Named(flag), path.display())]
    File {
        flag: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The key, or the name, of the audit log can't be used.
    #[error("{}", Named(flag))]
    AuditLog {
        flag: &'static str,
        #[source]
        source: TransparencyError,
    },
    /// No setting has the URL of the database.
    #[error("{}", Named("--database-url or --database-url-file is required"))]
    NoDatabase,
}

/// Names the flag of a value that breaks its rule.
pub(crate) fn invalid_in<T>(
    flag: &'static str,
    parsed: Result<T, Invalid>,
) -> Result<T, ConfigError> {
    parsed.map_err(|source| ConfigError::Invalid { flag, source })
}
