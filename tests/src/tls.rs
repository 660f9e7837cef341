//! TLS in tests: authorities, certificates, the files of an installation, and connections.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustix::fs::{Mode, chmod};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// Makes an authority.
    ///
    /// # Panics
    /// When no certificate can be made.
    pub fn new(name: &str) -> Self {
        Self::with(authority_params(name))
    }

    /// Makes an authority that expired years ago.
    ///
    /// # Panics
    /// When no certificate can be made.
    pub fn long_expired(name: &str) -> Self {
        let mut params = authority_params(name);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        Self::with(params)
    }

    /// Makes a certificate that is not one of an authority, although its key signs others.
    ///
    /// # Panics
    /// When no certificate can be made.
    pub fn pretended(name: &str) -> Self {
        let mut params = authority_params(name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = Vec::new();
        Self::with(params)
    }

    fn with(params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// The authority's own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Makes a certificate of a service on this machine.
    pub fn service(&self) -> Pair {
        self.sign(&service_params())
    }

    /// Makes a certificate of a service on this machine that is valid until the beginning of a year.
    pub fn valid_until(&self, year: i32) -> Pair {
        let mut params = service_params();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        self.sign(&params)
    }

    /// Makes a certificate of a service on this machine that expired years ago.
    pub fn expired(&self) -> Pair {
        let mut params = service_params();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        self.sign(&params)
    }

    /// Makes a certificate of a client.
    ///
    /// # Panics
    /// When no certificate can be made.
    pub fn client(&self, common_name: &str, names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("valid names");
        params.distinguished_name = named(common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    /// Makes a certificate of a client that is valid for so long.
    ///
    /// # Panics
    /// When no certificate can be made.
    pub fn client_for(&self, common_name: &str, time: std::time::Duration) -> Pair {
        let now = std::time::SystemTime::now();
        let since_1970 = now.duration_since(std::time::UNIX_EPOCH).expect("a time");
        let mut params = CertificateParams::default();
        params.distinguished_name = named(common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970 + time;
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// Returns the settings of a client that trusts this authority alone: see [`client_config`].
    pub fn client_config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        pair: Option<&Pair>,
    ) -> ClientConfig {
        client_config(&self.pem(), versions, pair)
    }
}

/// Returns what accepts the connections of a server with this certificate.
///
/// # Panics
/// When the PEM is broken.
pub fn acceptor(pair: &Pair) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.expect("a certificate")],
            key.expect("a key"),
        );
    TlsAcceptor::from(Arc::new(config.expect("a pair")))
}

/// Returns the settings of a client that trusts this authority alone, in PEM, and has this certificate.
///
/// # Panics
/// When the PEM is broken.
pub fn client_config(
    authority: &str,
    versions: &[&'static SupportedProtocolVersion],
    pair: Option<&Pair>,
) -> ClientConfig {
    let certificate = |pem: &str| {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
        certificate.expect("a certificate")
    };
    let mut roots = RootCertStore::empty();
    roots.add(certificate(authority)).expect("a certificate");
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .expect("the provider has cipher suites")
        .with_root_certificates(roots);
    let Some(pair) = pair else {
        return builder.with_no_client_auth();
    };
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
    builder
        .with_client_auth_cert(vec![certificate(&pair.certificate)], key)
        .expect("the key is the certificate's")
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn service_params() -> CertificateParams {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).expect("valid names");
    params.distinguished_name = named("engine-roles");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// The files of TLS of an installation, in a directory that is removed with this value.
pub struct TlsFiles {
    directory: TempDir,
    /// The authority that signs the service's certificates.
    pub authority: Authority,
}

impl TlsFiles {
    /// Makes an authority and writes a certificate of a service and its key.
    ///
    /// # Panics
    /// When a file can't be written.
    pub fn new() -> Self {
        let files = Self {
            directory: tempfile::tempdir().expect("a directory"),
            authority: Authority::new("engine-roles-test"),
        };
        files.write(&files.authority.service());
        std::fs::write(files.authority_file(), files.authority.pem()).expect("a file");
        files
    }

    /// The file of the service's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("tls.crt")
    }

    /// The file of the certificate's key.
    pub fn key(&self) -> PathBuf {
        self.directory.path().join("tls.key")
    }

    /// The file with the authority that signs the service's certificates.
    pub fn authority_file(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// Any other file of the directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a pair into the files, the key first.
    ///
    /// # Panics
    /// When a file can't be written.
    pub fn write(&self, pair: &Pair) {
        write_key(&self.key(), &pair.key);
        std::fs::write(self.certificate(), &pair.certificate).expect("a file");
    }
}

impl Default for TlsFiles {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes a file that only its owner can read.
///
/// # Panics
/// When the file can't be written.
pub fn write_key(path: &Path, key: &str) {
    std::fs::write(path, key).expect("a file");
    chmod(path, Mode::RUSR | Mode::WUSR).expect("the file is ours");
}

/// Opens a TLS connection to a service on this machine.
///
/// # Errors
/// When the handshake fails.
///
/// # Panics
/// When the service does not accept connections.
pub async fn connect(
    address: SocketAddr,
    config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.expect("the service accepts connections");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// Returns the first bytes that a client sends, which ask for this server.
///
/// # Panics
/// When the library can't make them.
pub fn client_hello(config: ClientConfig) -> Vec<u8> {
    use tokio_rustls::rustls::ClientConnection;

    let name = ServerName::try_from("localhost").expect("a name");
    let mut session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let mut hello = Vec::new();
    session
        .write_tls(&mut hello)
        .expect("memory can be written");
    hello
}

/// Returns so many bytes of a first message that is 65,535 bytes long, in records of the largest size.
///
/// # Panics
/// Never: a record is short.
pub fn long_hello(length: usize) -> Vec<u8> {
    let mut message = vec![1, 0, 0xff, 0xff];
    message.resize(4 + 0xffff, 0);
    let records = message.chunks(0x4000).flat_map(|part| {
        let length = u16::try_from(part.len()).expect("a record is short");
        let mut record = vec![0x16, 3, 1];
        record.extend(length.to_be_bytes());
        record.extend(part);
        record
    });
    records.take(length).collect()
}
