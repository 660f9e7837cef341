//! What the service's own AWS identity may do: `/console/capabilities`.

use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use engine_roles_domain::identity::{DeniedBy, Feature, FeatureReport, Status};
use engine_roles_provisioner::Provisioner;
use maud::{Markup, html};

use super::layout::{Page, Place, sentence};
use super::pieces::{Tone, badge, fact, json_box, mode_name, or_quiet};
use super::times::ago;
use super::viewer::Viewer;
use crate::problem::Problem;
use crate::request_query::Parameters;

/// Shows the features, and what is missing for each.
pub(super) async fn show(
    State(provisioner): State<Provisioner>,
    viewer: Viewer,
    query: Parameters,
) -> Result<Response, Problem> {
    query.end()?;
    let found = Box::pin(provisioner.capabilities()).await?;
    let how: Vec<_> = found.found_by.iter().map(|how| how.as_str()).collect();
    let page = Page {
        title: "Capabilities",
        place: Place::Capabilities,
        viewer: Some(&viewer),
        content: html! {
            h1 { "Capabilities" }
            p.lead {
                "What the service's own AWS identity may do. The service finds this out without a change at AWS, \
                 and uses the result for five minutes."
            }
            section.card.wide aria-labelledby="identity" {
                h2 #identity { "Identity" }
                dl.facts {
                    (fact("ARN", &or_quiet(
                        found.identity.as_ref().map(|arn| html! { code.breakable { (arn) } }),
                        "STS did not answer",
                    )))
                    (fact("Found out", &ago(found.found_at, Utc::now())))
                    (fact("By", &html! { (how.join(", ").replace('_', " ")) }))
                    (fact("Advice", &html! {
                        @if let Some(mode) = found.recommendation.mode { (badge(Tone::Plain, mode_name(mode))) " " }
                        (sentence(&found.recommendation.advice))
                    }))
                }
            }
            section aria-labelledby="features" {
                h2 #features { "Features" }
                table.cards-when-narrow.features {
                    caption.unseen { "Features and their permissions" }
                    thead { tr { th scope="col" { "Feature" } th scope="col" { "Status" } th scope="col" { "Permissions and the statement to add" } } }
                    tbody { @for report in &found.features { (row(report)) } }
                }
            }
        },
    };
    Ok(page.respond())
}

fn row(report: &FeatureReport) -> Markup {
    let (tone, status) = match report.status {
        Status::Works => (Tone::Good, "works"),
        Status::Missing => (Tone::Bad, "missing"),
        Status::Unknown => (Tone::Warning, "unknown"),
        Status::Unused => (Tone::Plain, "not used"),
    };
    html! {
        tr {
            th scope="row" data-label="Feature" {
                (report.feature.as_str().replace('_', " "))
                p.quiet.small { (purpose(report.feature)) }
            }
            td data-label="Status" { (badge(tone, status)) }
            td data-label="Permissions" {
                @if report.status == Status::Works { span.quiet { "nothing is missing" } }
                @if !report.missing.is_empty() {
                    p { "AWS denies " (permissions(&report.missing)) "." }
                }
                @for (action, by) in &report.denied_by { p { (denied(action, by)) } }
                @if !report.unknown.is_empty() {
                    p { "Not known: " (permissions(&report.unknown)) "." }
                    ul.small { @for reason in &report.reasons { li { (sentence(reason)) } } }
                }
                @if !report.statements.is_empty() {
                    p { "Add to the identity's policy:" }
                    @for statement in &report.statements {
                        (json_box(statement, &format!("Statement for {}", report.feature.as_str())))
                    }
                }
            }
        }
    }
}

fn permissions(actions: &[&str]) -> Markup {
    html! {
        @for (place, action) in actions.iter().enumerate() {
            @if place > 0 { ", " } code.breakable { (action) }
        }
    }
}

fn denied(action: &str, by: &DeniedBy) -> Markup {
    html! {
        code { (action) } " is denied by a " (by.layer.as_str().replace('_', " "))
        @if let Some(policy) = &by.policy { " (" code.breakable { (policy) } ")" }
        ". No statement of the identity's own policies would help there."
    }
}

fn purpose(feature: Feature) -> &'static str {
    match feature {
        Feature::Create => "Creates a role, its policy and its instance profile for each cluster.",
        Feature::Teardown => "Removes what was created.",
        Feature::PassThrough => "Passes a prepared role in an instance profile of the service.",
        Feature::DropTags => "Removes tags that a changed request drops.",
        Feature::DetachPolicies => {
            "Detaches, in a teardown, managed policies that others attached."
        }
        Feature::Attestation => "Judges whether prepared roles are fit.",
        Feature::Orphans => "Finds resources that no binding accounts for.",
        Feature::BulkSweep => "Checks all roles for drift with one listing.",
        Feature::Quota => "Knows before a creation that a quota is used up.",
    }
}
