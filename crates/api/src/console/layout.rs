//! The frame of every page, and the page of an error.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use engine_roles_contract::Code;
use engine_roles_domain::caller::KeyScope;
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::times::time;
use super::viewer::Viewer;
use crate::problem::Problem;

/// Settings of htmx: nothing is stored in the browser, and no text of a page is executed.
const HTMX: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,"historyEnabled":false,"historyCacheSize":0}"#;
/// The status with which htmx stops to refresh a page.
const STOP_REFRESHING: u16 = 286;

/// A place in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Clusters,
    PassThroughRoles,
    Capabilities,
    Audit,
    /// A page that is not in the navigation.
    Other,
}

impl Place {
    const ALL: [Self; 5] = [
        Self::Overview,
        Self::Clusters,
        Self::PassThroughRoles,
        Self::Capabilities,
        Self::Audit,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Clusters => "Clusters",
            Self::PassThroughRoles => "Pass-through roles",
            Self::Capabilities => "Capabilities",
            Self::Audit => "Audit log",
            Self::Other => "",
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Overview | Self::Other => "/console",
            Self::Clusters => "/console/clusters",
            Self::PassThroughRoles => "/console/pass-through-roles",
            Self::Capabilities => "/console/capabilities",
            Self::Audit => "/console/audit",
        }
    }

    /// Returns the scope that the pages of this place need.
    fn scope(self) -> KeyScope {
        match self {
            Self::Audit => KeyScope::Audit,
            _ => KeyScope::Read,
        }
    }
}

/// Returns the scope that a page needs.
pub(super) fn scope_of(path: &str) -> KeyScope {
    match path.strip_prefix(Place::Audit.path()) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => KeyScope::Audit,
        _ => KeyScope::Read,
    }
}

/// A page with its frame.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) place: Place,
    /// Who looks at it; none before somebody has signed in.
    pub(super) viewer: Option<&'a Viewer>,
    pub(super) content: Markup,
}

impl Page<'_> {
    pub(super) fn respond(self) -> Response {
        html_response(StatusCode::OK, self.render())
    }

    fn render(self) -> Markup {
        let Self {
            title,
            place,
            viewer,
            content,
        } = self;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    meta name="htmx-config" content=(HTMX);
                    title { (title) " · Engine Roles" }
                    link rel="icon" href=(assets::path(assets::ICON));
                    link rel="stylesheet" href=(assets::path(assets::STYLE));
                    script src=(assets::path(assets::SCRIPT)) defer {}
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    @if let Some(viewer) = viewer { (header(viewer, place)) }
                    main #main tabindex="-1" class=[viewer.is_none().then_some("alone")] { (content) }
                    @if let Some(viewer) = viewer { (footer(viewer)) }
                }
            }
        }
    }
}

fn header(viewer: &Viewer, here: Place) -> Markup {
    let shown = Place::ALL.into_iter().filter(|it| viewer.may(it.scope()));
    html! {
        header.top {
            div.bar {
                a.brand href="/console" {
                    img src=(assets::path(assets::ICON)) alt="" width="28" height="28";
                    span { "Engine Roles" }
                }
                nav aria-label="Pages" {
                    ul {
                        @for place in shown {
                            li {
                                a href=(place.path()) aria-current=[(place == here).then_some("page")] {
                                    (place.name())
                                }
                            }
                        }
                    }
                }
                @if viewer.ends_at.is_some() {
                    form.sign-out method="post" action="/console/sign-out" {
                        button type="submit" { "Sign out" }
                    }
                }
            }
        }
    }
}

fn footer(viewer: &Viewer) -> Markup {
    html! {
        footer.bottom {
            p {
                @match viewer.ends_at {
                    Some(ends_at) => {
                        "Signed in with the key " strong { (viewer.caller.actor) }
                        " until " (time(ends_at)) "."
                    }
                    None => "This service accepts every caller, so nobody signs in.",
                }
                @if let Some(prefix) = viewer.prefix() {
                    " The key shows only clusters whose names begin with " code { (prefix) } "."
                }
                " The console only reads."
            }
            p { "Engine Roles " (env!("CARGO_PKG_VERSION")) ". All times are in UTC." }
        }
    }
}

/// A part of a page that its script refreshes. `url` returns the part alone.
pub(super) fn live(url: &str, seconds: u8, content: &Markup) -> Markup {
    html! {
        div #live hx-get=(url) hx-trigger={"every " (seconds) "s"} hx-swap="innerHTML" { (content) }
    }
}

/// The part of a page that its script refreshes, alone.
pub(super) fn refreshed(content: Markup) -> Response {
    html_response(StatusCode::OK, content)
}

/// What a page that is open shows after its session has ended. Nothing is refreshed after that.
pub(super) fn session_ended() -> Response {
    let content = html! {
        div.notice role="status" {
            h2 { "Your session has ended" }
            p { "This page is not refreshed any more." }
            p { a.button href="/console/sign-in" { "Sign in again" } }
        }
    };
    let status = StatusCode::from_u16(STOP_REFRESHING).unwrap_or(StatusCode::OK);
    html_response(status, content)
}

/// The page of a problem.
pub(super) fn problem_page(
    problem: Problem,
    viewer: Option<&Viewer>,
    request_id: &str,
) -> Response {
    let described = problem.describe();
    let content = html! {
        div.notice.problem {
            p.eyebrow { (described.status) }
            h1 { (described.title) }
            @if described.errors.is_empty() {
                p { (sentence(&described.detail)) }
            } @else {
                ul { @for error in &described.errors { li { code { (error.field) } " " (error.reason) } } }
            }
            @if !described.missing_permissions.is_empty() {
                p { "AWS denied the service:" }
                ul { @for permission in &described.missing_permissions { li { code { (permission) } } } }
            }
            @if let Some(statement) = &described.statement {
                p { "This policy statement would allow it:" }
                (super::pieces::json_box(statement, "Policy statement"))
            }
            p.quiet.small { "The log of the service has this request under " code { (request_id) } "." }
            p { a href="/console" { "Go to the overview" } }
        }
    };
    let page = Page {
        title: &described.title,
        place: Place::Other,
        viewer,
        content,
    };
    let mut response = html_response(described.status, page.render());
    if let Some(seconds) = described.retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The answer to a path that the console does not have.
pub(super) async fn not_found() -> Problem {
    Problem::new(Code::NotFound, "the console has no such page")
}

/// Makes a text of the interface a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    let mut sentence: String = first.into_iter().flatten().collect();
    sentence.push_str(characters.as_str());
    if !sentence.is_empty() && !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

pub(super) fn html_response(status: StatusCode, content: Markup) -> Response {
    let content_type = [(CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, content_type, content.into_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audit_pages_need_the_scope_audit_and_others_the_scope_read() {
        for (path, scope) in [
            ("/console", KeyScope::Read),
            ("/console/audit", KeyScope::Audit),
            ("/console/audit/1", KeyScope::Audit),
            ("/console/auditors", KeyScope::Read),
            ("/console/clusters/audit", KeyScope::Read),
        ] {
            assert_eq!(scope_of(path), scope, "{path}");
        }
    }

    #[test]
    fn a_detail_becomes_a_sentence() {
        assert_eq!(sentence("the key is gone"), "The key is gone.");
        assert_eq!(sentence("Why?"), "Why?");
        assert_eq!(sentence(""), "");
    }
}
