//! The overview: `/console`.

use axum::extract::State;
use axum::response::Response;
use chrono::DateTime;
use engine_roles_domain::binding::State as BindingState;
use engine_roles_domain::resources::CallKind;
use engine_roles_provisioner::{AuditLogState, AwsState, DatabaseHealth, Provisioner};
use maud::{Markup, html};

use super::layout::{Page, Place, live, refreshed};
use super::pieces::{Tone, badge, fact, or_quiet, state_name, state_tone};
use super::survey::Survey;
use super::times::{ago, duration, of_system, time};
use super::viewer::Viewer;
use super::{chart, needs_person};
use crate::problem::Problem;
use crate::request_query::Parameters;

/// How often the page is refreshed, in seconds.
const REFRESH: u8 = 15;

/// Shows the state of the installation.
pub(super) async fn show(
    State(provisioner): State<Provisioner>,
    viewer: Viewer,
    query: Parameters,
) -> Result<Response, Problem> {
    query.end()?;
    let survey = Box::pin(Survey::of(&provisioner, &viewer.caller)).await?;
    let content = content(&survey);
    if viewer.is_refresh {
        return Ok(refreshed(content));
    }
    let page = Page {
        title: "Overview",
        place: Place::Overview,
        viewer: Some(&viewer),
        content: html! {
            h1 { "Overview" }
            (live(Place::Overview.path(), REFRESH, &content))
        },
    };
    Ok(page.respond())
}

fn content(survey: &Survey) -> Markup {
    html! {
        p.quiet.as-of { "As of " (time(survey.now)) ", refreshed every " (REFRESH) " seconds while this page is open." }
        (clusters(survey))
        div.cards {
            (needs_person::section(survey))
            (calls(survey))
            (health(survey))
            (replicas(survey))
        }
    }
}

fn clusters(survey: &Survey) -> Markup {
    let shown = [
        BindingState::Active,
        BindingState::Provisioning,
        BindingState::Deleting,
        BindingState::Failed,
        BindingState::Blocked,
    ];
    let orphans = survey.orphans.as_ref().map(Vec::len);
    html! {
        section aria-labelledby="states" {
            h2 #states.unseen { "Clusters by state" }
            ul.tiles {
                @for state in shown {
                    (tile(
                        state_name(state),
                        &format!("/console/clusters?state={}", state.as_str()),
                        survey.count(state),
                        state_tone(state),
                    ))
                }
                (tile(
                    "drifted",
                    "/console/clusters?drifted=true",
                    survey.drifted.count(),
                    Tone::Warning,
                ))
                @if let Some(orphans) = orphans {
                    li.tile {
                        span.name { "orphans" }
                        span class={"number " (if orphans == 0 { Tone::Plain } else { Tone::Warning }.class())} { (orphans) }
                    }
                }
            }
        }
    }
}

/// A count of clusters with a link to them. `tone` is what a count other than 0 says.
fn tile(name: &str, path: &str, (count, are_more): (i64, bool), tone: Tone) -> Markup {
    let tone = if count == 0 { Tone::Plain } else { tone };
    html! {
        li.tile {
            a id={"tile-" (name)} href=(path) {
                span.name { (name) }
                span class={"number " (tone.class())} { (count) @if are_more { "+" } }
            }
        }
    }
}

fn calls(survey: &Survey) -> Markup {
    let total = survey.calls.total();
    let since = of_system(survey.calls.since);
    html! {
        section.card.wide aria-labelledby="calls" {
            h2 #calls { "Calls to IAM in the last hour" }
            (chart::calls(&survey.calls))
            dl.row {
                (fact("sent", &html! { (total.sent()) }))
                (fact("throttled", &alarming(total.throttled, Tone::Bad)))
                (fact("denied", &alarming(total.denied, Tone::Bad)))
                (fact("no answer", &alarming(total.failed, Tone::Bad)))
                (fact("waits for the call budget", &alarming(total.waits, Tone::Warning)))
                (fact("put off", &alarming(total.put_off, Tone::Warning)))
            }
            p.quiet.small {
                "This replica counts its own calls, since its start " (duration((survey.now - since).to_std().unwrap_or_default())) " ago."
            }
            h3 { "Call budget of all replicas" }
            @if survey.levels.is_empty() {
                p.quiet { "No call has used the budget yet." }
            } @else {
                ul.budget {
                    @for level in &survey.levels {
                        li {
                            span.name { (if level.kind == CallKind::Read { "reads" } else { "writes" }) }
                            meter min="0" max=(survey.limits.burst) value=(level.tokens.max(0.0))
                                aria-label={"Calls left for " (level.kind.as_str()) "s"} {}
                            span {
                                (format!("{:.0}", level.tokens.max(0.0))) " of " (format!("{:.0}", survey.limits.burst))
                                " left, " (format!("{:.1}", level.rate)) " per second"
                                @if level.rate < survey.limits.rate * 0.99 {
                                    " (lowered from " (format!("{:.1}", survey.limits.rate)) ")"
                                }
                            }
                            @if let Some(at) = level.throttled_at {
                                span.quiet.small { "last throttled " (ago(at, survey.now)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn alarming(count: u32, tone: Tone) -> Markup {
    let class = if count == 0 { "" } else { tone.class() };
    html! { span class=(class) { (count) } }
}

fn health(survey: &Survey) -> Markup {
    let health = &survey.health;
    let (aws, aws_text) = aws(health.aws.state);
    let (database, database_text) = database(health.database);
    let (audit, audit_text) = audit_log(&health.audit_log);
    html! {
        section.card aria-labelledby="health" {
            h2 #health { "Health of this replica" }
            dl.facts {
                (fact("Database", &html! { (badge(database, database_text)) }))
                (fact("AWS", &html! {
                    (badge(aws, aws_text))
                    @if let Some(at) = health.aws.last_success {
                        span.quiet.small { "last success " (ago(DateTime::from(at), survey.now)) }
                    }
                }))
                (fact("Account", &or_quiet(
                    health.scope.as_ref().map(|scope| html! { code { (scope.account) } }),
                    "not known yet",
                )))
                (fact("Background tasks", &if health.reconciler_alive {
                    badge(Tone::Good, "run")
                } else {
                    badge(Tone::Bad, "stand still")
                }))
                (fact("Audit log", &html! {
                    (badge(audit, audit_text))
                    @if let Some(head) = survey.audit_head {
                        a #overview-audit href="/console/audit" { (head) " events" }
                    }
                }))
            }
        }
    }
}

/// Returns what the health of AWS says, in words.
fn aws(state: AwsState) -> (Tone, &'static str) {
    match state {
        AwsState::Ok => (Tone::Good, "answers"),
        AwsState::Throttled => (Tone::Warning, "throttles"),
        AwsState::InvalidCredentials => (Tone::Bad, "does not accept the credentials"),
        AwsState::Unreachable => (Tone::Bad, "does not answer"),
        AwsState::Denied => (Tone::Bad, "denied a change"),
        AwsState::Unknown => (Tone::Plain, "no recent call"),
    }
}

fn database(health: DatabaseHealth) -> (Tone, &'static str) {
    match health {
        DatabaseHealth::Ready => (Tone::Good, "answers"),
        DatabaseHealth::MigrationsPending => (Tone::Bad, "migrations have not run"),
        DatabaseHealth::SchemaTooNew => (Tone::Bad, "schema is too new"),
        DatabaseHealth::ReadOnly => (Tone::Bad, "accepts no writes"),
        DatabaseHealth::LoginRefused => (Tone::Bad, "does not accept the login"),
        DatabaseHealth::NoRights => (Tone::Bad, "a right is missing"),
        DatabaseHealth::Unreachable => (Tone::Bad, "does not answer"),
        DatabaseHealth::Stale => (Tone::Warning, "answered some seconds ago"),
    }
}

/// Returns what the state of the audit log says, in words.
pub(super) fn audit_log(state: &AuditLogState) -> (Tone, &'static str) {
    match state {
        AuditLogState::Ok => (Tone::Good, "in order"),
        AuditLogState::Behind => (Tone::Warning, "behind"),
        AuditLogState::Broken { .. } => (Tone::Bad, "broken"),
        AuditLogState::Unknown => (Tone::Plain, "not checked yet"),
    }
}

fn replicas(survey: &Survey) -> Markup {
    html! {
        section.card aria-labelledby="replicas" {
            h2 #replicas { "Replicas" }
            ul.replicas {
                @for replica in &survey.replicas {
                    li {
                        @if replica.dead_at.is_some() { (badge(Tone::Plain, "ended")) } @else { (badge(Tone::Good, "alive")) }
                        div {
                            code { (replica.id) }
                            @if survey.this_replica == Some(replica.id) { strong { " this one" } }
                            br;
                            span.quiet.small {
                                @match replica.dead_at {
                                    Some(at) => { "declared dead " (ago(at, survey.now)) }
                                    None => { "started " (ago(replica.started_at, survey.now)) }
                                }
                            }
                        }
                    }
                }
            }
            p.quiet.small { "Your requests may reach any replica." }
        }
    }
}
