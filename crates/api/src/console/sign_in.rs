//! Signing in and out: `/console/sign-in`, `/console/sign-out`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{HOST, ORIGIN, SET_COOKIE};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::Utc;
use engine_roles_contract::Code;
use maud::{Markup, html};
use secrecy::ExposeSecret;

use super::assets;
use super::layout::{Page, Place, problem_page, sentence};
use super::session::{cookie, request_id, token};
use crate::auth::{Authentication, SignedIn};
use crate::problem::Problem;
use crate::request_body::receive;
use crate::request_query::Parameters;

/// The size of the largest accepted form, far more than one with a key needs.
const MAX_FORM_BYTES: usize = 4 * 1024;

/// Renders a problem that has no other page.
pub(super) async fn render_problems(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let id = request_id(&parts);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem_page(problem, None, &id),
        None => response,
    }
}

/// Shows the form.
pub(super) async fn show(
    State(authentication): State<Arc<Authentication>>,
    mut query: Parameters,
) -> Result<Response, Problem> {
    let has_ended = query.flag("ended").unwrap_or(false);
    query.end()?;
    if authentication.needs_no_key() {
        return Ok(Redirect::to("/console").into_response());
    }
    let note = has_ended.then_some("Your session has ended. Sign in again.");
    Ok(form(StatusCode::OK, note, None))
}

/// Exchanges a key for a session.
pub(super) async fn post(
    State(authentication): State<Arc<Authentication>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    authentication.record_source(&parts);
    must_come_from_here(&authentication, &parts)?;
    if authentication.needs_no_key() {
        return Ok(Redirect::to("/console").into_response());
    }
    let asked = parts.clone();
    let body = receive(Request::from_parts(parts, body), MAX_FORM_BYTES).await?;
    let mut fields = form_urlencoded::parse(&body);
    let key = fields.find(|(name, _)| name == "key");
    let key = key
        .map(|(_, key)| key.trim().to_owned())
        .unwrap_or_default();
    let earlier = token(&asked.headers);
    let signed_in = Box::pin(authentication.sign_in(&asked, &key, earlier)).await;
    match signed_in {
        Ok(SignedIn { token, ends_at }) => {
            let seconds = (ends_at - Utc::now()).num_seconds().clamp(1, 3_600);
            let is_https = authentication.is_https(&asked);
            let cookie = cookie(token.expose_secret(), seconds, is_https);
            Ok(([(SET_COOKIE, cookie)], Redirect::to("/console")).into_response())
        }
        Err(problem) if problem.has(Code::Unauthenticated) || problem.has(Code::Forbidden) => {
            let described = problem.describe();
            let error = sentence(&described.detail);
            Ok(form(described.status, None, Some(&error)))
        }
        Err(problem) => Err(problem),
    }
}

/// Ends the session.
pub(super) async fn sign_out(
    State(authentication): State<Arc<Authentication>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    authentication.record_source(&parts);
    must_come_from_here(&authentication, &parts)?;
    if let Some(token) = token(&parts.headers) {
        authentication.sign_out(&parts, token).await?;
    }
    let gone = cookie("", 0, authentication.is_https(&parts));
    Ok(([(SET_COOKIE, gone)], Redirect::to("/console/sign-in")).into_response())
}

fn form(status: StatusCode, note: Option<&str>, error: Option<&str>) -> Response {
    let content = html! {
        div.sign-in {
            img src=(assets::path(assets::ICON)) alt="" width="48" height="48";
            h1 { "Engine Roles" }
            @if let Some(note) = note { p.notice role="status" { (note) } }
            form method="post" action="/console/sign-in" {
                label for="key" { "API key" }
                input #key name="key" type="password" required autocomplete="off"
                    spellcheck="false" autofocus[error.is_none()] maxlength="128"
                    aria-invalid=[error.map(|_| "true")] aria-describedby={ "hint" @if error.is_some() { " error" } };
                @if let Some(error) = error { p #error.error role="alert" { (error) } }
                button.primary type="submit" { "Sign in" }
            }
            (hint())
        }
    };
    let page = Page {
        title: "Sign in",
        place: Place::Other,
        viewer: None,
        content,
    };
    let mut response = page.respond();
    *response.status_mut() = status;
    response
}

fn hint() -> Markup {
    html! {
        p #hint.quiet {
            "The key needs the scope " code { "read" } " or " code { "audit" }
            ". The service exchanges it for a session of one hour, which can only read. The cookie has the \
             session, not the key."
        }
    }
}

/// Checks that a form was sent by a page of this service: browsers say which page sends a form. The whole
/// origin must be the one under which the browser reaches the service: scheme, host and port.
fn must_come_from_here(authentication: &Authentication, parts: &Parts) -> Result<(), Problem> {
    let is_https = authentication.is_https(parts);
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let hosts = [host, authentication.forwarded_host(parts)];
    let mut origins = parts.headers.get_all(ORIGIN).iter();
    let is_ours = match (origins.next(), origins.next()) {
        (Some(origin), None) => origin.to_str().is_ok_and(|origin| {
            let mut hosts = hosts.into_iter().flatten();
            hosts.any(|host| is_origin(origin, is_https, host))
        }),
        _ => false,
    };
    if is_ours {
        return Ok(());
    }
    let scheme = if is_https { "https" } else { "http" };
    let detail = format!(
        "the header Origin must be {scheme}:// with the host and port of the header Host: the form comes from \
         another site, or from behind a proxy. The proxy has to be one of ENGINE_ROLES_TRUSTED_PROXIES, to \
         send X-Forwarded-Proto, and to leave Host as it is or send X-Forwarded-Host"
    );
    Err(Problem::new(Code::Forbidden, detail))
}

/// Returns whether an origin is the one of this scheme and host, which may have a port.
fn is_origin(origin: &str, is_https: bool, host: &str) -> bool {
    let (scheme, usual_port) = if is_https {
        ("https", ":443")
    } else {
        ("http", ":80")
    };
    let Some((of_origin, authority)) = origin.split_once("://") else {
        return false;
    };
    let without_port = |host: &str| {
        let host = host.strip_suffix(usual_port).unwrap_or(host);
        host.to_ascii_lowercase()
    };
    !host.is_empty()
        && of_origin.eq_ignore_ascii_case(scheme)
        && without_port(authority) == without_port(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_its_scheme_its_host_and_its_port() {
        for (origin, is_https, host) in [
            ("http://a.example", false, "a.example"),
            ("http://A.example", false, "a.Example:80"),
            ("http://a.example:80", false, "a.example"),
            ("https://a.example", true, "a.example:443"),
            ("https://a.example:8443", true, "a.example:8443"),
            ("http://[::1]:3283", false, "[::1]:3283"),
        ] {
            assert!(is_origin(origin, is_https, host), "{origin} {host}");
        }
        for (origin, is_https, host) in [
            ("https://a.example", false, "a.example"),
            ("http://a.example", true, "a.example"),
            ("http://a.example:443", true, "a.example"),
            ("https://a.example:80", true, "a.example"),
            ("https://a.example", true, "a.example:80"),
            ("http://a.example", false, "a.example:443"),
            ("http://a.example:8080", false, "a.example"),
            ("http://b.example", false, "a.example"),
            ("http://a.example.evil", false, "a.example"),
            ("http://a.example/", false, "a.example"),
            ("http://user@a.example", false, "a.example"),
            ("ftp://a.example", false, "a.example"),
            ("a.example", false, "a.example"),
            ("null", false, "null"),
            ("http://", false, ""),
            ("", false, ""),
        ] {
            assert!(!is_origin(origin, is_https, host), "{origin} {host}");
        }
    }
}
