//! The console of a service without a database, and of one that needs no key.

use std::net::SocketAddr;

use super::*;
use crate::request_context::Peer;

async fn get(api: Api, path: &str) -> (u16, HeaderMap, String) {
    let request = Request::get(path).header("host", "localhost");
    let request = request.body(Body::empty()).expect("a request");
    let answer = router(api).oneshot(request).await.expect("an answer");
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let text = String::from_utf8(body.to_vec()).expect("a text");
    (parts.status.as_u16(), parts.headers, text)
}

#[tokio::test]
async fn a_service_that_needs_no_key_needs_no_session() {
    let api = api(without_key()).await;
    let (status, headers, _) = get(api.clone(), "/console/sign-in").await;
    assert_eq!(
        (status, headers["location"].as_bytes()),
        (303, &b"/console"[..])
    );
    let (status, _, page) = get(api.clone(), "/console/no-such-page").await;
    assert_eq!(status, 404);
    assert!(page.contains("nobody signs in"), "{page}");
    assert!(!page.contains("Sign out"), "{page}");
    // Nothing of the database can be shown, and the page says so.
    let (status, headers, page) = get(api, "/console").await;
    assert_eq!(status, 503);
    assert!(headers.contains_key("retry-after"));
    assert!(page.contains("The database did not answer"), "{page}");
}

/// Sends a form of the console with the cookie of a session of earlier.
fn post(path: &str) -> Request<Body> {
    let request = Request::post(path).header("host", "localhost");
    let request = request.header("origin", "http://localhost");
    let request = request.header("cookie", "engine_roles_console=of-an-earlier-start");
    let mut request = request.body(Body::empty()).expect("a request");
    let address: SocketAddr = "192.0.2.1:50000".parse().expect("an address");
    request.extensions_mut().insert(Peer(address));
    request
}

#[tokio::test]
async fn where_no_key_is_needed_an_old_cookie_is_taken_away_and_is_no_wrong_token() {
    let one_failure = |settings| AuthenticationSettings {
        failure_rate: 1.try_into().expect("not zero"),
        ..settings
    };
    let api = api(one_failure(without_key())).await;
    for _ in 0..5 {
        let answer = router(api.clone()).oneshot(post("/console/sign-out")).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = answer.headers()["set-cookie"].to_str().expect("a text");
        assert!(cookie.starts_with("engine_roles_console=; "), "{cookie}");
        // Nobody signs in, so that no session begins.
        let answer = router(api.clone()).oneshot(post("/console/sign-in")).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.headers()["location"], "/console");
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    // Where a key is needed, guesses are limited.
    let with_key = AuthenticationSettings {
        needs_no_key: false,
        initial_key: Some(ApiKey::new(&"k".repeat(64)).expect("a key")),
        ..one_failure(without_key())
    };
    let api = api_with(with_key, settings()).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let answer = router(api.clone()).oneshot(post("/console/sign-out")).await;
        statuses.push(answer.expect("an answer").status().as_u16());
    }
    assert_eq!((statuses[0], statuses[4]), (303, 429), "{statuses:?}");
}

#[tokio::test]
async fn without_a_database_the_form_is_shown_and_a_session_is_not_checked() {
    let settings = AuthenticationSettings {
        needs_no_key: false,
        initial_key: Some(ApiKey::new(&"k".repeat(64)).expect("a key")),
        ..without_key()
    };
    let api = api(settings).await;
    let (status, _, page) = get(api.clone(), "/console/sign-in").await;
    assert_eq!(status, 200);
    assert!(page.contains("name=\"key\""), "{page}");
    let (status, headers, _) = get(api.clone(), "/console/clusters").await;
    assert_eq!(
        (status, headers["location"].as_bytes()),
        (303, &b"/console/sign-in"[..])
    );
    let cookie = format!("engine_roles_console={}", "x".repeat(64));
    let request = Request::get("/console").header("host", "localhost");
    let request = request.header("cookie", cookie).body(Body::empty());
    let answer = router(api).oneshot(request.expect("a request")).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    // Nobody knows whether the session is valid, so it is not taken away.
    assert!(!answer.headers().contains_key("set-cookie"));
}
