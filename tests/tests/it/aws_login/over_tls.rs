//! The call to STS over TLS.

use std::net::SocketAddr;

use engine_roles_e2e::TlsFiles;
use engine_roles_e2e::aws_login::{SESSION_ARN, Signing, identity};
use engine_roles_e2e::tls::{Authority, Pair, acceptor};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::{build, calls_of, know, log_in};

/// Accepts TLS in front of a server on loopback. Returns its port.
async fn in_front_of(server: SocketAddr, pair: &Pair) -> u16 {
    let acceptor = acceptor(pair);
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("loopback has a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            // An error is that of a client that went away or does not trust the certificate.
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(server).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    port
}

#[tokio::test]
async fn sts_is_asked_over_tls_and_only_if_its_certificate_is_trusted() {
    let mut installation = build().start().await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    let files = TlsFiles::new();
    let port = in_front_of(installation.sandbox.address(), &files.authority.service()).await;
    let trusted = files.authority_file();
    let other = files.file("other.crt");
    std::fs::write(&other, Authority::new("another authority").pem()).expect("written");
    let endpoint = format!("https://localhost:{port}");
    installation.set_env("AWS_ENDPOINT_URL_STS", &endpoint);
    installation.set_env("SSL_CERT_FILE", &trusted.to_string_lossy());
    installation.restart(0).await;
    let login = Signing::new(&session).login();
    log_in(&installation.client(), &login).await.expect(200);
    assert_eq!(calls_of(&installation, &session), 1);
    installation.set_env("SSL_CERT_FILE", &other.to_string_lossy());
    installation.restart_listening(0).await;
    let answer = log_in(&installation.client(), &login).await;
    answer.expect_problem(503, "iam_unavailable");
    assert_eq!(calls_of(&installation, &session), 1);
}
