//! The settings of the signed checkpoints of the audit log.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use engine_roles_domain::resources::Namespace;
use engine_roles_files::{Contents, read_once};
use engine_roles_provisioner::AuditSigning;
use engine_roles_transparency::{KeyName, SigningKey, TransparencyError};
use secrecy::{ExposeSecret, SecretString};
use tracing::info;

use crate::config_error::ConfigError;

const KEY_FLAG: &str = "--audit-key-file";
/// What each key in a file begins with.
const BEGIN: &str = "-----BEGIN ";

/// The arguments about signed checkpoints.
#[derive(Clone, Debug, Args)]
pub struct AuditSigningArgs {
    /// File with the Ed25519 key (PEM, PKCS#8) that signs checkpoints of the audit log, the same on all
    /// replicas; with two keys, as while they are replaced, both sign [default: nothing is signed]
    #[arg(
        long = "audit-key-file",
        env = "ENGINE_ROLES_AUDIT_KEY_FILE",
        value_name = "FILE"
    )]
    pub key_file: Option<PathBuf>,
    /// Name of the audit log in its checkpoints [default: engine-roles/NAMESPACE]
    #[arg(
        long = "audit-origin",
        env = "ENGINE_ROLES_AUDIT_ORIGIN",
        value_name = "NAME"
    )]
    pub origin: Option<String>,
    /// Directory outside of the database to which checkpoints of the audit log are written; a log that
    /// does not extend the checkpoint found there is not signed
    #[arg(
        long = "audit-checkpoints",
        env = "ENGINE_ROLES_AUDIT_CHECKPOINTS",
        value_name = "DIRECTORY"
    )]
    pub checkpoints: Option<PathBuf>,
}

impl AuditSigningArgs {
    /// Returns the file of the keys if every user of the machine can read it.
    pub(crate) fn exposed_key_file(&self) -> Option<&Path> {
        let path = self.key_file.as_deref()?;
        let found = std::fs::metadata(path).ok()?;
        (found.permissions().mode() & 0o004 != 0).then_some(path)
    }

    /// Reads the keys; none where no file is set. The namespace is `None` if it is refused.
    pub(crate) fn signing(
        &self,
        namespace: Option<&Namespace>,
    ) -> Result<Option<Arc<AuditSigning>>, ConfigError> {
        let Some(path) = &self.key_file else {
            let unused = [
                ("--audit-origin", self.origin.is_some()),
                ("--audit-checkpoints", self.checkpoints.is_some()),
            ];
            return match unused.into_iter().find(|(_, is_set)| *is_set) {
                Some((flag, _)) => Err(ConfigError::Form {
                    flag,
                    rule: "needs --audit-key-file",
                }),
                None => Ok(None),
            };
        };
        let origin = self.origin.clone();
        let namespace = namespace.map_or("default", Namespace::as_str);
        let origin = origin.unwrap_or_else(|| format!("engine-roles/{namespace}"));
        let invalid = |flag| move |source| ConfigError::AuditLog { flag, source };
        let origin: KeyName = origin.trim().parse().map_err(invalid("--audit-origin"))?;
        let pem = read_once(path)
            .and_then(Contents::into_text)
            .map(SecretString::from);
        let pem = pem.map_err(|source| ConfigError::File {
            flag: KEY_FLAG,
            path: path.clone(),
            source,
        })?;
        let keys = keys(&origin, pem.expose_secret()).map_err(invalid(KEY_FLAG))?;
        let signing = AuditSigning::new(origin, keys, self.checkpoints.clone());
        signing
            .map(|signing| Some(Arc::new(signing)))
            .map_err(invalid(KEY_FLAG))
    }
}

/// Logs with which public keys the checkpoints are verified.
pub(crate) fn announce(signing: &AuditSigning) {
    for key in signing.verifier_keys().lines() {
        info!(key, "checkpoints of the audit log are signed with this key");
    }
}

fn keys(origin: &KeyName, pem: &str) -> Result<Vec<SigningKey>, TransparencyError> {
    let places: Vec<usize> = pem.match_indices(BEGIN).map(|(place, _)| place).collect();
    let ends = places.iter().skip(1).copied().chain([pem.len()]);
    let parts = places.iter().zip(ends).map(|(from, to)| &pem[*from..to]);
    let keys: Vec<SigningKey> = parts
        .map(|part| SigningKey::from_pem(origin.clone(), part.as_bytes()))
        .collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err(TransparencyError::InvalidSigningKey);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
        -----END PRIVATE KEY-----\n";
    const TWO: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEICAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn a_file_has_one_or_more_keys() {
        let origin: KeyName = "example.com/log".parse().expect("a name");
        assert_eq!(keys(&origin, ONE).expect("a key").len(), 1);
        let both = keys(&origin, &format!("old\n{ONE}new\n{TWO}")).expect("two keys");
        assert_eq!(both.len(), 2);
        assert_ne!(both[0].verifier(), both[1].verifier());
        for wrong in [
            "",
            "text",
            "-----BEGIN PRIVATE KEY-----\nxx\n-----END PRIVATE KEY-----\n",
        ] {
            keys(&origin, wrong).expect_err("no key");
        }
    }

    #[test]
    fn other_settings_of_the_log_need_a_key() {
        let args = AuditSigningArgs {
            key_file: None,
            origin: None,
            checkpoints: Some("/".into()),
        };
        let namespace = Namespace::parse("default").expect("a namespace");
        let error = args
            .signing(Some(&namespace))
            .expect_err("no key")
            .to_string();
        assert!(error.starts_with("--audit-checkpoints: needs"), "{error}");
    }
}
