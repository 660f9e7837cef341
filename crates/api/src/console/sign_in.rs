//! Signing in and out: `/console/sign-in`, `/console/sign-out`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
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
    let asked = parts.clone();
    let body = receive(Request::from_parts(parts, body), MAX_FORM_BYTES).await?;
    let mut fields = form_urlencoded::parse(&body);
    let key = fields.find(|(name, _)| name == "key");
    let key = key
        .map(|(_, key)| key.trim().to_owned())
        .unwrap_or_default();
    let signed_in = Box::pin(authentication.sign_in(&asked, &key)).await;
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

/// Checks that a form was sent by a page of this service: browsers say which page sends a form.
fn must_come_from_here(authentication: &Authentication, parts: &Parts) -> Result<(), Problem> {
    let text = |name| parts.headers.get(name)?.to_str().ok();
    let origin = text(ORIGIN).and_then(|origin| origin.parse::<Uri>().ok());
    let hosts = [text(HOST), authentication.forwarded_host(parts)];
    let is_ours = origin.is_some_and(|origin| {
        let scheme = origin.scheme_str().unwrap_or_default();
        let is_right_scheme =
            scheme == "https" || scheme == "http" && !authentication.is_https(parts);
        let authority = origin
            .authority()
            .map(|it| without_port(scheme, it.as_str()));
        let mut hosts = hosts
            .into_iter()
            .flatten()
            .map(|host| without_port(scheme, host));
        let is_right_host =
            authority.is_some_and(|it| hosts.any(|host| host.eq_ignore_ascii_case(it)));
        is_right_scheme && is_right_host && parts.headers.get_all(ORIGIN).iter().count() == 1
    });
    if is_ours {
        return Ok(());
    }
    let detail = "the form was not sent by a page of this console, or a proxy in front of the service \
                  changes the headers Host or Origin";
    Err(Problem::new(Code::Forbidden, detail))
}

/// Returns a host without the port that its scheme has anyway.
fn without_port<'a>(scheme: &str, host: &'a str) -> &'a str {
    let usual = if scheme == "https" { ":443" } else { ":80" };
    host.strip_suffix(usual).unwrap_or(host)
}
