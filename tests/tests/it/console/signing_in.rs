//! Signing in and out, and the cookie.

use engine_roles_e2e::{Installation, TlsFiles, eventually};

use super::browser::{Browser, COOKIE};
use super::{count, keys};

#[tokio::test]
async fn a_key_is_exchanged_for_a_session_and_neither_is_stored() {
    let installation = Installation::build().rarely_checked().start().await;
    let key = keys(&installation, &["create", "anna"]);
    let browser = Browser::of(&installation, 0);
    for path in ["/console", "/console/clusters", "/console/audit"] {
        let answer = browser.get(path).await;
        answer.leads_to_sign_in();
        assert_eq!(answer.header("set-cookie"), "");
    }
    let form = browser.get("/console/sign-in").await;
    assert!(form.expect(200).contains(r#"name="key" type="password""#));
    let answer = browser
        .post("/console/sign-in", &[("key", &format!(" {key}\n"))])
        .await;
    answer.expect(303);
    let cookie = answer.header("set-cookie");
    let token = browser.token().expect("a token");
    let attributes = cookie.split_once("; ").expect("attributes").1;
    let (attributes, seconds) = (
        attributes.replace(&max_age(attributes), "Max-Age=…"),
        max_age(attributes),
    );
    assert_eq!(
        attributes,
        "Path=/console; Max-Age=…; HttpOnly; SameSite=Strict"
    );
    let seconds: i64 = seconds["Max-Age=".len()..].parse().expect("seconds");
    assert!((3_590..=3_600).contains(&seconds), "{seconds}");
    assert!(
        token.len() == 64 && !cookie.contains(&key),
        "the token is not the key"
    );

    let page = browser.get("/console").await;
    let page = page.expect(200);
    assert!(page.contains("<strong>anna</strong>"), "{page}");
    for secret in [&key, &token] {
        assert!(!page.contains(secret.as_str()));
        let rows: Vec<serde_json::Value> = installation
            .database
            .rows("SELECT to_jsonb(s) AS row FROM console_sessions s")
            .await;
        assert_eq!(rows.len(), 1);
        assert!(
            !serde_json::json!(rows)
                .to_string()
                .contains(secret.as_str())
        );
        let log = installation.replicas[0].log();
        log.logged("session of the console began").await;
        assert!(!log.text().contains(secret.as_str()), "{secret}");
    }
    installation.assert_sound().await;
}

fn max_age(attributes: &str) -> String {
    let all = attributes.split("; ");
    let mut found = all.filter(|one| one.starts_with("Max-Age="));
    found.next().expect("an age").to_owned()
}

#[tokio::test]
async fn the_first_key_signs_in_and_signing_out_ends_the_session_on_every_replica() {
    let installation = Installation::build()
        .rarely_checked()
        .replicas(2)
        .start()
        .await;
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    let token = browser.token().expect("a token");
    let other = browser.also_at(&installation, 1);
    other.get("/console").await.expect(200);
    let answer = other.post("/console/sign-out", &[]).await;
    answer.expect(303);
    assert_eq!(answer.header("location"), "/console/sign-in");
    assert_eq!(browser.token(), None);
    for replica in [&browser, &other] {
        replica.get("/console").await.leads_to_sign_in();
        let stolen = replica.with_cookie(&token);
        stolen.get("/console").await.leads_to_sign_in();
        assert_eq!(stolen.token(), None, "the cookie is taken away");
    }
    assert_eq!(count(&installation, "count(*)").await, 0);
}

#[tokio::test]
async fn wrong_keys_are_rejected_limited_by_address_and_audited() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_TRUSTED_PROXIES", "127.0.0.0/8")
        .start()
        .await;
    let from = |address: &str| Browser::of(&installation, 0).with("x-forwarded-for", address);
    let stranger = from("192.0.2.1");
    let wrong = "x".repeat(64);
    for key in [wrong.as_str(), "", "short", "<script>alert(1)</script>"] {
        let answer = stranger.post("/console/sign-in", &[("key", key)]).await;
        let page = answer.expect(401);
        assert!(page.contains("This API key is not valid."), "{page}");
        assert!(!page.contains("<script>alert"), "{page}");
        assert_eq!(answer.header("set-cookie"), "");
    }
    let without = stranger.post("/console/sign-in", &[]).await;
    without.expect(401);
    let mut limited = None;
    for _ in 0..40 {
        let answer = stranger.post("/console/sign-in", &[("key", &wrong)]).await;
        if answer.status != 401 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("the address is limited");
    limited.expect(429);
    assert!(!limited.header("retry-after").is_empty());
    // The limit is the one of the interface.
    let api = installation.client().anonymous();
    let api = api.with("x-forwarded-for", "192.0.2.1");
    let answer = api.with("authorization", &format!("Bearer {wrong}"));
    answer.list("").await.expect_problem(429, "rate_limited");
    // Guessed sessions count, too, and others are not concerned.
    let guess = from("192.0.2.2").with_cookie(&wrong);
    guess.get("/console").await.leads_to_sign_in();
    let mut statuses = Vec::new();
    while statuses.len() < 100 && !statuses.contains(&429) {
        // The answer takes the cookie away.
        let guess = from("192.0.2.3").with_cookie(&wrong);
        statuses.push(guess.post("/console/sign-out", &[]).await.status);
    }
    assert_eq!((statuses[0], statuses.last()), (303, Some(&429)));
    from("192.0.2.1").sign_in(installation.key()).await;

    let metrics = installation.client().fetch("/metrics").await.text;
    let counter = "engine_roles_denied_requests_total{reason=\"unknown_key\"}";
    assert!(metrics.contains(counter), "{metrics}");
    let mut installation = installation;
    installation.replicas[0].stop().await;
    installation.restart(0).await;
    let events = eventually("the denials are numbered", async || {
        let events = installation.client().audit("action=denied").await;
        let events = events.expect(200)["items"].as_array().cloned()?;
        (events.len() >= 2).then_some(events)
    })
    .await;
    let of = |source: &str| {
        let mut found = events.iter().filter(|event| event["source"] == source);
        found.next().expect("an event").clone()
    };
    let many = of("192.0.2.1");
    assert_eq!(many["detail"]["reason"], "unknown_key");
    assert!(many["detail"]["requests"].as_i64() > Some(5), "{many}");
    assert_eq!(of("192.0.2.2")["detail"]["requests"], 1);
}

#[tokio::test]
async fn a_form_of_another_page_is_rejected() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_TRUSTED_PROXIES", "127.0.0.2")
        .start()
        .await;
    let browser = Browser::of(&installation, 0);
    let fields = [("key", installation.key())];
    let other_port = "http://127.0.0.1:8888";
    let other_name = browser.origin.replace("127.0.0.1", "localhost");
    let other_scheme = browser.origin.replace("http://", "https://");
    for origin in [
        None,
        Some("null"),
        Some(""),
        Some("http://evil.example"),
        Some(other_port),
        Some(other_name.as_str()),
        Some(other_scheme.as_str()),
        Some("file://"),
    ] {
        for path in ["/console/sign-in", "/console/sign-out"] {
            let answer = browser.post_from(origin, path, &fields).await;
            answer.expect(403);
            assert_eq!(answer.header("set-cookie"), "", "{origin:?}");
        }
    }
    // Only a proxy that is trusted can say that the browser knows another host.
    let proxied = browser.with("x-forwarded-host", "evil.example");
    let answer = proxied.post_from(Some("http://evil.example"), "/console/sign-in", &fields);
    answer.await.expect(403);
    browser.sign_in(installation.key()).await;
    browser.get("/console").await.expect(200);
    let answer = browser.post_from(None, "/console/sign-out", &[]).await;
    answer.expect(403);
    browser.get("/console").await.expect(200);
}

#[tokio::test]
async fn a_trusted_proxy_says_the_host_and_that_the_browser_has_https() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_TRUSTED_PROXIES", "127.0.0.1")
        .start()
        .await;
    let browser = Browser::of(&installation, 0)
        .with("x-forwarded-proto", "https")
        .with("x-forwarded-host", "roles.example.com");
    let fields = [("key", installation.key())];
    let plain = "http://roles.example.com";
    let answer = browser.post_from(Some(plain), "/console/sign-in", &fields);
    answer.await.expect(403);
    let origin = "https://roles.example.com";
    let answer = browser
        .post_from(Some(origin), "/console/sign-in", &fields)
        .await;
    answer.expect(303);
    assert!(
        answer
            .header("set-cookie")
            .ends_with("; SameSite=Strict; Secure")
    );
    browser.get("/console").await.expect(200);
}

#[tokio::test]
async fn of_several_elements_only_the_last_is_the_word_of_the_proxy() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_TRUSTED_PROXIES", "127.0.0.1")
        .start()
        .await;
    let fields = [("key", installation.key())];
    let (ours, evil) = ("https://roles.example.com", "https://evil.example");
    for (protos, hosts, origin, is_accepted) in [
        (
            &["http, https"][..],
            &["evil.example, roles.example.com"][..],
            ours,
            true,
        ),
        (
            &["http", "https"],
            &["evil.example", "roles.example.com"],
            ours,
            true,
        ),
        (
            &["http, https"],
            &["evil.example, roles.example.com"],
            evil,
            false,
        ),
        (
            &["http", "https"],
            &["evil.example", "roles.example.com"],
            evil,
            false,
        ),
        // The client says https, and the proxy that the request came by http.
        (&["https, http"], &["roles.example.com"], ours, false),
        (&["https", "http"], &["roles.example.com"], ours, false),
        (
            &["https, http"],
            &["roles.example.com"],
            "http://roles.example.com",
            true,
        ),
        (&["https"], &["roles.example.com:8443"], ours, false),
        (
            &["https"],
            &["roles.example.com:8443"],
            "https://roles.example.com:8443",
            true,
        ),
        (&["https"], &["roles.example.com:443"], ours, true),
    ] {
        let mut browser = Browser::of(&installation, 0);
        for proto in protos {
            browser = browser.with_further("x-forwarded-proto", proto);
        }
        for host in hosts {
            browser = browser.with_further("x-forwarded-host", host);
        }
        let answer = browser.post_from(Some(origin), "/console/sign-in", &fields);
        let answer = answer.await;
        let what = format!("{protos:?} {hosts:?} {origin}");
        assert_eq!(answer.status, if is_accepted { 303 } else { 403 }, "{what}");
        let is_secure = answer.header("set-cookie").ends_with("; Secure");
        assert_eq!(
            is_secure,
            is_accepted && origin.starts_with("https"),
            "{what}"
        );
    }
}

#[tokio::test]
async fn without_trust_in_a_proxy_its_word_does_not_count() {
    let installation = Installation::build().rarely_checked().start().await;
    let browser = Browser::of(&installation, 0).with("x-forwarded-proto", "https");
    let fields = [("key", installation.key())];
    let answer = browser.post("/console/sign-in", &fields).await;
    answer.expect(303);
    assert!(answer.header("set-cookie").ends_with("; SameSite=Strict"));
}

#[tokio::test]
async fn under_tls_the_cookie_is_secure() {
    let files = TlsFiles::new();
    let installation = Installation::build().tls(&files).start().await;
    let address = installation.replicas[0].address();
    let origin = format!("https://{address}");
    let browser = Browser::at(origin, Some(&files.authority.pem()));
    let fields = [("key", installation.key())];
    let plain = format!("http://{address}");
    let answer = browser.post_from(Some(&plain), "/console/sign-in", &fields);
    answer.await.expect(403);
    let answer = browser.post("/console/sign-in", &fields).await;
    answer.expect(303);
    assert!(answer.header("set-cookie").starts_with(COOKIE));
    assert!(answer.header("set-cookie").ends_with("; Secure"));
    browser.get("/console").await.expect(200);
}

#[tokio::test]
async fn a_form_that_is_too_large_is_rejected() {
    let installation = Installation::build().rarely_checked().start().await;
    let browser = Browser::of(&installation, 0);
    let key = "k".repeat(100_000);
    let answer = browser.post("/console/sign-in", &[("key", &key)]).await;
    answer.expect(413);
    browser.sign_in(installation.key()).await;
}
