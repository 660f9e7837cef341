//! The session of a request to the console.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use engine_roles_domain::caller::KeyScope;
use tracing::Span;

use super::layout::{problem_page, scope_of, session_ended};
use super::viewer::{Viewer, is_refresh};
use crate::auth::{Authentication, NoVisit, Visit};
use crate::problem::Problem;
use crate::request_context::RequestId;

/// The name of the cookie. Only the console's pages get it.
const COOKIE_NAME: &str = "engine_roles_console";

/// Returns the token of the session in a request's cookie; none where it has none.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE_NAME).then_some(value)
    })
}

/// Returns the header that gives a browser the token of a session for so many seconds. With no token it
/// takes the token away.
pub(super) fn cookie(token: &str, seconds: i64, is_https: bool) -> HeaderValue {
    let secure = if is_https { "; Secure" } else { "" };
    let text = format!(
        "{COOKIE_NAME}={token}; Path=/console; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    );
    let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// Lets a request pass if its sender has signed in and may see the page, and adds the [`Viewer`] to it.
/// Everybody else is led to the form for signing in.
pub(super) async fn require_session(
    State(authentication): State<Arc<Authentication>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    authentication.record_source(&parts);
    let id = request_id(&parts);
    let is_refresh = is_refresh(&parts);
    let token = token(&parts.headers).map(str::to_owned);
    let visit = Box::pin(authentication.visit(&parts, token.as_deref())).await;
    let visit = match visit {
        Ok(visit) => visit,
        Err(NoVisit::Problem(problem)) => return problem_page(problem, None, &id),
        Err(NoVisit::SignedOut | NoVisit::Ended) => {
            return to_sign_in(&authentication, &parts, token.is_some());
        }
    };
    let Visit {
        caller,
        permit,
        ends_at,
        lasts,
    } = visit;
    Span::current().record("actor", &caller.actor.0);
    let viewer = Viewer {
        caller,
        ends_at,
        is_refresh,
    };
    let path = parts.uri.path();
    if path == "/console" && !viewer.may(KeyScope::Read) {
        return Redirect::to("/console/audit").into_response();
    }
    let scope = scope_of(path);
    if let Err(problem) = authentication.check_scope(&parts, &viewer.caller, scope) {
        return problem_page(problem, Some(&viewer), &id);
    }
    if let Some(source) = authentication.source_of(&parts) {
        parts.extensions.insert(source);
    }
    if scope == KeyScope::Audit {
        authentication.note_log_read(&parts, &viewer.caller);
    }
    parts.extensions.insert(viewer.caller.clone());
    parts.extensions.insert(viewer.clone());
    let asked = parts.clone();
    let mut answer = tokio::select! {
        answer = next.run(Request::from_parts(parts, body)) => answer,
        () = permit.ended() => return to_sign_in(&authentication, &asked, true),
        () = tokio::time::sleep(lasts) => return to_sign_in(&authentication, &asked, true),
    };
    // The only other reason for this status is a cluster that the session does not show.
    if answer.status() == StatusCode::FORBIDDEN {
        authentication.note_other_cluster(&asked, &viewer.caller);
    }
    match answer.extensions_mut().remove::<Problem>() {
        Some(problem) => problem_page(problem, Some(&viewer), &id),
        None => answer,
    }
}

/// Returns the id of a request.
pub(super) fn request_id(parts: &Parts) -> String {
    let id = parts.extensions.get::<RequestId>();
    id.map(|RequestId(id)| id.clone()).unwrap_or_default()
}

/// Leads to the form for signing in, and takes the token of a session that has ended away.
fn to_sign_in(authentication: &Authentication, parts: &Parts, has_token: bool) -> Response {
    let mut response = if is_refresh(parts) {
        session_ended()
    } else if has_token {
        Redirect::to("/console/sign-in?ended=true").into_response()
    } else {
        Redirect::to("/console/sign-in").into_response()
    };
    if has_token {
        let gone = cookie("", 0, authentication.is_https(parts));
        response.headers_mut().insert(SET_COOKIE, gone);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        assert_eq!(token(&headers), None);
        let others = "_xsrf=2|a; engine_roles_console_x=no;engine_roles=no";
        headers.append(COOKIE, HeaderValue::from_static(others));
        assert_eq!(token(&headers), None);
        headers.append(COOKIE, HeaderValue::from_static("engine_roles_console=abc"));
        assert_eq!(token(&headers), Some("abc"));
    }

    #[test]
    fn the_cookie_is_only_for_the_console_and_never_for_scripts() {
        let text = cookie("abc", 60, false);
        let expected =
            "engine_roles_console=abc; Path=/console; Max-Age=60; HttpOnly; SameSite=Strict";
        assert_eq!(text, expected);
        assert!(text.is_sensitive());
        assert_eq!(cookie("abc", 60, true), format!("{expected}; Secure"));
    }
}
