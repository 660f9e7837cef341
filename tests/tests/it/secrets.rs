//! No secret is ever printed.

use engine_roles_e2e::installation::SERVICE_SECRET_KEY;
use engine_roles_e2e::{Installation, eventually};
use serde_json::json;

/// Everything that any library logs.
const EVERYTHING: &str = "trace,engine_roles=trace";
const SESSION_TOKEN: &str = "SessionTokenOfTheService0123456789abcdef";
const PASSWORD: &str = "PasswordOfTheDatabase0123456789abcdef";

#[tokio::test]
async fn a_whole_run_at_the_most_verbose_level_prints_no_secret() {
    let mut installation = Installation::build()
        .own_postgres()
        .unpooled()
        .env("ENGINE_ROLES_LOG", EVERYTHING)
        .env("AWS_SESSION_TOKEN", SESSION_TOKEN)
        .env("RUST_BACKTRACE", "1")
        .start()
        .await;
    let user = "secretive";
    installation
        .database
        .execute(&format!(
            "CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{PASSWORD}'"
        ))
        .await;
    let url = installation.environment()["DATABASE_URL"].clone();
    let (_, place) = url.split_once('@').expect("a user and a place");
    installation.set_env(
        "DATABASE_URL",
        &format!("postgres://{user}:{PASSWORD}@{place}"),
    );
    installation.restart(0).await;
    let client = installation.client();
    let run = |arguments: &[&str]| {
        let output = installation.run(arguments, &[]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    };
    let (key, mut printed) = run(&["keys", "create", "manager"]);
    let key = key.trim().to_owned();
    for arguments in [
        &["keys", "list"][..],
        &["keys", "revoke", "nobody"],
        &["migrate"],
        &["check"],
        &["orphans", "list"],
        &["status"],
        &["role", "list"],
    ] {
        let (stdout, stderr) = run(arguments);
        printed.extend([stdout, stderr]);
    }
    let bearer = format!("Bearer {key}");
    let stored = client.anonymous().with("authorization", &bearer);
    stored.provision("one").await.expect(201);
    client
        .put("one", json!({"secrets": ["a"]}))
        .await
        .expect(200);
    stored.access("one").await.expect(200);
    stored.list("").await.expect(200);
    let unknown = "UnknownKeyOfSomebody".repeat(4)[..64].to_owned();
    let unknown_bearer = format!("Bearer {unknown}");
    let stranger = client.anonymous().with("authorization", &unknown_bearer);
    stranger
        .list("")
        .await
        .expect_problem(401, "unauthenticated");
    // AWS and the database fail, which makes errors.
    installation.deny(&["iam:*"]).await;
    stored
        .provision("two")
        .await
        .expect_problem(424, "missing_permission");
    installation.deny_nothing().await;
    stored.delete("one").await.expect(200);
    let replica = installation.replicas[0].log().clone();
    installation
        .postgres()
        .kill()
        .await
        .expect("Postgres is killed");
    eventually("the outage is noticed", async || {
        let answer = client.fetch("/readyz").await;
        (answer.status == 503).then_some(())
    })
    .await;
    client
        .list("")
        .await
        .expect_problem(503, "database_unavailable");
    printed.push_str(&replica.text());
    assert!(printed.contains("TRACE"), "everything is logged");
    let initial = installation.key().to_owned();
    for (name, secret) in [
        ("the first API key", initial.as_str()),
        ("an API key", &key),
        ("an unknown API key", &unknown),
        ("the secret access key", SERVICE_SECRET_KEY),
        ("the session token", SESSION_TOKEN),
        ("the password", PASSWORD),
    ] {
        let found = printed.lines().find(|line| line.contains(secret));
        assert_eq!(found, None, "{name} was printed");
    }
}
