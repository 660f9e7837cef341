//! Secrets from files.

use std::path::{Path, PathBuf};

use engine_roles_files::{Contents, read_once};
use secrecy::{ExposeSecret, SecretString};

use crate::config_error::ConfigError;

/// Where a secret is found.
#[derive(Clone)]
pub(crate) enum Source {
    /// The secret itself.
    Value(SecretString),
    /// A file that contains it.
    File(PathBuf),
}

/// Returns where a secret is found that can be set by a flag, its variable or by a file; none if by
/// neither. An empty value counts as not set.
///
/// # Errors
/// When both are set.
pub(crate) fn value_or_file(
    (flag, variable): (&'static str, &'static str),
    value: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<Option<Source>, ConfigError> {
    let value = value.filter(|value| !value.expose_secret().is_empty());
    match (value, file) {
        (Some(_), Some(_)) => Err(ConfigError::SetTwice { flag, variable }),
        (Some(value), None) => Ok(Some(Source::Value(value.clone()))),
        (None, Some(file)) => Ok(Some(Source::File(file.to_owned()))),
        (None, None) => Ok(None),
    }
}

impl Source {
    /// Returns the secret. White space around the contents of a file is left out.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn read(self, flag: &'static str) -> Result<SecretString, ConfigError> {
        match self {
            Self::Value(value) => Ok(value),
            Self::File(path) => match read_once(&path).and_then(Contents::into_text) {
                Ok(text) => Ok(SecretString::from(text).expose_secret().trim().into()),
                Err(source) => Err(ConfigError::File { flag, path, source }),
            },
        }
    }
}
