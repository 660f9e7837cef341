//! The audit log: `/console/audit`.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDateTime, Utc};
use engine_roles_domain::audit::EventAction;
use engine_roles_provisioner::{AuditLogState, Provisioner};
use engine_roles_store::{AuditFilter, AuditPage};
use maud::{Markup, html};

use super::event::{Naming, in_words, list};
use super::given::Given;
use super::layout::{Page, Place, sentence};
use super::overview::audit_log;
use super::pieces::{badge, commands, fact, nothing};
use super::viewer::Viewer;
use crate::audit::{GREATEST_SEQ, filter};
use crate::problem::Problem;
use crate::request_path::must_see;
use crate::request_query::Parameters;

/// The events on a page.
const ON_PAGE: i64 = 50;
const PATH: &str = "/console/audit";
/// How a browser writes the value of a field for a time.
const FIELD_TIME: [&str; 2] = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];

/// The parameters of the filter.
const FILTER: [&str; 5] = ["cluster", "actor", "action", "since", "until"];

/// A page of the log, and the pages beside it.
struct Found {
    page: AuditPage,
    /// Whether the page shows every event of its numbers, so that it can be the newest one first.
    is_whole: bool,
    earlier: Option<i64>,
    later: Option<i64>,
}

/// Shows events of the log, and whether the log can be verified.
pub(super) async fn show(
    State(provisioner): State<Provisioner>,
    viewer: Viewer,
    mut query: Parameters,
) -> Result<Response, Problem> {
    query.empty_is_none();
    for name in ["since", "until"] {
        query.change(name, field_time);
    }
    let given = Given::of(PATH, &FILTER, &query);
    let has_after = query.has("after");
    let rule = "must come from the link to the earlier events";
    let before = query.number("before", rule, 1..=GREATEST_SEQ);
    let wanted = filter(&mut query);
    query.end()?;
    if let Some(cluster) = &wanted.cluster {
        must_see(&viewer.caller, cluster)?;
    }
    let wanted = AuditFilter {
        prefix: viewer.caller.prefix.clone(),
        ..wanted
    };
    let head = provisioner.audit_head().await?;
    let is_whole = !given.has_filter() && wanted.prefix.is_none();
    let newest = (!has_after).then_some(head);
    let found = find(&provisioner, wanted, is_whole, before.or(newest)).await?;
    let page = Page {
        title: "Audit log",
        place: Place::Audit,
        viewer: Some(&viewer),
        content: html! {
            h1 { "Audit log" }
            (verification(&provisioner, &viewer, head).await?)
            (form(&given))
            (events(&given, &found))
            (commands(&["engine-roles audit tail".to_owned(), "engine-roles audit export > audit.ndjson".to_owned()]))
        },
    };
    Ok(page.respond())
}

/// Returns the newest page where nothing else is asked for, or the one that ends with the event `before`.
/// Events that a filter selects are listed from the first one on, because the log is searched in its order.
async fn find(
    provisioner: &Provisioner,
    mut wanted: AuditFilter,
    is_whole: bool,
    before: Option<i64>,
) -> Result<Found, Problem> {
    let mut limit = ON_PAGE;
    if let Some(last) = before.filter(|_| is_whole) {
        wanted.after = (last - ON_PAGE).max(0);
        limit = (last - wanted.after).max(1);
    }
    let after = wanted.after;
    let mut page = provisioner.audit(&wanted, limit, Duration::ZERO).await?;
    let later = (!page.is_last).then_some(page.examined);
    if is_whole {
        page.events.reverse();
    }
    Ok(Found {
        page,
        is_whole,
        earlier: (is_whole && after > 0).then_some(after),
        later,
    })
}

/// Turns the value of a form's field into a time as the interface takes it. Other text is left as it is.
fn field_time(text: &str) -> String {
    let parsed = FIELD_TIME
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    parsed.map_or_else(
        || text.to_owned(),
        |time| format!("{}Z", time.format("%Y-%m-%dT%H:%M:%S")),
    )
}

/// Returns a time as the field of a form takes it.
fn for_field(text: &str) -> String {
    let time: Option<DateTime<Utc>> = text.parse().ok();
    time.map(|time| time.format("%Y-%m-%dT%H:%M:%S").to_string())
        .unwrap_or_default()
}

async fn verification(
    provisioner: &Provisioner,
    viewer: &Viewer,
    head: i64,
) -> Result<Markup, Problem> {
    let state = provisioner.health().audit_log;
    let (tone, word) = audit_log(&state);
    let checkpoint = checkpoint(provisioner, viewer).await;
    Ok(html! {
        section.card.wide aria-labelledby="verification" {
            div.headline { h2 #verification { "Verification" } (badge(tone, word)) }
            p {
                @match &state {
                    AuditLogState::Ok => "Every numbered event is in the tree over the log, as this replica last saw it.",
                    AuditLogState::Behind => "Numbered events wait to be added to the tree. This is usual for a moment after many events.",
                    AuditLogState::Broken { reason } => { strong.bad { "The log contradicts itself. " } (sentence(reason)) " Keep the checkpoints, and see docs/runbook.md, “The audit log is broken”." }
                    AuditLogState::Unknown => "The tree was not checked yet since this replica started.",
                }
            }
            dl.facts {
                (fact("Events", &html! { (head) }))
                (checkpoint)
            }
            p.quiet.small {
                "Only a check outside of the service proves that the log is unchanged: "
                code { "engine-roles audit verify" } " with checkpoints that were kept elsewhere. See docs/audit-log.md."
            }
        }
    })
}

/// Returns what is known of the signed head of the log.
async fn checkpoint(provisioner: &Provisioner, viewer: &Viewer) -> Markup {
    if viewer.prefix().is_some() {
        return fact(
            "Checkpoint",
            &html! { span.quiet { "The key shows only some clusters, and the tree is over the whole log." } },
        );
    }
    match provisioner.audit_checkpoint().await {
        Ok(note) => {
            let mut lines = note.lines();
            let (origin, size, root) = (lines.next(), lines.next(), lines.next());
            html! {
                (fact("Checkpoint", &html! { "signed over " strong { (size.unwrap_or_default()) } " events" }))
                (fact("Origin", &html! { code.breakable { (origin.unwrap_or_default()) } }))
                (fact("Root", &html! { code.breakable { (root.unwrap_or_default()) } }))
            }
        }
        Err(error) => fact(
            "Checkpoint",
            &html! { span.quiet { (sentence(&error.to_string())) } },
        ),
    }
}

fn form(given: &Given) -> Markup {
    html! {
        form.filters method="get" action=(PATH) role="search" aria-label="Filter the events" {
            div.field {
                label for="cluster" { "Cluster" }
                input #cluster name="cluster" value=(given.value("cluster")) maxlength="63" spellcheck="false" autocomplete="off";
            }
            div.field {
                label for="actor" { "Actor" }
                input #actor name="actor" value=(given.value("actor")) maxlength="256" spellcheck="false" autocomplete="off";
            }
            div.field {
                label for="action" { "Action" }
                select #action name="action" {
                    option value="" selected[given.value("action").is_empty()] { "any" }
                    @for action in EventAction::ALL {
                        option value=(action.as_str()) selected[given.value("action") == action.as_str()] { (in_words(action)) }
                    }
                }
            }
            div.field {
                label for="since" { "Since (UTC)" }
                input #since name="since" type="datetime-local" step="1" value=(for_field(given.value("since")));
            }
            div.field {
                label for="until" { "Until (UTC)" }
                input #until name="until" type="datetime-local" step="1" value=(for_field(given.value("until")));
            }
            div.buttons {
                button.primary type="submit" { "Filter" }
                @if given.has_filter() { a href=(PATH) { "Show all" } }
            }
        }
    }
}

fn events(given: &Given, found: &Found) -> Markup {
    let events = &found.page.events;
    let numbers = || {
        let all = events.iter().map(|event| event.seq);
        all.clone().min().zip(all.max())
    };
    html! {
        section aria-labelledby="events" {
            h2 #events {
                "Events"
                @if let Some((first, last)) = numbers() { span.quiet { " " (first) " to " (last) } }
            }
            @if events.is_empty() {
                (nothing("No event of this part of the log matches."))
            } @else {
                @if !found.is_whole { p.quiet { "The oldest event comes first." } }
                (list(events, Naming::Cluster))
            }
            nav.pages aria-label="Pages of the log" {
                @if let Some(before) = found.earlier { a href=(given.path(&[("before", &before.to_string())])) { "Earlier events" } }
                @if let Some(after) = found.later { a href=(given.path(&[("after", &after.to_string())])) { "Later events" } }
                @if found.is_whole && found.later.is_some() { a href=(PATH) { "Newest events" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_field_becomes_a_time_of_the_interface_and_back() {
        assert_eq!(field_time("2026-11-26T10:00"), "2026-11-26T10:00:00Z");
        assert_eq!(field_time("2026-11-26T10:00:05"), "2026-11-26T10:00:05Z");
        for other in ["2026-11-26T10:00:00Z", "now", "<script>"] {
            assert_eq!(field_time(other), other);
        }
        assert_eq!(for_field("2026-11-26T10:00:05Z"), "2026-11-26T10:00:05");
        assert_eq!(for_field("<script>"), "");
    }
}
