//! Why a setting is refused.

use std::path::PathBuf;

use engine_roles_api::InvalidKey;
use engine_roles_domain::invalid::Invalid;
use engine_roles_store::StoreError;
use engine_roles_transparency::TransparencyError;

/// Why the configuration is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value breaks its rule.
    #[error("{flag}")]
    Invalid {
        flag: &'static str,
        #[source]
        source: Invalid,
    },
    /// A secret is set, and so is its file.
    #[error("{flag} ({variable}) is set, and so is its file; set one of the two")]
    SetTwice {
        flag: &'static str,
        variable: &'static str,
    },
    /// A value has the wrong form.
    #[error("{flag}: {rule}")]
    Form {
        flag: &'static str,
        rule: &'static str,
    },
    /// The administrator's own limit forbids a default.
    #[error("{flag}: {value}: {limit} {rule}")]
    Contradiction {
        flag: &'static str,
        value: String,
        limit: &'static str,
        rule: &'static str,
    },
    /// An entry of a list has the name of another one.
    #[error("{flag}: {name} occurs more than once")]
    Repeated { flag: &'static str, name: String },
    #[error("--init-api-key")]
    Key(#[source] InvalidKey),
    /// The database URL can't be read.
    #[error("--database-url")]
    Database(#[source] StoreError),
    /// A file of a setting can't be read.
    #[error("{flag}: the file {} can't be read", path.display())]
    File {
        flag: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The key, or the name, of the audit log can't be used.
    #[error("{flag}")]
    AuditLog {
        flag: &'static str,
        #[source]
        source: TransparencyError,
    },
    #[error("--database-url (DATABASE_URL) is missing")]
    NoDatabase,
}

/// Names the flag of a value that breaks its rule.
pub(crate) fn invalid_in<T>(
    flag: &'static str,
    parsed: Result<T, Invalid>,
) -> Result<T, ConfigError> {
    parsed.map_err(|source| ConfigError::Invalid { flag, source })
}
