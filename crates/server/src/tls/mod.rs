//! The files of TLS: where they are, and their first reading.

mod reload;

use std::path::{Path, PathBuf};

use chrono::Utc;
use clap::Args;
use engine_roles_api::{PemFiles, ServerCertificate, Tls, TlsError};
pub(crate) use reload::Reload;
use tracing::warn;

use crate::config_error::ConfigError;
use crate::setting_names::Named;

const CERTIFICATE: &str = "--tls-cert";
const KEY: &str = "--tls-key";
const CLIENT_AUTHORITIES: &str = "--tls-client-ca";

/// The flags of TLS.
#[derive(Clone, Debug, Args)]
pub struct TlsArgs {
    /// File with the service's certificate in PEM, followed by those of the authorities between the
    /// certificate and the root. With it and --tls-key, the service speaks HTTPS only. The files of TLS
    /// are read again when they change
    #[arg(long = "tls-cert", env = "ENGINE_ROLES_TLS_CERT", value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// File with the certificate's private key in PEM, not encrypted
    #[arg(long = "tls-key", env = "ENGINE_ROLES_TLS_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// File with the certificates in PEM of the authorities that sign the certificates of clients. A
    /// client may then present a certificate, and need not
    #[arg(
        long = "tls-client-ca",
        env = "ENGINE_ROLES_TLS_CLIENT_CA",
        value_name = "FILE"
    )]
    pub(crate) client_authorities: Option<PathBuf>,
}

impl TlsArgs {
    /// Returns where the files are; `None` where the service speaks plain HTTP.
    ///
    /// # Errors
    /// When a file is missing that belongs to another one.
    pub(crate) fn paths(&self) -> Result<Option<TlsPaths>, ConfigError> {
        let missing = |flag, rule| Err(ConfigError::Form { flag, rule });
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Ok(Some(TlsPaths {
                certificate: certificate.clone(),
                key: key.clone(),
                client_authorities: self.client_authorities.clone(),
            })),
            (Some(_), None) => missing(KEY, "is missing; --tls-cert is set"),
            (None, Some(_)) => missing(CERTIFICATE, "is missing; --tls-key is set"),
            (None, None) if self.client_authorities.is_some() => {
                missing(CERTIFICATE, "is missing; --tls-client-ca is set")
            }
            (None, None) => Ok(None),
        }
    }
}

/// Where the files of TLS are.
#[derive(Clone, Debug)]
pub(crate) struct TlsPaths {
    certificate: PathBuf,
    key: PathBuf,
    client_authorities: Option<PathBuf>,
}

/// Why the files of TLS can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TlsFilesError {
    /// A file can't be read.
    #[error("{}: the file {} can't be read", Named(flag), path.display())]
    Unreadable {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The file system does not answer.
    #[error("the files of TLS can't be read in time")]
    Unanswered(#[source] std::io::Error),
    /// The contents can't be used.
    #[error("{}", Named(_0.flag()))]
    Unusable(#[from] TlsError),
    /// The new certificate has expired, or is not valid yet.
    #[error(
        "{}: the certificate has expired, or is not valid yet",
        Named(CERTIFICATE)
    )]
    NotValid,
}

/// What the files of TLS contain.
#[derive(Clone, PartialEq, Eq)]
struct TlsFiles {
    pem: PemFiles,
    /// Whether every user of the machine can read the key.
    is_key_exposed: bool,
}

impl TlsPaths {
    /// Reads and checks the files for the first time.
    ///
    /// # Errors
    /// When a file can't be read or used.
    pub(crate) fn load(self) -> Result<(Tls, Reload), TlsFilesError> {
        let files = self.read()?;
        let certificate = ServerCertificate::new(&files.pem, Utc::now())?;
        if !certificate.is_valid(Utc::now()) {
            warn!(
                expires_at = %certificate.expires_at(),
                "TLS certificate has expired, or is not valid yet; clients reject it"
            );
        }
        if files.is_key_exposed {
            self.warn_of_exposed_key();
        }
        let (sender, tls) = Tls::new(certificate.clone());
        let reload = Reload::new(self, files, certificate, sender);
        Ok((tls, reload))
    }

    /// Reads and checks the files, for a report. Returns also whether every user of the machine can read
    /// the key.
    ///
    /// # Errors
    /// When a file can't be read or used.
    pub(crate) fn examine(&self) -> Result<(ServerCertificate, bool), TlsFilesError> {
        let files = self.read()?;
        let certificate = ServerCertificate::new(&files.pem, Utc::now())?;
        Ok((certificate, files.is_key_exposed))
    }

    fn read(&self) -> Result<TlsFiles, TlsFilesError> {
        let read = |flag, path: &Path| {
            engine_roles_files::read(path).map_err(|source| TlsFilesError::Unreadable {
                flag,
                path: path.to_owned(),
                source,
            })
        };
        let key = read(KEY, &self.key)?;
        let authorities = self.client_authorities.as_deref();
        let authorities = authorities.map(|path| read(CLIENT_AUTHORITIES, path));
        Ok(TlsFiles {
            is_key_exposed: key.is_readable_by_everybody,
            pem: PemFiles {
                certificate: read(CERTIFICATE, &self.certificate)?.bytes,
                key: key.bytes.into(),
                client_authorities: authorities.transpose()?.map(|found| found.bytes),
            },
        })
    }

    fn warn_of_exposed_key(&self) {
        warn!(
            file = %self.key.display(),
            "TLS key can be read by every user of the machine; remove the file's permissions for others"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(certificate: bool, key: bool, authorities: bool) -> TlsArgs {
        let path = |is_set: bool| is_set.then(|| PathBuf::from("/file"));
        TlsArgs {
            certificate: path(certificate),
            key: path(key),
            client_authorities: path(authorities),
        }
    }

    #[test]
    fn certificate_and_key_are_set_together() {
        for (args, expected) in [
            (args(false, false, false), Ok(false)),
            (args(true, true, false), Ok(true)),
            (args(true, true, true), Ok(true)),
            (
                args(true, false, false),
                Err("--tls-key: is missing; --tls-cert is set"),
            ),
            (
                args(false, true, true),
                Err("--tls-cert: is missing; --tls-key is set"),
            ),
            (
                args(false, false, true),
                Err("--tls-cert: is missing; --tls-client-ca is set"),
            ),
        ] {
            let paths = args.paths().map(|paths| paths.is_some());
            assert_eq!(
                paths.map_err(|error| error.to_string()),
                expected.map_err(str::to_owned)
            );
        }
    }
}
