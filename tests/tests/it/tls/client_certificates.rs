//! Certificates of clients.

use engine_roles_e2e::tls::{Authority, Pair};
use engine_roles_e2e::{Installation, TlsFiles, eventually};
use serde_json::Value;

use super::{UNUSABLE, logged, open};

async fn start(files: &TlsFiles, authority: &Authority) -> Installation {
    let file = files.file("client-ca.crt");
    std::fs::write(&file, authority.pem()).expect("a file");
    Installation::build()
        .tls(files)
        .env("ENGINE_ROLES_TLS_CLIENT_CA", file.to_string_lossy())
        .env("ENGINE_ROLES_LOG", "info,engine_roles_api=debug")
        .start()
        .await
}

/// Sends a request with this id, and returns the subject that its log line has. `None` when the
/// connection can't be used.
async fn subject(
    installation: &Installation,
    files: &TlsFiles,
    client: Option<&Pair>,
    id: &str,
) -> Option<Value> {
    let mut connection = open(installation, files, client).await.ok()?;
    let request = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: {id}\r\n\r\n");
    // With TLS 1.3, the client learns only now that its certificate was rejected.
    connection.send(request).await;
    let answer = connection.answer().await?;
    assert_eq!(answer.status, 200);
    let span = eventually("the request is logged", async || {
        let entries = installation.replicas[0].log().entries().into_iter();
        let mut spans = entries.map(|entry| entry["spans"][0].clone());
        spans.find(|span| span["id"] == id)
    })
    .await;
    Some(span["client_certificate"].clone())
}

#[tokio::test]
async fn a_client_is_known_by_its_certificate_may_have_none_and_may_not_have_a_foreign_one() {
    let files = TlsFiles::new();
    let authority = Authority::new("clients");
    let installation = start(&files, &authority).await;
    let named = authority.client("manager", &["manager.example"]);
    let found = subject(&installation, &files, Some(&named), "a").await;
    assert_eq!(found, Some("dns:manager.example".into()));
    let by_common_name = authority.client("manager", &[]);
    let found = subject(&installation, &files, Some(&by_common_name), "b").await;
    assert_eq!(found, Some("cn:manager".into()));
    let found = subject(&installation, &files, None, "c").await;
    assert_eq!(found, Some(Value::Null));
    // Another authority with the same name, and the authority of the service's own certificate.
    let foreign = Authority::new("clients").client("manager", &["manager.example"]);
    assert_eq!(
        subject(&installation, &files, Some(&foreign), "d").await,
        None
    );
    let foreign = files.authority.client("manager", &[]);
    assert_eq!(
        subject(&installation, &files, Some(&foreign), "e").await,
        None
    );
    // A certificate of a server, and one that has expired.
    let server = authority.service();
    assert_eq!(
        subject(&installation, &files, Some(&server), "f").await,
        None
    );
    let expired = authority.expired();
    assert_eq!(
        subject(&installation, &files, Some(&expired), "g").await,
        None
    );
    installation.client().provision("one").await.expect(201);
}

#[tokio::test]
async fn the_authority_of_the_clients_is_read_again() {
    let files = TlsFiles::new();
    let authority = Authority::new("clients");
    let installation = start(&files, &authority).await;
    let old = authority.client("manager", &[]);
    assert!(
        subject(&installation, &files, Some(&old), "a")
            .await
            .is_some()
    );
    let next = Authority::new("next");
    std::fs::write(files.file("client-ca.crt"), next.pem()).expect("a file");
    let new = next.client("manager", &[]);
    let found = eventually("the new authority is used", async || {
        subject(&installation, &files, Some(&new), "b").await
    })
    .await;
    assert_eq!(found, "cn:manager");
    assert_eq!(subject(&installation, &files, Some(&old), "c").await, None);
}

#[tokio::test]
async fn what_is_no_authority_does_not_become_one_when_the_file_is_read_again() {
    let files = TlsFiles::new();
    let authority = Authority::new("clients");
    let installation = start(&files, &authority).await;
    let leaf = Authority::pretended("leaf");
    let both = format!("{}{}", authority.pem(), leaf.pem());
    std::fs::write(files.file("client-ca.crt"), both).expect("a file");
    super::is_reported(&installation, 1).await;
    let error = &logged(&installation, UNUSABLE)[0]["error"];
    let rule = "CN=leaf is not one of an authority";
    assert!(error.to_string().contains(rule), "{error}");
    let by_leaf = leaf.client("manager", &[]);
    let found = subject(&installation, &files, Some(&by_leaf), "a").await;
    assert_eq!(found, None);
    let by_authority = authority.client("manager", &[]);
    let found = subject(&installation, &files, Some(&by_authority), "b").await;
    assert_eq!(found, Some("cn:manager".into()));
}

#[tokio::test]
async fn without_an_authority_no_certificate_is_asked_for() {
    let files = TlsFiles::new();
    let installation = Installation::build()
        .tls(&files)
        .env("ENGINE_ROLES_LOG", "info,engine_roles_api=debug")
        .start()
        .await;
    let client = Authority::new("clients").client("manager", &[]);
    let found = subject(&installation, &files, Some(&client), "a").await;
    assert_eq!(found, Some(Value::Null));
}
