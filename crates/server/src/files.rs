//! Secrets from files.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use engine_roles_files::{Contents, read_once};
use secrecy::{ExposeSecret, SecretString};

use crate::config_error::ConfigError;

/// Where a secret is found.
#[derive(Clone)]
pub(crate) struct Source {
    /// The flag of the setting that says it.
    pub(crate) flag: &'static str,
    pub(crate) place: Place,
}

/// The place of a secret.
#[derive(Clone)]
pub(crate) enum Place {
    /// The secret itself.
    Value(SecretString),
    /// A file that contains it.
    File(PathBuf),
}

/// Returns where a secret is found that can be set by a value or by a file, which have a flag each; none
/// if by neither. An empty value counts as not set.
///
/// # Errors
/// When both are set.
pub(crate) fn value_or_file(
    (flag, file_flag): (&'static str, &'static str),
    value: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<Option<Source>, ConfigError> {
    let value = value.filter(|value| !value.expose_secret().is_empty());
    let (flag, place) = match (value, file) {
        (Some(_), Some(_)) => return Err(ConfigError::SetTwice { flag, file_flag }),
        (Some(value), None) => (flag, Place::Value(value.clone())),
        (None, Some(file)) => (file_flag, Place::File(file.to_owned())),
        (None, None) => return Ok(None),
    };
    Ok(Some(Source { flag, place }))
}

impl Source {
    /// Returns the secret. White space around the contents of a file is left out.
    ///
    /// # Errors
    /// When the file can't be read, or contains nothing.
    pub(crate) fn read(self) -> Result<SecretString, ConfigError> {
        let flag = self.flag;
        match self.place {
            Place::Value(value) => Ok(value),
            Place::File(path) => {
                let text = read_once(&path).and_then(Contents::into_text);
                let text = text.map(SecretString::from).and_then(|text| {
                    let text: SecretString = text.expose_secret().trim().into();
                    let is_empty = text.expose_secret().is_empty();
                    let empty = || Error::new(ErrorKind::InvalidData, "the file is empty");
                    if is_empty { Err(empty()) } else { Ok(text) }
                });
                text.map_err(|source| ConfigError::File { flag, path, source })
            }
        }
    }
}
