//! Certificates of clients in the place of API keys.

use std::time::Duration;

use engine_roles_e2e::tls::{Authority, Pair};
use engine_roles_e2e::{Installation, TlsFiles};

use super::open;

async fn start(files: &TlsFiles, authority: &Authority, rules: &str) -> Installation {
    let file = files.file("client-ca.crt");
    std::fs::write(&file, authority.pem()).expect("a file");
    Installation::build()
        .tls(files)
        .env("ENGINE_ROLES_TLS_CLIENT_CA", file.to_string_lossy())
        .env("ENGINE_ROLES_TLS_CLIENT_SUBJECTS", rules)
        .start()
        .await
}

/// Sends a request, and returns the status of the answer.
async fn status(
    installation: &Installation,
    files: &TlsFiles,
    client: Option<&Pair>,
    (method, path, authorization): (&str, &str, Option<&str>),
) -> u16 {
    let connection = open(installation, files, client).await;
    let mut connection = connection.expect("a connection");
    let header = authorization.map(|value| format!("Authorization: {value}\r\n"));
    let header = header.unwrap_or_default();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n");
    connection.send(request).await;
    connection.answer().await.expect("an answer").status
}

#[tokio::test]
async fn a_certificate_takes_the_place_of_a_key_with_the_rights_of_its_subject() {
    let files = TlsFiles::new();
    let authority = Authority::new("clients");
    let rules = "dns:reader.example=read@team-,cn:auditor=audit";
    let installation = start(&files, &authority, rules).await;
    for cluster in ["team-1", "other"] {
        installation.client().provision(cluster).await.expect(201);
    }
    let reader = authority.client("reader", &["reader.example"]);
    let auditor = authority.client("auditor", &[]);
    let stranger = authority.client("stranger", &[]);
    let own = "/v1/clusters/team-1/role";
    let initial = format!("Bearer {}", installation.key());
    for (client, method, path, authorization, expected) in [
        (Some(&reader), "GET", own, None, 200),
        (Some(&reader), "GET", "/v1/clusters/other/role", None, 403),
        (Some(&reader), "DELETE", own, None, 403),
        (Some(&reader), "GET", "/v1/audit", None, 403),
        (Some(&auditor), "GET", "/v1/audit", None, 200),
        (Some(&auditor), "GET", own, None, 403),
        (Some(&stranger), "GET", own, None, 401),
        (None, "GET", own, None, 401),
        // A key counts more than the certificate, whether it is valid or not.
        (Some(&reader), "GET", "/v1/audit", Some(&initial[..]), 200),
        (Some(&reader), "GET", own, Some("Bearer unknown"), 401),
        // The certificate does not take the place of a broken header, either.
        (Some(&reader), "GET", own, Some("Bearer "), 401),
        (Some(&reader), "GET", own, Some("Bearer"), 401),
        (Some(&reader), "GET", own, Some(""), 401),
        (Some(&reader), "GET", own, Some("Basic cmVhZGVyOg=="), 401),
        (Some(&reader), "GET", own, Some("\u{e9}"), 401),
    ] {
        let answered = status(&installation, &files, client, (method, path, authorization)).await;
        assert_eq!(answered, expected, "{method} {path} {authorization:?}");
    }
}

#[tokio::test]
async fn a_watch_ends_with_the_certificate() {
    let files = TlsFiles::new();
    let authority = Authority::new("clients");
    let installation = start(&files, &authority, "cn:auditor=audit").await;
    let client = authority.client_for("auditor", Duration::from_secs(10));
    let mut connection = open(&installation, &files, Some(&client))
        .await
        .expect("open");
    let head = "HTTP/1.1\r\nHost: x\r\n";
    let answer = connection
        .exchange(format!("GET /v1/audit {head}\r\n"))
        .await;
    assert_eq!(answer.status, 200);
    let watch = format!("GET /v1/audit?after=0 {head}Prefer: wait=50\r\n\r\n");
    let answer = connection.exchange(watch).await;
    let problem = answer.expect_problem(401, "unauthenticated");
    let detail = problem["detail"].to_string();
    assert!(
        detail.contains("certificate, stopped being valid"),
        "{detail}"
    );
    // The connection stays open, and the certificate counts as none.
    let answer = connection
        .exchange(format!("GET /v1/audit {head}\r\n"))
        .await;
    answer.expect_problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_commands_present_a_certificate() {
    let files = TlsFiles::new();
    let authority = Authority::new("clients");
    let installation = start(&files, &authority, "cn:auditor=read").await;
    let pair = authority.client("auditor", &[]);
    for (name, pem) in [("client.crt", &pair.certificate), ("client.key", &pair.key)] {
        std::fs::write(files.file(name), pem).expect("a file");
    }
    let path = |name: &str| files.file(name).to_string_lossy().into_owned();
    let port = installation.replicas[0].address().port();
    let list = |certificate: &str, key: &str| {
        let changes = [
            ("ENGINE_ROLES_ADDR", &*format!("https://localhost:{port}")),
            ("ENGINE_ROLES_API_KEY", ""),
            ("ENGINE_ROLES_CA_FILE", &*path("ca.crt")),
            ("ENGINE_ROLES_CLIENT_CERT", certificate),
            ("ENGINE_ROLES_CLIENT_KEY", key),
        ];
        let output = installation.run(&["role", "list"], &changes);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    };
    let (certificate, key) = (path("client.crt"), path("client.key"));
    assert_eq!(list(&certificate, &key), (Some(0), String::new()));
    assert_eq!(list("", "").0, Some(5));
    let (code, text) = list(&certificate, "");
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains(
            "ENGINE_ROLES_CLIENT_CERT needs --client-key <FILE> (ENGINE_ROLES_CLIENT_KEY)"
        ),
        "{text}"
    );
    let (code, text) = list(&certificate, &certificate);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("ENGINE_ROLES_CLIENT_CERT: the client's certificate"),
        "{text}"
    );
}
