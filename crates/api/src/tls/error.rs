//! Why the files of TLS can't be used.

use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem;
use x509_cert::der;

/// Why the files of TLS can't be used; [`TlsError::flag`] returns which one. No cause of an unreadable key
/// is given, because it would have a part of the key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of the certificate is not PEM.
    #[error("the file is not in PEM, or is incomplete")]
    CertificatePem(#[source] pem::Error),
    /// The file of the certificate has none.
    #[error("the file has no certificate in PEM")]
    NoCertificate,
    /// The file of the certificate has so many that clients would not accept them.
    #[error("the file may have at most 10 certificates, of 64 KiB in sum")]
    LongChain,
    /// The certificate has an unknown form.
    #[error("the certificate can't be read")]
    Certificate(#[source] der::Error),
    /// The file of the key has no private key.
    #[error("the file has no private key in PEM, or is incomplete; the key may not be encrypted")]
    NoKey,
    /// The key can't be used, or is not the certificate's.
    #[error("the key can't be used with the certificate")]
    Key(#[source] rustls::Error),
    /// The file of the clients' authorities is not PEM.
    #[error("the file is not in PEM, or is incomplete")]
    AuthoritiesPem(#[source] pem::Error),
    /// A certificate of a clients' authority has an unknown form.
    #[error("a certificate can't be read")]
    AuthorityForm(#[source] der::Error),
    /// A certificate of a clients' authority can't be used.
    #[error("a certificate can't be used")]
    Authority(#[source] rustls::Error),
    /// A certificate breaks a rule for those of clients' authorities.
    #[error("the certificate of {subject} {rule}")]
    AuthorityRule {
        /// Whom the certificate names.
        subject: String,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// There is no clients' authority.
    #[error("the file has no certificate in PEM")]
    NoAuthority,
    /// There are more clients' authorities than fit into a handshake.
    #[error("the file may have at most 100 certificates, with subjects of 32 KiB in sum")]
    ManyAuthorities,
}

impl TlsError {
    /// Returns the flag of the setting that names the file.
    pub fn flag(&self) -> &'static str {
        match self {
            Self::CertificatePem(_)
            | Self::NoCertificate
            | Self::LongChain
            | Self::Certificate(_) => "--tls-cert",
            Self::NoKey | Self::Key(_) => "--tls-key",
            Self::AuthoritiesPem(_)
            | Self::AuthorityForm(_)
            | Self::Authority(_)
            | Self::AuthorityRule { .. }
            | Self::NoAuthority
            | Self::ManyAuthorities => "--tls-client-ca",
        }
    }
}
