//! Requests over TLS.

use std::net::SocketAddr;
use std::time::Duration;

use engine_roles_e2e::installation::fault;
use engine_roles_e2e::tls::connect;
use engine_roles_e2e::{Installation, RawConnection, TlsFiles};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ALL_VERSIONS, ProtocolVersion};

use super::{LIVEZ, open};

#[tokio::test]
async fn roles_are_provisioned_over_tls_and_the_start_shows_an_https_address() {
    let files = TlsFiles::new();
    let installation = Installation::build().tls(&files).start().await;
    installation.client().provision("one").await.expect(201);
    let bindings = installation.client().get("one").await;
    assert_eq!(bindings.expect(200)["state"], "active");
    let log = installation.replicas[0].log();
    let listening = log.logged("listening for requests").await;
    let url = format!("https://{}", installation.replicas[0].address());
    assert_eq!(listening["url"], url);
    installation.assert_sound().await;
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_accepted_and_older_versions_are_not() {
    let files = TlsFiles::new();
    let installation = Installation::build().tls(&files).start().await;
    let address = installation.replicas[0].address();
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut config = files.authority.client_config(&[version], None);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = connect(address, config).await.expect("a handshake");
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(expected));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut connection = RawConnection::over(stream);
        assert_eq!(connection.exchange(LIVEZ).await.status, 200);
        assert_eq!(connection.exchange(LIVEZ).await.status, 200);
    }
    let mut config = files.authority.client_config(ALL_VERSIONS, None);
    config.alpn_protocols = vec![b"http/1.0".to_vec()];
    let stream = connect(address, config).await.expect("a handshake");
    let mut connection = RawConnection::over(stream);
    let request = "GET /livez HTTP/1.0\r\n\r\n";
    assert_eq!(connection.exchange(request).await.status, 200);
    // The same first message as a client of TLS 1.2 and as one that knows no version after TLS 1.1.
    let (record, message) = answer_to(address, &hello(3)).await;
    assert_eq!((record, message), (0x16, vec![2]), "a ServerHello");
    let (record, message) = answer_to(address, &hello(2)).await;
    assert_eq!((record, message), (0x15, vec![2, 70]), "protocol_version");
}

/// Returns the type of the first record that the service answers, and its first bytes: both bytes of
/// an alert, the first of another record.
async fn answer_to(address: SocketAddr, hello: &[u8]) -> (u8, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.expect("listens");
    stream.write_all(hello).await.expect("sent");
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.expect("a record");
    let mut message = vec![0; if head[0] == 0x15 { 2 } else { 1 }];
    stream.read_exact(&mut message).await.expect("a record");
    (head[0], message)
}

/// Returns the first message of a client whose newest version is 1.2 (`minor` 3) or 1.1 (`minor` 2), as
/// RFC 5246 lays it out.
fn hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.push(0);
    // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, no compression.
    body.extend([0, 2, 0xc0, 0x2b, 1, 0]);
    // The extensions secp256r1, uncompressed points, and ecdsa_secp256r1_sha256.
    body.extend([0, 22, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0]);
    body.extend([0, 13, 0, 4, 0, 2, 4, 3]);
    let length = |length: usize| u8::try_from(length).expect("a short message");
    let mut hello = vec![0x16, 3, 1, 0, length(body.len() + 4)];
    hello.extend([1, 0, 0, length(body.len())]);
    hello.extend(body);
    hello
}

#[tokio::test]
async fn plain_http_on_the_port_of_tls_is_closed_and_so_is_tls_on_the_port_of_plain_http() {
    let files = TlsFiles::new();
    let installation = Installation::build().tls(&files).start().await;
    let address = installation.replicas[0].address();
    let long = vec![0xff; 100_000];
    for bytes in [LIVEZ.as_bytes(), b"\0\0\0\0\0\0\0\0", &long] {
        let mut connection = RawConnection::open(address).await;
        connection.send(bytes).await;
        // At most an alert.
        assert!(connection.closed().await <= 7);
    }
    let mut connection = open(&installation, &files, None).await.expect("open");
    assert_eq!(connection.exchange(LIVEZ).await.status, 200);
    let plain = Installation::start().await;
    let opened = open(&plain, &files, None).await;
    assert!(opened.is_err());
}

#[tokio::test]
async fn at_the_stop_running_requests_are_answered_and_idle_connections_are_closed_by_tls() {
    let files = TlsFiles::new();
    let mut installation = Installation::build()
        .tls(&files)
        .env("ENGINE_ROLES_SHUTDOWN_LIMIT", "1m")
        .start()
        .await;
    let address = installation.replicas[0].address();
    let config = files.authority.client_config(ALL_VERSIONS, None);
    let mut idle = connect(address, config).await.expect("a handshake");
    idle.write_all(LIVEZ.as_bytes()).await.expect("sent");
    let mut answer = [0; 4096];
    assert!(idle.read(&mut answer).await.expect("an answer") > 0);
    // A handshake that is not finished does not delay the end, either.
    let mut half = RawConnection::open(address).await;
    half.send([0x16, 3, 1]).await;
    installation.set_faults(fault("CreateRole", "before", json!({"hang_ms": 1_000})));
    let client = installation.client();
    let running = tokio::spawn(async move { client.provision("one").await });
    installation.reached("CreateRole", 0).await;
    installation.replicas[0].ask_to_stop();
    // The end of TLS, and not only of the connection, which an attacker could also bring about.
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.expect("a close_notify");
    installation.sandbox.advance(Duration::from_secs(1));
    let answer = running.await.expect("no panic");
    assert!([201, 202].contains(&answer.status), "{answer:?}");
    assert!(installation.replicas[0].ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_and_client_commands_reach_the_service() {
    let files = TlsFiles::new();
    let installation = Installation::build().tls(&files).start().await;
    let address = installation.replicas[0].address().to_string();
    let url = format!(
        "https://localhost:{}",
        installation.replicas[0].address().port()
    );
    let authority = files.authority_file();
    let authority = authority.to_str().expect("a path");
    let ran = |arguments: &[&str], changes: &[(&str, &str)]| {
        let output = installation.run(arguments, changes);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let listen = ("ENGINE_ROLES_LISTEN", address.as_str());
    // As the container's own check runs: with the settings of the service, and nothing else.
    for arguments in [&["healthcheck"][..], &["healthcheck", "--ready"]] {
        let (code, text) = ran(arguments, &[listen]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.starts_with(&format!("https://{address}/")), "{text}");
    }
    let trusting = [
        ("ENGINE_ROLES_CA_FILE", authority),
        ("ENGINE_ROLES_ADDR", &url),
    ];
    assert_eq!(ran(&["healthcheck", "--ready"], &trusting).0, Some(0));
    let checked = [listen, ("ENGINE_ROLES_CA_FILE", authority)];
    assert_eq!(ran(&["healthcheck"], &checked).0, Some(0));
    let (code, text) = ran(&["status"], &trusting);
    assert_eq!(code, Some(0), "{text}");
    // An address that is given is checked.
    let (code, text) = ran(&["healthcheck"], &[("ENGINE_ROLES_ADDR", &url)]);
    assert_eq!(code, Some(1), "{text}");
    let (code, text) = ran(&["healthcheck", "--ca-file", "/nowhere"], &[listen]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("--ca-file: the file /nowhere can't be read"),
        "{text}"
    );
    let plain = [listen, ("ENGINE_ROLES_TLS_CERT", "")];
    assert_eq!(ran(&["healthcheck"], &plain).0, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_command_says_what_to_set_where_tls_is_the_reason_for_no_answer() {
    let files = TlsFiles::new();
    let installation = Installation::build().tls(&files).start().await;
    let port = installation.replicas[0].address().port();
    let (http, https) = (
        format!("http://localhost:{port}"),
        format!("https://localhost:{port}"),
    );
    let failed = |arguments: &[&str], address: &str| {
        let output = installation.run(arguments, &[("ENGINE_ROLES_ADDR", address)]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let authority = "--ca-file (ENGINE_ROLES_CA_FILE) to the certificate of the authority";
    for arguments in [&["status"][..], &["role", "list"], &["healthcheck"]] {
        let text = failed(arguments, &http);
        let expected = "the service may speak HTTPS: set ENGINE_ROLES_ADDR to its https:// URL";
        assert!(
            text.contains(expected) && text.contains(authority),
            "{text}"
        );
        let text = failed(arguments, &https);
        let expected = "the certificate is not accepted, or the service speaks plain HTTP: set";
        assert!(
            text.contains(expected) && text.contains(authority),
            "{text}"
        );
        // Nobody listens: TLS is not the reason.
        let text = failed(arguments, "http://127.0.0.1:1");
        assert!(!text.contains("HTTPS"), "{text}");
    }
    let output = installation.run(
        &["status", "--output=json", "--addr", &http],
        &[("ENGINE_ROLES_ADDR", "")],
    );
    let json: Value = serde_json::from_slice(&output.stderr).expect("JSON");
    let error = json["error"].as_str().expect("a text");
    assert!(error.contains("set --addr to its https:// URL"), "{error}");
}
