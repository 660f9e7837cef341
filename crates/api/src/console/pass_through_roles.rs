//! The pass-through roles and their attestation: `/console/pass-through-roles`.

use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use engine_roles_domain::prepared::{Attestation, Finding, Fitness, Width};
use engine_roles_provisioner::{AttestedRole, Provisioner};
use maud::{Markup, html};

use super::layout::{Page, Place, sentence};
use super::pieces::{Tone, badge, cluster_path, fact, nothing, or_quiet, query};
use super::times::ago;
use super::viewer::Viewer;
use crate::problem::Problem;
use crate::request_query::Parameters;

/// The most grants beyond engines' secrets that the page lists for a role.
const MOST_GRANTS: usize = 30;

/// Shows the roles that the administrator prepared, each with its verdict.
pub(super) async fn show(
    State(provisioner): State<Provisioner>,
    viewer: Viewer,
    given: Parameters,
) -> Result<Response, Problem> {
    given.end()?;
    let roles = provisioner.pass_through_roles().await?;
    let page = Page {
        title: "Pass-through roles",
        place: Place::PassThroughRoles,
        viewer: Some(&viewer),
        content: html! {
            h1 { "Pass-through roles" }
            p.lead {
                "Roles that the administrator prepared (" code { "ENGINE_ROLES_PASS_THROUGH_ROLES" } "). The \
                 service reads each one from IAM when it starts and periodically, and judges whether engines can \
                 use it. This page shows the last verdicts; it asks AWS nothing."
            }
            @if roles.is_empty() {
                (nothing("No pass-through role is listed. The service creates a role for each cluster."))
            }
            @for role in &roles { (one(role)) }
        },
    };
    Ok(page.respond())
}

fn one(role: &AttestedRole) -> Markup {
    let attestation = &role.attestation;
    let name = role.entry.role.to_string();
    let clusters = query("/console/clusters", &[("role", &name)]);
    html! {
        section.card.wide {
            div.headline {
                h2.breakable { (name) }
                (verdict(attestation.fitness))
                @if role.is_default { (badge(Tone::Plain, "default")) }
            }
            p { (meaning(attestation.fitness)) }
            (findings(attestation.fitness, &attestation.findings))
            dl.facts {
                (fact("Reaches", &width(&attestation.width)))
                (fact("Instance profile", &or_quiet(
                    role.entry.instance_profile.as_ref().map(|profile| html! {
                        code.breakable { (profile) } " (the administrator's)"
                    }),
                    "one for each cluster, which the service creates",
                )))
                (fact("Boundary", &or_quiet(
                    attestation.boundary.as_ref().map(|it| html! { code.breakable { (it) } }),
                    "none known",
                )))
                (fact("Read from IAM", &or_quiet(
                    role.read_at.map(|at| ago(at, Utc::now())),
                    "never",
                )))
                @if let Some(reason) = &role.unread { (fact("Last read failed", &html! { (sentence(reason)) })) }
            }
            (beyond(attestation))
            p { a href=(clusters) { "Clusters with this role" } }
        }
    }
}

fn verdict(fitness: Fitness) -> Markup {
    let tone = match fitness {
        Fitness::Fit => Tone::Good,
        Fitness::Unfit => Tone::Bad,
        Fitness::Indeterminate => Tone::Warning,
        Fitness::Declared => Tone::Plain,
    };
    badge(tone, fitness.as_str())
}

fn meaning(fitness: Fitness) -> &'static str {
    match fitness {
        Fitness::Fit => {
            "Engines can use this role: EC2 may assume it, and it can read the secrets."
        }
        Fitness::Unfit => "Engines can't use this role.",
        Fitness::Indeterminate => {
            "Whether engines can use this role depends on something that the service can't find out."
        }
        Fitness::Declared => {
            "The service never read this role from IAM. The administrator declared it fit by naming its ARN \
             and its instance profile."
        }
    }
}

fn findings(fitness: Fitness, findings: &[Finding]) -> Markup {
    html! {
        @if !findings.is_empty() {
            h3 { (if fitness == Fitness::Fit { "Notes" } else { "Reasons" }) }
            ul { @for finding in findings { li { (sentence(&finding.detail)) } } }
        }
    }
}

fn width(width: &Width) -> Markup {
    html! {
        @match width {
            Width::Nothing => "no secrets",
            Width::Clusters { clusters } => {
                "the secrets of "
                @for (place, cluster) in clusters.iter().enumerate() {
                    @if place > 0 { ", " }
                    a href=(cluster_path(cluster)) { (cluster) }
                }
            }
            Width::AllClusters => "the secrets of every cluster",
            Width::Beyond => (badge(Tone::Warning, "more than engines' secrets")),
            Width::Unknown => span.quiet { "not known" },
        }
    }
}

fn beyond(attestation: &Attestation) -> Markup {
    html! {
        @if !attestation.beyond.is_empty() {
            details {
                summary { "Grants beyond engines' secrets (" (attestation.beyond.len()) ")" }
                ul {
                    @for grant in attestation.beyond.iter().take(MOST_GRANTS) {
                        li {
                            code.breakable { (grant.action) } " on " code.breakable { (grant.resource) }
                            span.quiet { ", by " (grant.by) }
                        }
                    }
                    @if attestation.beyond.len() > MOST_GRANTS {
                        li { "and " (attestation.beyond.len() - MOST_GRANTS) " more" }
                    }
                }
            }
        }
    }
}
