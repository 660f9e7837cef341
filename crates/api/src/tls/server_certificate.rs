//! The service's own certificate, with its key.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretSlice};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{
    NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier,
};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{self, Decode};

/// The only protocol that the service speaks.
const HTTP_1_1: &[u8] = b"http/1.1";

/// The contents of the files of TLS.
#[derive(Clone, Debug)]
pub struct PemFiles {
    /// The service's certificate, followed by those of the authorities between it and the root, in PEM.
    pub certificate: Vec<u8>,
    /// The certificate's private key, in PEM.
    pub key: SecretSlice<u8>,
    /// The certificates of the authorities that sign the certificates of clients, in PEM; without them,
    /// no client is asked for a certificate.
    pub client_authorities: Option<Vec<u8>>,
}

impl Eq for PemFiles {}

impl PartialEq for PemFiles {
    fn eq(&self, other: &Self) -> bool {
        self.certificate == other.certificate
            && self.key.expose_secret() == other.key.expose_secret()
            && self.client_authorities == other.client_authorities
    }
}

/// Why the files of TLS can't be used. No cause of an unreadable key is given, because it would have a
/// part of the key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of the certificate is not PEM.
    #[error("--tls-cert: the file is not in PEM, or is incomplete")]
    CertificatePem(#[source] pem::Error),
    /// The file of the certificate has none.
    #[error("--tls-cert: the file has no certificate in PEM")]
    NoCertificate,
    /// The certificate has an unknown form.
    #[error("--tls-cert: the certificate can't be read")]
    Certificate(#[source] der::Error),
    /// The file of the key has no private key.
    #[error(
        "--tls-key: the file has no private key in PEM, or is incomplete; the key may not be encrypted"
    )]
    NoKey,
    /// The key can't be used, or is not the certificate's.
    #[error("--tls-key: the key can't be used with the certificate")]
    Key(#[source] rustls::Error),
    /// The file of the clients' authorities is not PEM.
    #[error("--tls-client-ca: the file is not in PEM, or is incomplete")]
    AuthoritiesPem(#[source] pem::Error),
    /// A certificate of a clients' authority can't be used.
    #[error("--tls-client-ca: a certificate can't be used")]
    Authority(#[source] rustls::Error),
    /// There is no clients' authority.
    #[error("--tls-client-ca: the file has no certificate in PEM")]
    NoAuthority(#[source] VerifierBuilderError),
}

/// The service's own certificate with its key, checked, and the authorities of clients.
#[derive(Clone)]
pub struct ServerCertificate {
    config: Arc<ServerConfig>,
    valid_from: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl ServerCertificate {
    /// Checks that the files are complete and belong together, but not whether the certificate is valid
    /// at this time.
    ///
    /// # Errors
    /// When a file has not what it should have, or the key is not the certificate's.
    pub fn new(files: &PemFiles) -> Result<Self, TlsError> {
        let chain = certificates(&files.certificate).map_err(TlsError::CertificatePem)?;
        let first = chain.first().ok_or(TlsError::NoCertificate)?;
        let first = CertificateInner::<Raw>::from_der(first).map_err(TlsError::Certificate)?;
        let validity = *first.tbs_certificate().validity();
        let key = PrivateKeyDer::from_pem_slice(files.key.expose_secret())
            .map_err(|_| TlsError::NoKey)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("the provider has cipher suites of both versions");
        let builder = match &files.client_authorities {
            Some(pem) => {
                let roots = Arc::new(authorities(pem)?);
                // A load balancer's health check has no certificate.
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .allow_unauthenticated()
                    .build();
                builder.with_client_cert_verifier(verifier.map_err(TlsError::NoAuthority)?)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(TlsError::Key)?;
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        if files.client_authorities.is_some() {
            // A resumed session would not check again whether the client's certificate has expired.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self {
            config: Arc::new(config),
            valid_from: DateTime::UNIX_EPOCH + validity.not_before.to_unix_duration(),
            expires_at: DateTime::UNIX_EPOCH + validity.not_after.to_unix_duration(),
        })
    }

    /// Returns when the certificate expires.
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// Returns whether clients accept the certificate at this time: it is valid already, and has not
    /// expired.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        (self.valid_from..=self.expires_at).contains(&now)
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).map_err(TlsError::AuthoritiesPem)? {
        roots.add(certificate).map_err(TlsError::Authority)?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn pair() -> PemFiles {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        PemFiles {
            certificate: certificate.pem().into_bytes(),
            key: key.serialize_pem().into_bytes().into(),
            client_authorities: None,
        }
    }

    fn refused(files: &PemFiles) -> String {
        ServerCertificate::new(files)
            .expect_err("the files can't be used")
            .to_string()
    }

    #[test]
    fn a_certificate_is_valid_within_its_time() {
        let certificate = ServerCertificate::new(&pair()).expect("a pair");
        assert_eq!(
            certificate.expires_at().to_rfc3339(),
            "2030-01-01T00:00:00+00:00"
        );
        for (at, is_valid) in [
            ("2019-12-31T23:59:59Z", false),
            ("2020-01-01T00:00:00Z", true),
            ("2030-01-01T00:00:00Z", true),
            ("2030-01-01T00:00:01Z", false),
        ] {
            assert_eq!(
                certificate.is_valid(at.parse().expect("a time")),
                is_valid,
                "{at}"
            );
        }
    }

    #[test]
    fn files_that_are_cut_empty_or_of_different_pairs_are_refused() {
        let pair = pair();
        let cut = |pem: &[u8], length| pem[..length].to_vec();
        for length in 0..pair.certificate.len() - 2 {
            let certificate = cut(&pair.certificate, length);
            let files = PemFiles {
                certificate,
                ..pair.clone()
            };
            assert!(refused(&files).starts_with("--tls-cert: "), "{length}");
        }
        let key = pair.key.expose_secret();
        for length in 0..key.len() - 2 {
            let files = PemFiles {
                key: cut(key, length).into(),
                ..pair.clone()
            };
            assert!(refused(&files).starts_with("--tls-key: "), "{length}");
        }
        let other = super::tests::pair();
        let files = PemFiles {
            key: other.key,
            ..pair.clone()
        };
        assert_eq!(
            refused(&files),
            "--tls-key: the key can't be used with the certificate"
        );
        for authorities in [b"".to_vec(), key.to_vec(), cut(&pair.certificate, 100)] {
            let client_authorities = Some(authorities);
            let files = PemFiles {
                client_authorities,
                ..pair.clone()
            };
            assert!(refused(&files).starts_with("--tls-client-ca: "));
        }
    }

    #[test]
    fn no_debug_output_and_no_error_has_a_part_of_the_key() {
        let pair = pair();
        let key = String::from_utf8(pair.key.expose_secret().to_vec()).expect("PEM is text");
        let lines: Vec<&str> = key.lines().filter(|line| !line.starts_with('-')).collect();
        let broken = key.replacen("KEY-----", "KEY----", 1);
        let files = PemFiles {
            key: broken.into_bytes().into(),
            ..pair.clone()
        };
        let error = ServerCertificate::new(&files).expect_err("a broken key");
        assert!(error.source().is_none());
        let certificate = ServerCertificate::new(&pair).expect("a pair");
        let shown = format!("{pair:?} {error:?} {certificate:?}");
        assert!(lines.iter().all(|line| !shown.contains(line)), "{shown}");
    }
}
