//! How handshakes end is counted and can be found in the log.

use engine_roles_e2e::tls::{Authority, client_config, connect, long_hello};
use engine_roles_e2e::{Installation, RawConnection, TlsFiles, eventually};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ALL_VERSIONS;

use super::{LIVEZ, metric, open};

/// Returns how many handshakes have ended so.
async fn count(installation: &Installation, outcome: &str) -> u64 {
    let name = format!("engine_roles_tls_handshakes_total{{outcome=\"{outcome}\"}}");
    let count = metric(installation, &name).await;
    format!("{count}").parse().expect("a whole number")
}

/// Waits until so many handshakes have ended so, and until the log names a client of one.
async fn is_counted(installation: &Installation, outcome: &str, times: u64) {
    eventually(&format!("{outcome} is counted"), async || {
        (count(installation, outcome).await == times).then_some(())
    })
    .await;
    let entry = eventually(&format!("{outcome} is logged"), async || {
        let mut entries = installation.replicas[0].log().entries().into_iter();
        entries.find(|entry| entry["outcome"] == outcome)
    })
    .await;
    let peer = entry["peer"].as_str().expect("an address");
    assert!(peer.starts_with("127.0.0.1:"), "{entry}");
}

#[tokio::test]
async fn each_refused_handshake_is_counted_with_its_reason() {
    let files = TlsFiles::new();
    let clients = Authority::new("clients");
    let file = files.file("client-ca.crt");
    std::fs::write(&file, clients.pem()).expect("a file");
    let installation = Installation::build()
        .tls(&files)
        .env("ENGINE_ROLES_TLS_CLIENT_CA", file.to_string_lossy())
        .env("ENGINE_ROLES_SLOW_CLIENT_LIMIT", "2s")
        .env("ENGINE_ROLES_LOG", "info,engine_roles_api=debug")
        .start()
        .await;
    let address = installation.replicas[0].address();
    assert!(count(&installation, "completed").await > 0);
    for outcome in [
        "timed_out",
        "closed",
        "too_long",
        "not_tls",
        "nothing_in_common",
        "rejected_by_client",
        "client_certificate_expired",
        "client_certificate_unknown",
        "client_certificate_refused",
        "failed",
    ] {
        assert_eq!(count(&installation, outcome).await, 0, "{outcome}");
    }
    let mut silent = RawConnection::open(address).await;
    assert_eq!(silent.closed().await, 0);
    is_counted(&installation, "timed_out", 1).await;
    let before = count(&installation, "closed_by_client").await;
    drop(TcpStream::connect(address).await.expect("a connection"));
    is_counted(&installation, "closed_by_client", before + 1).await;
    for (times, bytes) in [(1, LIVEZ.as_bytes()), (2, &[0xff; 3_000])] {
        let mut plain = RawConnection::open(address).await;
        plain.send(bytes).await;
        plain.closed().await;
        is_counted(&installation, "not_tls", times).await;
    }
    let mut long = RawConnection::open(address).await;
    long.send(long_hello(60_000)).await;
    long.closed().await;
    is_counted(&installation, "too_long", 1).await;
    let mut config = files.authority.client_config(ALL_VERSIONS, None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(connect(address, config).await.is_err());
    is_counted(&installation, "nothing_in_common", 1).await;
    let distrustful = client_config(&clients.pem(), ALL_VERSIONS, None);
    assert!(connect(address, distrustful).await.is_err());
    is_counted(&installation, "rejected_by_client", 1).await;
    for (client, outcome) in [
        (clients.expired(), "client_certificate_expired"),
        (
            Authority::new("other").client("manager", &[]),
            "client_certificate_unknown",
        ),
        (clients.service(), "client_certificate_refused"),
    ] {
        // With TLS 1.3, the client learns only later that its certificate was refused.
        if let Ok(mut connection) = open(&installation, &files, Some(&client)).await {
            connection.closed().await;
        }
        is_counted(&installation, outcome, 1).await;
    }
    assert_eq!(count(&installation, "failed").await, 0);
}
