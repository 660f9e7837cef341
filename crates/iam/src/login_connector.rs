//! Sends requests that others have signed.

use std::sync::OnceLock;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;

/// The SDK's own connector, with the proxy of the environment as the SDK has it. It signs nothing, and
/// follows no redirect.
#[derive(Debug, Default)]
pub(crate) struct LoginConnector(OnceLock<SharedHttpConnector>);

impl LoginConnector {
    /// Returns the connector. It reads the certificates of the authorities, so that it is made at its
    /// first use.
    pub(crate) fn get(&self) -> &SharedHttpConnector {
        self.0.get_or_init(|| {
            let crypto = tls::rustls_provider::CryptoMode::AwsLc;
            let connector = Connector::builder()
                .tls_provider(tls::Provider::Rustls(crypto))
                .proxy_config(ProxyConfig::from_env());
            SharedHttpConnector::new(connector.build())
        })
    }
}
