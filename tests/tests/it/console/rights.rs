//! What the key of a session permits.

use engine_roles_e2e::{Installation, eventually, within_one_hour};
use futures::future::join_all;

use super::browser::Browser;
use super::{count, keys};

async fn signed_in(installation: &Installation, arguments: &[&str]) -> Browser {
    let key = keys(installation, &[&["create"], arguments].concat());
    let browser = Browser::of(installation, 0);
    browser.sign_in(&key).await;
    browser
}

#[tokio::test]
async fn a_session_can_only_read_whatever_its_key_may() {
    let installation = Installation::build().rarely_checked().start().await;
    signed_in(&installation, &["all", "--scopes", "provision,read,audit"]).await;
    let scopes = "count(*) FILTER (WHERE scopes = '{read,audit}')";
    assert_eq!(count(&installation, scopes).await, 1);
    let key = keys(
        &installation,
        &["create", "writer", "--scopes", "provision"],
    );
    let browser = Browser::of(&installation, 0);
    let answer = browser.post("/console/sign-in", &[("key", &key)]).await;
    let page = answer.expect(403);
    assert!(page.contains("nothing to show"), "{page}");
    assert_eq!(browser.token(), None);
}

#[tokio::test]
async fn without_the_scope_audit_there_are_no_audit_pages() {
    let installation = Installation::build().rarely_checked().start().await;
    installation.client().provision("one").await.expect(201);
    installation.events_are_numbered().await;
    let reader = signed_in(&installation, &["reader", "--scopes", "read"]).await;
    let overview = reader.get("/console").await;
    assert!(!overview.expect(200).contains("/console/audit"));
    for path in [
        "/console/audit",
        "/console/audit?cluster=one",
        "/console/audit/1",
    ] {
        reader.get(path).await.expect(403);
    }
    let cluster = reader.get("/console/clusters/one").await;
    let cluster = cluster.expect(200);
    assert!(cluster.contains("lacks the scope audit"), "{cluster}");
    assert!(!cluster.contains("provision requested"), "{cluster}");

    let auditor = signed_in(&installation, &["auditor", "--scopes", "audit"]).await;
    let first = auditor.get("/console").await;
    first.expect(303);
    assert_eq!(first.header("location"), "/console/audit");
    let log = auditor.get("/console/audit").await;
    let log = log.expect(200);
    assert!(log.contains("provision requested"), "{log}");
    assert!(!log.contains(r#"href="/console/capabilities""#), "{log}");
    for path in [
        "/console/clusters",
        "/console/clusters/one",
        "/console/clusters/one/access",
        "/console/pass-through-roles",
        "/console/capabilities",
    ] {
        auditor.get(path).await.expect(403);
    }
}

#[tokio::test]
async fn a_session_with_a_prefix_shows_only_those_clusters() {
    let installation = Installation::build().rarely_checked().start().await;
    for cluster in ["team-a-1", "team-a-2", "team-b-1"] {
        installation.client().provision(cluster).await.expect(201);
    }
    installation.events_are_numbered().await;
    let browser = signed_in(
        &installation,
        &["a", "--cluster-prefix", "team-a-", "--scopes", "read,audit"],
    )
    .await;
    for path in [
        "/console",
        "/console/clusters",
        "/console/clusters?sort=changed",
        "/console/clusters?prefix=team",
        "/console/audit",
        "/console/clusters/team-a-1",
    ] {
        let page = browser.get(path).await;
        let page = page.expect(200);
        assert!(!page.contains("team-b"), "{path}: {page}");
    }
    let page = browser.get("/console/clusters").await.text;
    assert!(page.contains("team-a-1") && page.contains("team-a-2"));
    let overview = browser.get("/console").await.text;
    assert!(
        overview.contains(r#"<span class="number good">2</span>"#),
        "{overview}"
    );
    let none = browser.get("/console/clusters?prefix=team-b").await;
    assert!(none.expect(200).contains("No cluster matches"));
    let since = installation.mark();
    for path in [
        "/console/clusters/team-b-1",
        "/console/clusters/team-b-1/access",
        "/console/clusters/unknown",
        "/console/audit?cluster=team-b-1",
    ] {
        browser.get(path).await.expect(403);
    }
    assert_eq!(installation.iam_calls(since).len(), 0);
    let metrics = installation.client().fetch("/metrics").await.text;
    let counter = "engine_roles_denied_requests_total{reason=\"cluster\"} 4";
    assert!(metrics.contains(counter), "{metrics}");
}

#[tokio::test]
async fn a_read_of_the_log_is_logged_as_one_of_the_interface_is() {
    within_one_hour().await;
    let installation = Installation::build().rarely_checked().start().await;
    installation.client().provision("one").await.expect(201);
    let browser = signed_in(&installation, &["anna", "--scopes", "read,audit"]).await;
    browser.get("/console").await.expect(200);
    browser.get("/console/clusters").await.expect(200);
    for _ in 0..3 {
        browser.get("/console/audit").await.expect(200);
        browser.get("/console/clusters/one").await.expect(200);
    }
    let events = eventually("the read is logged", async || {
        let events = installation.client().audit("action=log_read").await;
        let events = events.expect(200)["items"].as_array().cloned()?;
        let by_anna: Vec<_> = events
            .into_iter()
            .filter(|it| it["actor"] == "anna")
            .collect();
        (!by_anna.is_empty()).then_some(by_anna)
    })
    .await;
    assert_eq!(events.len(), 1);
    assert!(events[0]["source"].is_string(), "{}", events[0]);
}

#[tokio::test]
async fn many_requests_of_one_session_are_limited_like_those_of_its_key() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_KEY_RATE", "5")
        .start()
        .await;
    let browser = signed_in(&installation, &["anna"]).await;
    // Together, because one after another they may be slower than the limit.
    let answers = join_all((0..30).map(|_| browser.get("/console/no-such-page"))).await;
    let limited = answers.iter().find(|answer| answer.status == 429);
    let limited = limited.expect("the key is limited");
    assert!(!limited.header("retry-after").is_empty());
}
