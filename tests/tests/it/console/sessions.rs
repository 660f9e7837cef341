//! How sessions end, and where they count.

use std::time::{Duration, Instant};

use engine_roles_e2e::{Installation, eventually, within_one_hour};

use super::browser::{Browser, COOKIE};
use super::{count, keys};

#[tokio::test]
async fn a_revoked_key_ends_its_sessions_on_every_replica_within_two_seconds() {
    let installation = Installation::build()
        .rarely_checked()
        .replicas(2)
        .start()
        .await;
    let key = keys(&installation, &["create", "anna"]);
    let browsers = [0, 1].map(|replica| Browser::of(&installation, replica));
    for browser in &browsers {
        browser.sign_in(&key).await;
        browser.get("/console").await.expect(200);
    }
    let of_another_key = Browser::of(&installation, 1);
    of_another_key.sign_in(installation.key()).await;
    keys(&installation, &["revoke", "anna"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    for browser in &browsers {
        let answer = browser.get("/console/clusters").await;
        answer.leads_to_sign_in();
        assert!(answer.header("location").ends_with("?ended=true"));
        let answer = browser.post("/console/sign-in", &[("key", &key)]).await;
        let page = answer.expect(401);
        assert!(page.contains("This API key was revoked"), "{page}");
    }
    of_another_key.get("/console").await.expect(200);
}

#[tokio::test]
async fn a_session_ends_with_its_key() {
    let installation = Installation::build().rarely_checked().start().await;
    let started = Instant::now();
    let key = keys(&installation, &["create", "anna", "--valid-for", "20s"]);
    let browser = Browser::of(&installation, 0);
    let answer = browser.post("/console/sign-in", &[("key", &key)]).await;
    answer.expect(303);
    let cookie = answer.header("set-cookie").to_owned();
    let (_, lasts) = cookie.split_once("; Max-Age=").expect("an age");
    let (lasts, _) = lasts.split_once(';').expect("another attribute");
    let lasts: u64 = lasts.parse().expect("seconds");
    // Whole seconds, rounded down.
    let shortest = 19_u64.saturating_sub(started.elapsed().as_secs() + 1);
    assert!((shortest..=20).contains(&lasts), "{cookie}");
    browser.get("/console").await.expect(200);
    let token = browser.token().expect("a token");
    eventually("the session ends", async || {
        let answer = browser.with_cookie(&token).get("/console").await;
        (answer.status != 200).then_some(answer)
    })
    .await
    .leads_to_sign_in();
}

#[tokio::test]
async fn a_session_ends_after_an_hour_and_its_row_is_deleted() {
    let installation = Installation::build().rarely_checked().start().await;
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    let lasts = "extract(epoch FROM expires_at - created_at)::bigint";
    assert_eq!(count(&installation, lasts).await, 3_600);
    let database = &installation.database;
    database.advance(Duration::from_mins(59)).await;
    browser.get("/console").await.expect(200);
    database.advance(Duration::from_mins(2)).await;
    let token = browser.token().expect("a token");
    let ended = browser.refresh("/console").await;
    // The status with which the script stops to ask.
    assert!(ended.expect(286).contains("Your session has ended"));
    browser
        .with_cookie(&token)
        .get("/console")
        .await
        .leads_to_sign_in();
    let again = Browser::of(&installation, 0);
    let form = again.get("/console/sign-in?ended=true").await;
    assert!(form.expect(200).contains("Your session has ended"));
    // The next one who signs in deletes the sessions that ended more than ten minutes ago.
    assert_eq!(count(&installation, "count(*)").await, 1);
    database.advance(Duration::from_mins(10)).await;
    again.sign_in(installation.key()).await;
    assert_eq!(count(&installation, "count(*)").await, 1);
    again.get("/console").await.expect(200);
}

#[tokio::test]
async fn the_service_deletes_expired_sessions_without_a_sign_in() {
    let mut installation = Installation::build().rarely_checked().start().await;
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    // An expired session is kept for ten minutes, so that its holder is told that it has expired.
    let expired = |hash: &str, minutes: u8| {
        format!(
            "INSERT INTO console_sessions
                 (sha256, id, namespace, key_sha256, scopes, created_at, expires_at)
             SELECT decode(repeat('{hash}', 32), 'hex'), gen_random_uuid(), namespace, key_sha256, scopes,
                    created_at - interval '2 hours', service_now() - interval '{minutes} minutes'
             FROM console_sessions WHERE expires_at > service_now()"
        )
    };
    installation.database.execute(&expired("01", 5)).await;
    installation.database.execute(&expired("02", 11)).await;
    assert_eq!(count(&installation, "count(*)").await, 3);
    // The timer runs when the service starts, and every ten minutes.
    installation.restart_listening(0).await;
    eventually("the session that expired long ago is deleted", async || {
        (count(&installation, "count(*)").await == 2).then_some(())
    })
    .await;
    let left = "count(*) FILTER (WHERE sha256 <> decode(repeat('02', 32), 'hex'))";
    assert_eq!(count(&installation, left).await, 2);
    let same = browser.also_at(&installation, 0);
    eventually("the session that has not expired is valid", async || {
        (same.get("/console").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn signing_in_again_ends_the_session_that_the_browser_had() {
    let installation = Installation::build().rarely_checked().start().await;
    let key = keys(&installation, &["create", "anna"]);
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    let first = browser.token().expect("a token");
    let other = Browser::of(&installation, 0);
    other.sign_in(installation.key()).await;
    // A wrong key ends nothing.
    let wrong = "x".repeat(64);
    let answer = browser.post("/console/sign-in", &[("key", &wrong)]).await;
    answer.expect(401);
    browser.get("/console").await.expect(200);
    browser.sign_in(&key).await;
    assert_ne!(browser.token().as_ref(), Some(&first));
    let page = browser.get("/console").await;
    assert!(page.expect(200).contains("<strong>anna</strong>"));
    let stolen = browser.with_cookie(&first);
    stolen.get("/console").await.leads_to_sign_in();
    other.get("/console").await.expect(200);
    assert_eq!(count(&installation, "count(*)").await, 2);
    // The cookie of a session that has ended is no obstacle.
    let ended = browser.with_cookie(&first);
    ended.sign_in(&key).await;
    assert_eq!(count(&installation, "count(*)").await, 3);
}

#[tokio::test]
async fn signing_in_is_in_the_audit_log_with_key_and_address_once_an_hour() {
    within_one_hour().await;
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_TRUSTED_PROXIES", "127.0.0.1")
        .start()
        .await;
    let key = keys(&installation, &["create", "anna"]);
    let from = |address: &str| Browser::of(&installation, 0).with("x-forwarded-for", address);
    for address in ["192.0.2.1", "192.0.2.1", "192.0.2.2"] {
        from(address).sign_in(&key).await;
    }
    from("192.0.2.1").sign_in(installation.key()).await;
    let wrong = "x".repeat(64);
    let denied = from("192.0.2.3")
        .post("/console/sign-in", &[("key", &wrong)])
        .await;
    denied.expect(401);
    let events = eventually("the sessions are in the log", async || {
        let events = installation.client().audit("action=signed_in").await;
        let events = events.expect(200)["items"].as_array().cloned()?;
        (events.len() >= 3).then_some(events)
    })
    .await;
    let found: Vec<_> = events
        .iter()
        .map(|event| {
            assert_eq!(event["outcome"], "succeeded");
            assert_eq!(event["detail"]["combined"], false);
            assert!(event["request_id"].is_string(), "{event}");
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            (text("actor"), text("source"), event["key_id"].is_string())
        })
        .collect();
    let expected = [
        ("anna", "192.0.2.1", true),
        ("anna", "192.0.2.2", true),
        ("init", "192.0.2.1", false),
    ];
    let expected = expected.map(|(actor, source, key)| (actor.to_owned(), source.to_owned(), key));
    assert_eq!(found, expected);
    let browser = from("192.0.2.1");
    browser.sign_in(installation.key()).await;
    let page = browser.get("/console/audit?action=signed_in").await;
    assert!(
        page.expect(200).contains("signed in</span>"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn a_key_has_at_most_twenty_sessions_and_a_further_one_ends_the_oldest() {
    let installation = Installation::build().rarely_checked().start().await;
    let browsers: Vec<_> = (0..21).map(|_| Browser::of(&installation, 0)).collect();
    for browser in &browsers {
        browser.sign_in(installation.key()).await;
    }
    browsers[0].get("/console").await.leads_to_sign_in();
    browsers[1].get("/console").await.expect(200);
    browsers[20].get("/console").await.expect(200);
}

#[tokio::test]
async fn another_first_key_ends_the_sessions_of_the_one_before() {
    let mut installation = Installation::build().rarely_checked().start().await;
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    browser.get("/console").await.expect(200);
    installation.restart_listening(0).await;
    let same = browser.also_at(&installation, 0);
    eventually("the service answers", async || {
        (same.get("/console").await.status == 200).then_some(())
    })
    .await;
    let token = same.token().expect("a token");
    installation.set_env("ENGINE_ROLES_INIT_API_KEY", &"n".repeat(64));
    installation.restart_listening(0).await;
    let other = browser.also_at(&installation, 0).with_cookie(&token);
    eventually("the service answers", async || {
        let answer = other.with_cookie(&token).get("/console").await;
        (answer.status != 503).then_some(answer)
    })
    .await
    .leads_to_sign_in();
}

#[tokio::test]
async fn the_interface_does_not_accept_a_session_and_the_console_no_key() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_FAILURE_RATE", "10000")
        .start()
        .await;
    installation.client().provision("one").await.expect(201);
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    let token = browser.token().expect("a token");
    let anonymous = installation.client().anonymous();
    let cookie = anonymous.with("cookie", &format!("{COOKIE}={token}"));
    let bearer = anonymous.with("authorization", &format!("Bearer {token}"));
    for caller in [&cookie, &bearer] {
        for answer in [
            caller.list("").await,
            caller.get("one").await,
            caller.audit("").await,
            caller.provision("two").await,
            caller.delete("one").await,
        ] {
            answer.expect_problem(401, "unauthenticated");
        }
        let ready = installation.readiness_for(caller).await;
        assert!(ready.expect(200)["missing"].is_null());
    }
    let key = format!("Bearer {}", installation.key());
    let with_key = Browser::of(&installation, 0).with("authorization", &key);
    for path in ["/console", "/console/clusters/one", "/console/audit"] {
        with_key.get(path).await.leads_to_sign_in();
    }
    assert_eq!(
        installation.client().get("one").await.body["state"],
        "active"
    );
    installation.assert_sound().await;
}
