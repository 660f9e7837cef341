//! What every page has, and what the pages of a cluster show.

use engine_roles_e2e::installation::fault;
use engine_roles_e2e::{Installation, eventually};
use reqwest::Method;
use serde_json::json;

use super::browser::{Browser, Shown};

/// Every page; the cluster `one` has a role.
const PAGES: [&str; 12] = [
    "/console",
    "/console/",
    "/console/sign-in",
    "/console/clusters",
    "/console/clusters?sort=state&state=active",
    "/console/clusters/one",
    "/console/clusters/one/access",
    "/console/clusters/never",
    "/console/pass-through-roles",
    "/console/capabilities",
    "/console/audit",
    "/console/no-such-page",
];

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The largest page of these tests, in bytes.
const LARGEST: usize = 200_000;

fn check_headers(path: &str, answer: &Shown) {
    for (name, expected) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), expected, "{path}: {name}");
    }
}

/// Checks that nothing in a page needs a weaker policy: no script and no style is in its text.
fn check_text(path: &str, text: &str) {
    assert!(text.len() < LARGEST, "{path} has {} bytes", text.len());
    let lower = text.to_lowercase();
    for forbidden in [
        "<style",
        " style=",
        " onclick=",
        " onload=",
        "javascript:",
        "http://",
        "https://",
    ] {
        assert!(!lower.contains(forbidden), "{path} has {forbidden}: {text}");
    }
    let scripts = lower.matches("<script").count();
    let loaded = lower.matches("<script src=\"/console/assets/").count();
    assert_eq!(scripts, loaded, "{path}: {text}");
}

#[tokio::test]
async fn every_page_has_a_strict_policy_and_is_not_stored() {
    let installation = Installation::build()
        .prepared("prepared")
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", "prepared")
        .rarely_checked()
        .start()
        .await;
    installation.client().provision("one").await.expect(201);
    let stranger = Browser::of(&installation, 0);
    for path in PAGES {
        check_headers(path, &stranger.get(path).await);
    }
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    for path in PAGES {
        let answer = browser.get(path).await;
        check_headers(path, &answer);
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        check_text(path, &answer.text);
        let expected = match path {
            "/console/" => 303,
            "/console/clusters/never" | "/console/no-such-page" => 404,
            _ => 200,
        };
        answer.expect(expected);
        if expected != 303 {
            assert!(
                answer.header("content-type").starts_with("text/html"),
                "{path}"
            );
            assert!(
                answer.text.starts_with("<!DOCTYPE html><html lang=\"en\">"),
                "{path}"
            );
            assert!(!answer.header("x-request-id").is_empty());
        }
    }
    let page = browser.get("/console").await.text;
    for asset in page
        .split('"')
        .filter(|part| part.starts_with("/console/assets/"))
    {
        let answer = stranger.get(asset).await;
        answer.expect(200);
        check_headers(asset, &answer);
    }
    stranger.get("/console/assets/mod.rs").await.expect(404);
    let metrics = installation.client().fetch("/metrics").await.text;
    for route in [
        "/console",
        "/console/clusters/{cluster}",
        "/console/assets/{file}",
        "/console/{*path}",
    ] {
        assert!(metrics.contains(&format!("route=\"{route}\"")), "{route}");
    }
    let routes = metrics
        .lines()
        .filter(|line| line.contains("never") || line.contains("no-such-page"));
    assert_eq!(routes.count(), 0);
}

#[tokio::test]
async fn the_console_only_reads() {
    let installation = Installation::build().rarely_checked().start().await;
    installation.client().provision("one").await.expect(201);
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    let client = installation.client().anonymous();
    let cookie = format!(
        "{}={}",
        super::browser::COOKIE,
        browser.token().unwrap_or_default()
    );
    let client = client
        .with("cookie", &cookie)
        .with("origin", &browser.origin);
    for path in PAGES.into_iter().filter(|path| *path != "/console/sign-in") {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = client.send(client.request(method.clone(), path)).await;
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text);
        }
    }
    let since = installation.mark();
    for path in PAGES.into_iter().filter(|path| !path.ends_with("/access")) {
        browser.get(path).await;
    }
    // Only the capabilities are asked of AWS, and that was done at the start.
    assert_eq!(installation.iam_calls(since).len(), 0);
    browser
        .get("/console/clusters/one/access")
        .await
        .expect(200);
    let calls = installation.iam_calls(since);
    assert!((1..=9).contains(&calls.len()), "{calls:?}");
    assert_eq!(installation.mutations(since).len(), 0);
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_page_of_a_cluster_shows_what_it_has_and_what_happened() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    let body = json!({"secrets": ["db-password"], "tags": {"team": "data"}});
    let first = client.put("one", body.clone()).await.expect(201).clone();
    client.delete("one").await.expect(200);
    let second = client.put("one", body).await;
    let second = second.body;
    assert_eq!(second["state"], "active", "{second}");
    installation.events_are_numbered().await;
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    let page = browser.get("/console/clusters/one").await;
    let page = page.expect(200);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    for part in [
        text(&second["role"]["arn"]),
        text(&second["role"]["id"]),
        text(&second["instance_profile"]["arn"]),
        text(&second["binding_id"]),
        text(&first["binding_id"]),
        "secretsmanager:GetSecretValue".to_owned(),
        "reads the value of a secret".to_owned(),
        "provision requested".to_owned(),
        "provisioned".to_owned(),
        "4 AWS calls".to_owned(),
        "team = data".to_owned(),
        "engine-roles role get one".to_owned(),
        "/console/clusters/one/access".to_owned(),
    ] {
        assert!(!part.is_empty() && page.contains(&part), "{part}: {page}");
    }
    // The timeline is about this incarnation; the log has both.
    assert_eq!(page.matches("provision requested").count(), 1);
    let log = browser.get("/console/audit?cluster=one").await;
    assert_eq!(log.expect(200).matches("event-action-").count(), 0);
    assert_eq!(
        log.text
            .matches("</span> <a href=\"/console/clusters/one\">")
            .count(),
        6
    );
    let reach = browser.get("/console/clusters/one/access").await;
    let reach = reach.expect(200);
    assert!(reach.contains("statement ReadOwnSecrets of inline policy engine-access"));
    assert_eq!(reach.matches("can't reach").count(), 2);
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_overview_says_what_needs_a_person_until_it_does_not() {
    let installation = Installation::build().rarely_checked().start().await;
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    let overview = async || browser.get("/console").await.expect(200).to_owned();
    assert!(overview().await.contains("Nothing needs a person now."));
    let denied = fault("PutRolePolicy", "before", json!({"error": "AccessDenied"}));
    installation.set_faults(denied);
    installation.client().provision("one").await.expect(424);
    installation.reaches("one", "failed").await;
    let page = eventually("the failure is shown", async || {
        let page = overview().await;
        page.contains("The service gave up the last request:")
            .then_some(page)
    })
    .await;
    assert!(
        page.contains("AWS denied a change that a role needs."),
        "{page}"
    );
    assert!(page.contains(r#"href="/console/clusters/one""#));
    assert!(
        page.contains(r#"<span class="number bad">1</span>"#),
        "{page}"
    );
    let capabilities = browser.get("/console/capabilities").await;
    let capabilities = capabilities.expect(200);
    assert!(capabilities.contains("AWS denies"), "{capabilities}");
    assert!(
        capabilities.contains("&quot;iam:PutRolePolicy&quot;"),
        "{capabilities}"
    );
    installation.set_faults(json!([]));
    installation.client().provision("one").await.expect(201);
    let page = overview().await;
    assert!(page.contains("Nothing needs a person now."), "{page}");
    assert!(!page.contains(r#"<span class="number bad">"#), "{page}");
    installation.assert_sound().await;
}

#[tokio::test]
async fn an_open_page_refreshes_its_part_and_stops_when_the_session_has_ended() {
    let installation = Installation::build().rarely_checked().start().await;
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    let path = "/console/clusters?prefix=new&sort=changed";
    let page = browser.get(path).await;
    let url = "hx-get=\"/console/clusters?prefix=new&amp;sort=changed\"";
    assert!(page.expect(200).contains(url), "{}", page.text);
    installation.client().provision("new-1").await.expect(201);
    let part = browser.refresh(path).await;
    let part = part.expect(200);
    assert!(part.contains("new-1") && !part.contains("<html"), "{part}");
    let part = browser.refresh("/console").await;
    assert!(
        part.expect(200).contains("Clusters by state"),
        "{}",
        part.text
    );
    browser
        .clone()
        .post("/console/sign-out", &[])
        .await
        .expect(303);
    let ended = browser.refresh(path).await;
    let ended = ended.expect(286);
    assert!(
        ended.contains("Sign in again") && !ended.contains("<html"),
        "{ended}"
    );
}
