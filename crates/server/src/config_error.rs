//! Why a setting is refused.

use std::fmt;
use std::path::PathBuf;

use engine_roles_api::InvalidKey;
use engine_roles_domain::invalid::Invalid;
use engine_roles_store::StoreError;
use engine_roles_transparency::TransparencyError;

use crate::error_chain::chain;
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

/// All settings that are refused. Whoever starts the service can correct them at once.
#[derive(Debug, Default)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Returns the value; `None` when it is refused, with the reason added.
    pub(crate) fn note<T>(&mut self, checked: Result<T, ConfigError>) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.push(error);
                None
            }
        }
    }

    /// Adds a value of the wrong form. Returns `None` then.
    pub(crate) fn require(
        &mut self,
        is_obeyed: bool,
        flag: &'static str,
        rule: &'static str,
    ) -> Option<()> {
        let checked = if is_obeyed {
            Ok(())
        } else {
            Err(ConfigError::Form { flag, rule })
        };
        self.note(checked)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the reasons with their causes, each as a text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|error| chain(error))
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [error] = self.0.as_slice() {
            return f.write_str(&chain(error));
        }
        write!(f, "{} settings are refused:", self.0.len())?;
        self.texts().try_for_each(|text| write!(f, "\n  {text}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Names the flag of a value that breaks its rule.
pub(crate) fn invalid_in<T>(
    flag: &'static str,
    parsed: Result<T, Invalid>,
) -> Result<T, ConfigError> {
    parsed.map_err(|source| ConfigError::Invalid { flag, source })
}
