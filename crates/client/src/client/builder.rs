//! The builder of a client.

use std::time::Duration;

use reqwest::{Certificate, Identity, Url, redirect};

use super::Client;
use crate::key::ApiKey;

const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a client can't be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The address is not an `http://` or `https://` URL, or has a user, a password, a query or a
    /// fragment.
    #[error(
        "the service's address must be an http:// or https:// URL without user, password, query or fragment"
    )]
    Address,
    /// The HTTP library could not be set up, for example because TLS could not.
    #[error("the HTTP client can't be set up")]
    Http(#[source] reqwest::Error),
    /// The text has no certificate in PEM, or an invalid one.
    #[error("the certificates can't be used: there must be at least one, in PEM")]
    Certificates,
    /// The client's own certificate, or its key, can't be used. No cause is given, because it could have a
    /// part of the key.
    #[error(
        "the client's certificate, or its key, can't be used: both must be in PEM, and the key may not be encrypted"
    )]
    Identity,
}

/// The settings of a client to be built.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    address: String,
    key: Option<ApiKey>,
    timeout: Duration,
    connect_timeout: Duration,
    proxies: bool,
    certificates: Certificates,
    identity: Option<Identity>,
}

/// Which certificates of the service a client accepts.
#[derive(Clone, Debug)]
enum Certificates {
    /// Those that the operating system trusts.
    System,
    /// Those of these authorities, in PEM.
    Of(Vec<u8>),
    Any,
}

impl ClientBuilder {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            key: None,
            timeout: DEFAULT_TIMEOUT,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            proxies: true,
            certificates: Certificates::System,
            identity: None,
        }
    }

    /// Sends this key with every request.
    pub fn api_key(mut self, key: ApiKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the longest time that the client waits for an answer. The time for which a request lets
    /// the service wait is added. Default: 30 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the longest time for the connection to be established. Default: 10 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Connects directly, even where the environment configures a proxy.
    pub fn no_proxy(mut self) -> Self {
        self.proxies = false;
        self
    }

    /// Accepts certificates of the service that these certificate authorities have signed, in PEM,
    /// instead of those that the operating system trusts.
    pub fn certificate_authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates = Certificates::Of(pem.into());
        self
    }

    /// Presents this certificate to a service that asks for one: the certificate, followed by those of the
    /// authorities between it and the root, and its key, all in PEM.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn client_certificate(
        mut self,
        certificate: &[u8],
        key: &[u8],
    ) -> Result<Self, BuildError> {
        let both = [certificate, b"\n", key].concat();
        let identity = Identity::from_pem(&both).map_err(|_| BuildError::Identity)?;
        self.identity = Some(identity);
        Ok(self)
    }

    /// Accepts every certificate, so that anybody on the way could answer in the service's place. Only for
    /// a service on the same machine, and without a key.
    pub fn accept_any_certificate(mut self) -> Self {
        self.certificates = Certificates::Any;
        self
    }

    /// Builds the client, without sending anything.
    ///
    /// # Errors
    /// When the address or the certificates are invalid, or the HTTP library can't be set up.
    pub fn build(self) -> Result<Client, BuildError> {
        let address = parse_address(&self.address).ok_or(BuildError::Address)?;
        let mut http = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            .user_agent(concat!("engine-roles-client/", env!("CARGO_PKG_VERSION")))
            // The service never redirects, and a redirected PUT would become a GET.
            .redirect(redirect::Policy::none());
        if !self.proxies {
            http = http.no_proxy();
        }
        http = match self.certificates {
            Certificates::Of(pem) => {
                let authorities = Certificate::from_pem_bundle(&pem).unwrap_or_default();
                if authorities.is_empty() {
                    return Err(BuildError::Certificates);
                }
                http.tls_certs_only(authorities)
            }
            Certificates::Any => http
                .tls_certs_only([])
                .tls_danger_accept_invalid_certs(true),
            // Reading the operating system's certificates takes time and fails where there are none, and
            // only a proxy that is reached over TLS would need them.
            Certificates::System if address.scheme() == "http" => http.tls_certs_only([]),
            Certificates::System => http,
        };
        if let Some(identity) = self.identity {
            http = http.identity(identity);
        }
        let http = http.build().map_err(BuildError::Http)?;
        Ok(Client::new(http, address, self.key, self.timeout))
    }
}

fn parse_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_valid = ["http", "https"].contains(&url.scheme())
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    is_valid.then_some(url)
}
