//! The service's own certificate, with its key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretSlice};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, CertificateError, RootCertStore, ServerConfig};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode;

use super::certificates;
use super::client_authorities::ClientAuthorities;
use super::client_certificate::ClientCertificate;
use super::error::TlsError;

/// The protocols that the service speaks, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// How many certificates are sent with each handshake. Clients verify no longer chains.
const LONGEST_CHAIN: usize = 10;
/// How many bytes they may have in sum.
const LARGEST_CHAIN: usize = 64 * 1024;

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

/// Whether the certificates of a file lead from the service's own to the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// The file has the service's own certificate only.
    OneCertificate,
    /// Each certificate is signed by the next one.
    Complete,
    /// A certificate is missing, in another place, or may not sign.
    Broken,
    /// A certificate is not valid at this time, so that the signatures were not checked.
    NotChecked,
}

/// The service's own certificate with its key, checked, and the authorities of clients.
#[derive(Clone)]
pub struct ServerCertificate {
    config: Arc<ServerConfig>,
    chain: Chain,
    client_authorities: Option<Arc<ClientAuthorities>>,
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
    /// Checks that the files are complete and belong together, and that the authorities of clients are
    /// valid at this time, but not whether the certificate is.
    ///
    /// # Errors
    /// When a file has not what it should have, the key is not the certificate's, or a certificate is not
    /// one of an authority.
    pub fn new(files: &PemFiles, now: DateTime<Utc>) -> Result<Self, TlsError> {
        let chain = certificates(&files.certificate).map_err(TlsError::CertificatePem)?;
        let first = chain.first().ok_or(TlsError::NoCertificate)?;
        let size: usize = chain.iter().map(|certificate| certificate.len()).sum();
        if chain.len() > LONGEST_CHAIN || size > LARGEST_CHAIN {
            return Err(TlsError::LongChain);
        }
        let first = CertificateInner::<Raw>::from_der(first).map_err(TlsError::Certificate)?;
        let validity = *first.tbs_certificate().validity();
        let key = PrivateKeyDer::from_pem_slice(files.key.expose_secret())
            .map_err(|_| TlsError::NoKey)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chained = chain_of(&chain, &provider, now);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("the provider has cipher suites of both versions");
        let pem = files.client_authorities.as_deref();
        let client_authorities = pem.map(|pem| ClientAuthorities::read(pem, provider, now));
        let client_authorities = client_authorities.transpose()?.map(Arc::new);
        let builder = match &client_authorities {
            Some(authorities) => {
                let verifier: Arc<dyn ClientCertVerifier> =
                    Arc::<ClientAuthorities>::clone(authorities);
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(TlsError::Key)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        if client_authorities.is_some() {
            // A resumed session would not check again whether the client's certificate has expired.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self {
            config: Arc::new(config),
            chain: chained,
            client_authorities,
            valid_from: DateTime::UNIX_EPOCH + validity.not_before.to_unix_duration(),
            expires_at: DateTime::UNIX_EPOCH + validity.not_after.to_unix_duration(),
        })
    }

    /// Returns whether the certificates lead to the last one in the file, at the time when the file was
    /// read. Whether clients know an authority is not known.
    pub fn chain(&self) -> Chain {
        self.chain
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

    /// Returns the subjects of the clients' authorities that have expired since this value was made. What
    /// they have signed is refused.
    pub fn expired_authorities(&self, now: DateTime<Utc>) -> Vec<String> {
        let authorities = self.client_authorities.as_ref();
        authorities.map_or_else(Vec::new, |authorities| authorities.expired(now))
    }

    /// Reads the certificate of a client. `chain` begins with it and was verified in a handshake; `None`
    /// when the certificate names nobody.
    pub(crate) fn client(&self, chain: &[CertificateDer<'_>]) -> Option<ClientCertificate> {
        let authorities = self.client_authorities.as_ref()?;
        ClientCertificate::read(chain.first()?, || !authorities.limit_names(chain))
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

fn chain_of(chain: &[CertificateDer<'_>], provider: &CryptoProvider, now: DateTime<Utc>) -> Chain {
    let [first, between @ .., last] = chain else {
        return Chain::OneCertificate;
    };
    let mut roots = RootCertStore::empty();
    let parsed = ParsedCertificate::try_from(first);
    let (Ok(first), Ok(())) = (parsed, roots.add(last.clone().into_owned())) else {
        return Chain::Broken;
    };
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let verified = verify_server_cert_signed_by_trust_anchor(
        &first,
        &roots,
        between,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        provider.signature_verification_algorithms.all,
    );
    match verified {
        Ok(()) => Chain::Complete,
        Err(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => Chain::NotChecked,
        Err(_) => Chain::Broken,
    }
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
        let error = ServerCertificate::new(files, Utc::now());
        let error = error.expect_err("the files can't be used");
        format!("{}: {error}", error.flag())
    }

    #[test]
    fn a_certificate_is_valid_within_its_time() {
        let certificate = ServerCertificate::new(&pair(), Utc::now()).expect("a pair");
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
    fn a_chain_that_clients_do_not_accept_is_refused() {
        let pair = pair();
        let files = |length: usize| PemFiles {
            certificate: pair.certificate.repeat(length),
            ..pair.clone()
        };
        ServerCertificate::new(&files(10), Utc::now()).expect("ten certificates");
        let rule = "--tls-cert: the file may have at most 10 certificates, of 64 KiB in sum";
        assert_eq!(refused(&files(11)), rule);
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
        let error = ServerCertificate::new(&files, Utc::now()).expect_err("a broken key");
        assert!(error.source().is_none());
        let certificate = ServerCertificate::new(&pair, Utc::now()).expect("a pair");
        let shown = format!("{pair:?} {error:?} {certificate:?}");
        assert!(lines.iter().all(|line| !shown.contains(line)), "{shown}");
    }
}
