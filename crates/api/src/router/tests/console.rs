//! The console of a service without a database, and of one that needs no key.

use super::*;

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
