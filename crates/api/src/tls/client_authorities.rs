//! The authorities that sign the certificates of clients.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_cert::certificate::{CertificateInner, Raw, TbsCertificateInner};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, NameConstraints};
use x509_cert::name::Name;

use super::certificates;
use super::error::TlsError;

/// How many authorities there may be.
const MOST_AUTHORITIES: usize = 100;
/// How many bytes the names of all authorities may have. Each client gets them in one message of the
/// handshake, which can't have more than 64 KiB.
const LONGEST_NAMES: usize = 32 * 1024;

/// The authorities that sign the certificates of clients.
#[derive(Debug)]
pub(super) struct ClientAuthorities {
    all: Vec<Authority>,
    verifier: Arc<dyn ClientCertVerifier>,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
struct Authority {
    der: CertificateDer<'static>,
    name: Name,
    valid_from: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    limits_names: bool,
}

impl ClientAuthorities {
    /// Reads the certificates of authorities. Each must be one of an authority and valid at this time.
    ///
    /// # Errors
    /// When a certificate can't be used; the error names its subject.
    pub(super) fn read(
        pem: &[u8],
        provider: Arc<CryptoProvider>,
        now: DateTime<Utc>,
    ) -> Result<Self, TlsError> {
        let certificates = certificates(pem).map_err(TlsError::AuthoritiesPem)?;
        if certificates.is_empty() {
            return Err(TlsError::NoAuthority);
        }
        let all: Vec<Authority> = certificates
            .into_iter()
            .map(|certificate| Authority::read(certificate, now))
            .collect::<Result<_, _>>()?;
        let verifier = verifier(&all, &provider).map_err(TlsError::Authority)?;
        let names = verifier.root_hint_subjects().iter();
        let names: usize = names.map(|name| name.as_ref().len()).sum();
        if all.len() > MOST_AUTHORITIES || names > LONGEST_NAMES {
            return Err(TlsError::ManyAuthorities);
        }
        Ok(Self {
            all,
            verifier,
            provider,
        })
    }

    /// Returns the subjects of the authorities that have expired.
    pub(super) fn expired(&self, now: DateTime<Utc>) -> Vec<String> {
        let expired = self.all.iter().filter(|found| found.expires_at < now);
        expired.map(|found| shown(&found.name)).collect()
    }

    /// Returns whether an authority limits which names a certificate may have. `chain` is the
    /// certificate of a client, which was verified, followed by those that the client has sent with it.
    pub(super) fn limit_names(&self, chain: &[CertificateDer<'_>]) -> bool {
        let certificates = chain.iter().enumerate();
        // Each certificate counts, whether the verification needed it or not.
        let mut limits = certificates.map(|(place, der)| {
            let Ok(certificate) = CertificateInner::<Raw>::from_der(der) else {
                return true;
            };
            let certificate = certificate.tbs_certificate();
            let mut signed_by = self.all.iter();
            place > 0 && limits_names(certificate)
                || signed_by.any(|authority| {
                    authority.limits_names && authority.name == *certificate.issuer()
                })
        });
        limits.any(|limits| limits)
    }
}

impl Authority {
    fn read(der: CertificateDer<'static>, now: DateTime<Utc>) -> Result<Self, TlsError> {
        let certificate = CertificateInner::<Raw>::from_der(&der);
        let certificate = certificate.map_err(TlsError::AuthorityForm)?;
        let certificate = certificate.tbs_certificate();
        let name = certificate.subject().clone();
        let validity = certificate.validity();
        let valid_from = DateTime::UNIX_EPOCH + validity.not_before.to_unix_duration();
        let expires_at = DateTime::UNIX_EPOCH + validity.not_after.to_unix_duration();
        let constraints = certificate.get_extension::<BasicConstraints>();
        let is_authority = matches!(constraints, Ok(Some((_, found))) if found.ca);
        let may_sign = match certificate.get_extension::<KeyUsage>() {
            Ok(usage) => usage.is_none_or(|(_, usage)| usage.key_cert_sign()),
            Err(_) => false,
        };
        let broken = if !is_authority {
            Some("is not one of an authority: its basic constraints do not say CA:TRUE")
        } else if !may_sign {
            Some("may not sign certificates: its key usage does not have keyCertSign")
        } else if now < valid_from {
            Some("is not valid yet")
        } else if expires_at < now {
            Some("has expired")
        } else {
            None
        };
        if let Some(rule) = broken {
            let subject = shown(&name);
            return Err(TlsError::AuthorityRule { subject, rule });
        }
        Ok(Self {
            name,
            valid_from,
            expires_at,
            limits_names: limits_names(certificate),
            der,
        })
    }

    fn is_valid(&self, now: DateTime<Utc>) -> bool {
        (self.valid_from..=self.expires_at).contains(&now)
    }
}

fn limits_names(certificate: &TbsCertificateInner<Raw>) -> bool {
    let found = certificate.get_extension::<NameConstraints>();
    !matches!(found, Ok(None))
}

/// Returns a subject in a form that can be logged.
fn shown(name: &Name) -> String {
    let text: String = name.to_string().chars().take(255).collect();
    text.replace(char::is_control, "?")
}

fn verifier<'a>(
    authorities: impl IntoIterator<Item = &'a Authority>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.der.clone())?;
    }
    // A load balancer's health check has no certificate.
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .allow_unauthenticated()
        .build()
        .map_err(|_| CertificateError::UnknownIssuer.into())
}

/// The library verifies no validity of an authority, which can expire while the service runs.
impl ClientCertVerifier for ClientAuthorities {
    fn client_auth_mandatory(&self) -> bool {
        self.verifier.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let at = DateTime::UNIX_EPOCH + std::time::Duration::from_secs(now.as_secs());
        if self.all.iter().all(|authority| authority.is_valid(at)) {
            return self.verifier.verify_client_cert(certificate, between, now);
        }
        let valid = self.all.iter().filter(|authority| authority.is_valid(at));
        verifier(valid, &self.provider)?.verify_client_cert(certificate, between, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests;
