//! What a cluster's role can reach, as a picture: `/console/clusters/{cluster}/access`.
//!
//! The page reads the role's documents from IAM, so that it is shown only on demand, as the same request of
//! the interface is.

use axum::extract::State;
use axum::response::Response;
use engine_roles_domain::cluster::ClusterName;
use engine_roles_domain::grant::{Access, AreaAccess, SecretAccess, WideGrant};
use engine_roles_domain::prepared::{HeldPolicy, PolicyName, ProfileContents};
use engine_roles_provisioner::{AccessReport, Provisioner};
use maud::{Markup, html};

use super::layout::{Page, Place, sentence};
use super::pieces::{Tone, badge, cluster_path, commands, mode_name};
use super::times::time;
use super::viewer::Viewer;
use crate::problem::Problem;
use crate::request_path::Cluster;
use crate::request_query::Parameters;

/// The most grants beyond the cluster's own secrets that the page lists.
const MOST_GRANTS: usize = 50;

/// Whether access is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Allowed,
    Denied,
}

/// Shows what the role can reach.
pub(super) async fn show(
    State(provisioner): State<Provisioner>,
    viewer: Viewer,
    Cluster(cluster): Cluster,
    query: Parameters,
) -> Result<Response, Problem> {
    query.end()?;
    let report = Box::pin(provisioner.access(&cluster)).await?;
    let report = report.ok_or_else(|| Problem::no_role(&cluster))?;
    let title = format!("What the role of {cluster} can reach");
    let page = Page {
        title: &title,
        place: Place::Clusters,
        viewer: Some(&viewer),
        content: html! {
            p.crumbs {
                a href="/console/clusters" { "Clusters" } " / "
                a href=(cluster_path(cluster.as_str())) { (cluster) } " / reach"
            }
            h1 { (title) }
            p.quiet {
                "Evaluated " (time(report.evaluated_at)) " from the documents that IAM holds. Grants in the \
                 resource policies of secrets are not evaluated."
            }
            (picture(&cluster, &report))
            (unread(&report.reach.unread))
            (documents(&report))
            (commands(&[format!("engine-roles role access {cluster}")]))
        },
    };
    Ok(page.respond())
}

fn picture(cluster: &ClusterName, report: &AccessReport) -> Markup {
    let reach = &report.reach;
    html! {
        section.reach aria-labelledby="picture" {
            h2 #picture.unseen { "Picture" }
            div.chain {
                div.box {
                    p.eyebrow { "Engines of" }
                    p.strong { (cluster) }
                }
                (arrow())
                (profile(report))
                (arrow())
                div.box.last {
                    p.eyebrow { "Role (" (mode_name(report.mode)) ")" }
                    p.strong.breakable { (report.role.role.name) }
                }
            }
            div.targets {
                (own(&reach.own_secrets))
                (area(
                    "Other clusters' secrets",
                    "Secrets of every other cluster under compute-engine/.",
                    &reach.other_secrets,
                ))
                (area("Anything else", "All that an engine does not need.", &reach.anything_else))
            }
        }
    }
}

fn arrow() -> Markup {
    html! {
        svg.arrow viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" {
            path d="M4 12h15m-6-6 6 6-6 6" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" {}
        }
    }
}

fn profile(report: &AccessReport) -> Markup {
    let profile = report.role.profile.as_ref();
    let name = profile.map(|profile| profile.name.to_string());
    let trouble = match profile.map(|profile| &profile.contents) {
        Some(ProfileContents::Role(held)) if held.same_role(&report.wanted) => None,
        Some(ProfileContents::Role(held)) => Some(format!(
            "It contains role {held}, not {}. The picture is about the role in it.",
            report.wanted
        )),
        Some(ProfileContents::Nothing) => {
            Some("It contains no role: engines get no access.".to_owned())
        }
        Some(ProfileContents::Absent) => Some("It does not exist.".to_owned()),
        Some(ProfileContents::Unread(reason)) => Some(sentence(reason)),
        None => Some("It was not read.".to_owned()),
    };
    html! {
        div.box {
            p.eyebrow { "Instance profile" }
            p.strong.breakable { (name.as_deref().unwrap_or("unknown")) }
            @if let Some(trouble) = trouble { p.bad.small { (trouble) } }
        }
    }
}

fn own(secrets: &[SecretAccess]) -> Markup {
    let right = secrets.iter().all(|secret| secret.access.is_allowed());
    html! {
        div class={"target " (if right { "good" } else { "bad" })} {
            h3 { "Own secrets" }
            p.quiet.small { "An engine must read these." }
            ul.verdicts {
                @for secret in secrets {
                    li {
                        (verdict(&secret.access, Wanted::Allowed))
                        code.breakable { (secret.resource) }
                    }
                }
            }
        }
    }
}

fn area(name: &str, what: &str, area: &AreaAccess) -> Markup {
    let class = match &area.access {
        Access::Denied { .. } => "good",
        Access::Allowed { .. } => "bad",
        Access::Indeterminate { .. } => "warning",
    };
    html! {
        div class={"target " (class)} {
            h3 { (name) }
            p.quiet.small { (what) }
            (verdict(&area.access, Wanted::Denied))
            (grants(&area.grants))
        }
    }
}

/// Says whether access is allowed, and which statement decides.
fn verdict(access: &Access, wanted: Wanted) -> Markup {
    let good = match wanted {
        Wanted::Allowed => access.is_allowed(),
        Wanted::Denied => access.is_denied(),
    };
    let tone = if good { Tone::Good } else { Tone::Bad };
    html! {
        p.verdict {
            @match access {
                Access::Allowed { by } => {
                    (badge(tone, "can reach")) " allowed by " code.breakable { (by) }
                }
                Access::Denied { by: Some(by) } => {
                    (badge(tone, "can't reach")) " denied by " code.breakable { (by) }
                }
                Access::Denied { by: None } => {
                    (badge(tone, "can't reach")) " no statement allows it"
                }
                Access::Indeterminate { because } => {
                    (badge(Tone::Warning, "not certain")) " " (because.join("; "))
                }
            }
        }
    }
}

fn grants(grants: &[WideGrant]) -> Markup {
    html! {
        @if !grants.is_empty() {
            ul.grants {
                @for grant in grants.iter().take(MOST_GRANTS) {
                    li {
                        code.breakable { (grant.action) } " on " code.breakable { (grant.resource) }
                        span.quiet { ", by " (grant.by) }
                    }
                }
                @if grants.len() > MOST_GRANTS { li { "and " (grants.len() - MOST_GRANTS) " more" } }
            }
        }
    }
}

fn unread(unread: &[String]) -> Markup {
    html! {
        @if !unread.is_empty() {
            section.notice aria-labelledby="unread" {
                h2 #unread { "What could not be read or understood" }
                ul { @for reason in unread { li { (sentence(reason)) } } }
            }
        }
    }
}

fn documents(report: &AccessReport) -> Markup {
    let boundary = report.role.boundary.iter();
    let boundary = boundary.map(|policy| ("Permissions boundary", policy));
    let policies = report
        .role
        .policies
        .iter()
        .map(|policy| match &policy.name {
            PolicyName::Inline(_) => ("Inline policy", policy),
            PolicyName::Managed(_) => ("Managed policy", policy),
        });
    html! {
        section.card.wide aria-labelledby="documents" {
            h2 #documents { "The evaluated documents" }
            ul.simple {
                @for (kind, held) in policies.chain(boundary) { li { (document(kind, held)) } }
            }
        }
    }
}

fn document(kind: &str, held: &HeldPolicy) -> Markup {
    let (PolicyName::Inline(name) | PolicyName::Managed(name)) = &held.name;
    html! {
        @match held.document() {
            Ok(_) => (badge(Tone::Good, "read")),
            Err(_) => (badge(Tone::Warning, "not read")),
        }
        " " (kind) " " code.breakable { (name) }
        @if let Err(reason) = held.document() { " " (sentence(&reason)) }
    }
}
