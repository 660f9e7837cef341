//! Tests of TLS, against a server with a certificate that only these tests use. Its authority's key no
//! longer exists.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{BuildError, Client, Error};

const AUTHORITY: &[u8] = include_bytes!("tls_tests/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls_tests/localhost.pem");
const KEY: &[u8] = include_bytes!("tls_tests/localhost.key");

/// Starts a server that answers each request on `/livez` and returns its address.
async fn service() -> String {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key is the certificate's");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the certificate ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                if stream
                    .read_buf(&mut request)
                    .await
                    .is_ok_and(|read| read > 0)
                {
                    continue;
                }
                break;
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    format!("https://{address}")
}

#[tokio::test]
async fn a_certificate_of_a_given_authority_is_accepted_and_others_are_not() {
    let address = service().await;
    let trusting = Client::builder(&address).no_proxy();
    let trusting = trusting.certificate_authorities(AUTHORITY);
    let trusting = trusting.build().expect("a client");
    trusting.liveness().await.expect("the service answers");

    let other = Client::builder(&address).no_proxy();
    let other = other.build().expect("a client");
    let error = other
        .liveness()
        .await
        .expect_err("the authority is unknown");
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");
}

#[tokio::test]
async fn a_client_that_accepts_any_certificate_reaches_the_service() {
    let client = Client::builder(service().await).no_proxy();
    let client = client.accept_any_certificate().build().expect("a client");
    client.liveness().await.expect("the service answers");
}

#[test]
fn certificates_that_can_not_be_read_are_an_error() {
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA"] {
        let builder = Client::builder("https://localhost");
        let built = builder.certificate_authorities(text).build();
        assert!(matches!(built, Err(BuildError::Certificates)), "{text}");
    }
}
