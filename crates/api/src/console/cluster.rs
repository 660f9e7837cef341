//! One cluster: `/console/clusters/{cluster}`.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use engine_roles_domain::audit::SequencedEvent;
use engine_roles_domain::binding::{Binding, Failure, Receipt};
use engine_roles_domain::caller::KeyScope;
use engine_roles_domain::cluster::{ClusterName, ModeSpec, Secrets};
use engine_roles_provisioner::Provisioner;
use engine_roles_store::{AuditFilter, Incarnation};
use maud::{Markup, html};

use super::event::{Naming, list};
use super::layout::{Page, Place, sentence};
use super::pieces::{
    Tone, badge, cluster_path, commands, fact, mode_name, nothing, query, state_badge,
};
use super::policy;
use super::times::{optional, time};
use super::viewer::Viewer;
use crate::problem::Problem;
use crate::request_path::Cluster;
use crate::request_query::Parameters;

/// The most incarnations that the page lists.
const MOST_INCARNATIONS: i64 = 50;
/// The most events that are read for the timeline, and that it shows.
const MOST_READ: i64 = 1_000;
const MOST_SHOWN: usize = 100;

/// The events of the present incarnation, newest first.
struct Timeline {
    events: Vec<SequencedEvent>,
    /// Whether the log has more events of the cluster that are not shown, besides those of earlier
    /// incarnations.
    are_more: bool,
}

/// Shows what a cluster has, and what happened to it.
pub(super) async fn show(
    State(provisioner): State<Provisioner>,
    viewer: Viewer,
    Cluster(cluster): Cluster,
    query: Parameters,
) -> Result<Response, Problem> {
    query.end()?;
    let binding = provisioner.get(&cluster, Duration::ZERO).await?;
    let binding = binding.ok_or_else(|| Problem::no_role(&cluster))?;
    let incarnations = provisioner.incarnations(&cluster, None, MOST_INCARNATIONS);
    let incarnations = incarnations.await?;
    let timeline = if viewer.may(KeyScope::Audit) {
        Some(timeline(&provisioner, &binding).await?)
    } else {
        None
    };
    let page = Page {
        title: cluster.as_str(),
        place: Place::Clusters,
        viewer: Some(&viewer),
        content: html! {
            p.crumbs { a href="/console/clusters" { "Clusters" } " / " (cluster) }
            div.headline {
                h1 { (cluster) }
                (state_badge(binding.state()))
                @if !binding.drift.is_empty() { (badge(Tone::Warning, "drifted")) }
            }
            @if let Some(failure) = binding.last_error() { (failed(failure)) }
            (drift(&binding))
            div.cards {
                (resources(&binding))
                (spec(&binding))
                (access_link(&cluster, &binding))
                (document(&binding))
                @if let Some(receipt) = binding.receipt() { (removal(receipt)) }
                (timeline_section(&cluster, timeline.as_ref()))
                (incarnations_section(&incarnations.items, incarnations.next.is_some()))
            }
            (commands(&[
                format!("engine-roles role get {cluster}"),
                format!("engine-roles role access {cluster}"),
                format!("engine-roles audit tail --cluster {cluster}"),
            ]))
        },
    };
    Ok(page.respond())
}

async fn timeline(provisioner: &Provisioner, binding: &Binding) -> Result<Timeline, Problem> {
    let filter = AuditFilter {
        cluster: Some(binding.cluster.clone()),
        since: Some(binding.created_at),
        ..AuditFilter::default()
    };
    let page = provisioner
        .audit(&filter, MOST_READ, Duration::ZERO)
        .await?;
    let mut events = page.events;
    events.reverse();
    let are_more = !page.is_last || events.len() > MOST_SHOWN;
    events.truncate(MOST_SHOWN);
    Ok(Timeline { events, are_more })
}

fn failed(failure: &Failure) -> Markup {
    html! {
        section.notice.problem aria-labelledby="failure" {
            h2 #failure {
                (if failure.is_final() { "The last request failed" } else { "The last attempt failed and is repeated" })
            }
            p { (sentence(&failure.detail)) }
            @if !failure.blockers.is_empty() {
                p { "These resources block it:" }
                ul { @for blocker in &failure.blockers { li { (blocker) } } }
            }
            @if !failure.missing_permissions.is_empty() {
                p {
                    "AWS denied the service "
                    @for (place, permission) in failure.missing_permissions.iter().enumerate() {
                        @if place > 0 { ", " } code { (permission) }
                    }
                    ". " a href="/console/capabilities" { "Capabilities" } " has the statements to add."
                }
            }
            dl.row {
                (fact("code", &html! { code { (failure.code.as_str()) } }))
                (fact("attempts", &html! { (failure.attempts) }))
                (fact("at", &time(failure.at)))
                @if let Some(next) = failure.next_attempt_at { (fact("next attempt", &time(next))) }
            }
        }
    }
}

fn drift(binding: &Binding) -> Markup {
    html! {
        @if !binding.drift.is_empty() {
            section.notice.drift aria-labelledby="drift" {
                h2 #drift { "AWS differs from what was applied" }
                ul {
                    @for drift in &binding.drift {
                        li {
                            strong { (drift.kind.as_str().replace('_', " ")) } ": " (sentence(&drift.detail))
                            @if let Some(permission) = &drift.missing_permission {
                                " The repair lacks " code { (permission) } "."
                            }
                        }
                    }
                }
            }
        }
    }
}

fn resources(binding: &Binding) -> Markup {
    let (role, profile) = (binding.known_role(), binding.known_profile());
    let exists = binding.is_live();
    html! {
        section.card aria-labelledby="resources" {
            h2 #resources { (if exists { "What it has" } else { "What it had" }) }
            dl.facts {
                (fact("Role", &html! { code.breakable { (role.name) } }))
                @if let Some(arn) = &role.arn { (fact("Role ARN", &html! { code.breakable { (arn) } })) }
                @if let Some(id) = &role.id { (fact("Role id", &html! { code { (id) } })) }
                (fact("Instance profile", &html! {
                    code.breakable { (profile.name) }
                    @if !profile.managed { span.quiet { " (the administrator's)" } }
                }))
                @if let Some(arn) = &profile.arn { (fact("Profile ARN", &html! { code.breakable { (arn) } })) }
                @if let Some(id) = &profile.id { (fact("Profile id", &html! { code { (id) } })) }
                (fact("Account", &html! { code { (binding.scope.account) } " (" (binding.scope.partition.as_str()) ")" }))
                (fact("Usable from", &optional(binding.usable_after, "not yet")))
                (fact("Last found right", &optional(binding.verified_at, "not checked yet")))
            }
        }
    }
}

fn spec(binding: &Binding) -> Markup {
    let spec = &binding.spec;
    html! {
        section.card aria-labelledby="spec" {
            h2 #spec { "What was asked for" }
            dl.facts {
                (fact("Mode", &html! { (mode_name(spec.mode.mode())) }))
                @match &spec.mode {
                    ModeSpec::Create(create) => {
                        @if let Some(boundary) = &create.permissions_boundary {
                            (fact("Boundary", &html! { code.breakable { (boundary) } }))
                        }
                    }
                    ModeSpec::PassThrough(pass) => (fact("Role passed", &html! { code.breakable { (pass.iam_role) } })),
                }
                (fact("Secrets", &secrets(&spec.secrets)))
                (fact("Session Manager", &html! { (if spec.session_manager { "on" } else { "off" }) }))
                (fact("Region", &html! { (spec.region) }))
                @if let Some(key) = &spec.kms_key { (fact("KMS key", &html! { code.breakable { (key) } })) }
                (fact("Tags", &tags(binding)))
                (fact("Generation", &html! {
                    (binding.generation)
                    @match binding.applied_generation {
                        Some(applied) if applied == binding.generation => ", applied",
                        Some(applied) => { ", of which " (applied) " is applied" }
                        None => ", not applied yet",
                    }
                }))
                (fact("First asked", &time(binding.created_at)))
                (fact("Last change", &time(binding.updated_at)))
            }
        }
    }
}

fn secrets(secrets: &Secrets) -> Markup {
    html! {
        @match secrets {
            Secrets::All => "all secrets of the cluster",
            Secrets::Named(names) => {
                @if names.is_empty() { "none" } @else {
                    ul { @for name in names { li { code.breakable { (name) } } } }
                }
            }
        }
    }
}

fn tags(binding: &Binding) -> Markup {
    let tags: Vec<_> = binding.spec.tags.iter().collect();
    html! {
        @if tags.is_empty() { span.quiet { "none" } } @else {
            ul { @for (key, value) in tags { li { code.breakable { (key) " = " (value) } } } }
        }
    }
}

fn access_link(cluster: &ClusterName, binding: &Binding) -> Markup {
    html! {
        @if binding.is_live() {
            section.card.wide aria-labelledby="reach" {
                h2 #reach { "What the role can reach" }
                p {
                    "The service reads the role's documents from IAM and evaluates them: the cluster's own secrets, \
                     other clusters' secrets, and anything else. This uses some calls of the call budget."
                }
                p { a.button href={(cluster_path(cluster.as_str())) "/access"} { "Read it from IAM" } }
            }
        }
    }
}

fn document(binding: &Binding) -> Markup {
    html! {
        section.card.wide aria-labelledby="policy" {
            h2 #policy { "Policy" }
            @match &binding.policy {
                Some(document) => {
                    @if !binding.is_live() { p.quiet { "The role had this inline policy." } }
                    (policy::readable(document))
                }
                None => (nothing(if matches!(binding.spec.mode, ModeSpec::PassThrough(_)) {
                    "The administrator's role has its own policies. The service writes none."
                } else {
                    "The service has not written the policy yet."
                })),
            }
        }
    }
}

fn removal(receipt: &Receipt) -> Markup {
    html! {
        section.card.wide aria-labelledby="receipt" {
            h2 #receipt { "Receipt of the teardown" }
            dl.facts {
                (fact("The grant ended", &optional(receipt.grant_ended_at, "not yet")))
                (fact("All access ended", &optional(receipt.access_ended_at, "not known")))
                (fact("Removed", &items(&receipt.removed)))
                (fact("Left in place", &items(&receipt.left)))
            }
        }
    }
}

fn items(items: &[String]) -> Markup {
    html! {
        @if items.is_empty() { span.quiet { "nothing" } } @else {
            ul { @for item in items { li.breakable { (item) } } }
        }
    }
}

fn timeline_section(cluster: &ClusterName, timeline: Option<&Timeline>) -> Markup {
    let log = query("/console/audit", &[("cluster", cluster.as_str())]);
    html! {
        section.card.wide aria-labelledby="timeline" {
            h2 #timeline { "Timeline of this incarnation" }
            @match timeline {
                None => (nothing("The key of your session lacks the scope audit, so the events are not shown.")),
                Some(timeline) if timeline.events.is_empty() => {
                    (nothing("The audit log has no numbered event of this incarnation yet."))
                }
                Some(timeline) => {
                    (list(&timeline.events, Naming::Nothing))
                    p {
                        @if timeline.are_more { "The log has more events than are shown. " }
                        a href=(log) { "All events of this cluster" }
                    }
                }
            }
        }
    }
}

fn incarnations_section(incarnations: &[Incarnation], are_more: bool) -> Markup {
    html! {
        section.card.wide aria-labelledby="incarnations" {
            h2 #incarnations { "Incarnations" }
            table.cards-when-narrow {
                caption.unseen { "Incarnations of the cluster's role, newest first" }
                thead { tr { th scope="col" { "Binding" } th scope="col" { "State" } th scope="col" { "Role id" } th scope="col" { "From" } th scope="col" { "Access ended" } } }
                tbody {
                    @for incarnation in incarnations {
                        @let binding = &incarnation.binding;
                        tr {
                            th scope="row" data-label="Binding" { code.breakable { (binding.id.0) } }
                            td data-label="State" { (state_badge(binding.state())) }
                            td data-label="Role id" {
                                @match &incarnation.role_id { Some(id) => code.breakable { (id) }, None => span.quiet { "none" } }
                            }
                            td data-label="From" { (time(binding.created_at)) }
                            td data-label="Access ended" {
                                (optional(binding.receipt().and_then(|it| it.access_ended_at), "–"))
                            }
                        }
                    }
                }
            }
            @if are_more { p.quiet { "There are more, which GET /v1/clusters/{cluster}/incarnations lists." } }
        }
    }
}
