//! An event of the audit log.

use engine_roles_domain::audit::{EventAction, EventOutcome, SequencedEvent};
use maud::{Markup, html};

use super::pieces::{Tone, badge, cluster_path, json_box, state_name};
use super::times::time;

/// Whether the cluster of an event is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    Cluster,
    /// The page is about the cluster.
    Nothing,
}

/// Events as a list.
pub(super) fn list(events: &[SequencedEvent], naming: Naming) -> Markup {
    html! {
        ol.events {
            @for event in events { li { (one(event, naming)) } }
        }
    }
}

fn one(event: &SequencedEvent, naming: Naming) -> Markup {
    let change = event.change.as_ref();
    html! {
        div.when {
            (time(event.at))
            span.quiet.small { "event " (event.seq) }
        }
        div.happened {
            p {
                (badge(tone(event.action), in_words(event.action)))
                @if naming == Naming::Cluster && let Some(change) = change {
                    " " a href=(cluster_path(change.cluster.as_str())) { (change.cluster) }
                }
                @if let Some(change) = change && let Some(from) = change.from_state && from != change.to_state {
                    span.quiet { " " (state_name(from)) " → " (state_name(change.to_state)) }
                }
                span.quiet { " by " } span.breakable { (event.actor) }
                @if let Some(source) = &event.source { span.quiet { " from " (source) } }
            }
            (particulars(event))
        }
    }
}

fn particulars(event: &SequencedEvent) -> Markup {
    html! {
        details {
            summary {
                "Details"
                @if !event.aws_request_ids.is_empty() {
                    ", " (event.aws_request_ids.len()) " AWS "
                    (if event.aws_request_ids.len() == 1 { "call" } else { "calls" })
                }
                span.unseen { " of event " (event.seq) }
            }
            dl.facts {
                @if let Some(change) = &event.change {
                    (row("Binding", &change.binding_id.0.to_string()))
                    (row("Generation", &change.generation.to_string()))
                    @if let Some(role_id) = &change.role_id { (row("Role id", role_id)) }
                }
                @if let Some(key) = &event.key_id { (row("Key", &key.to_string())) }
                @if let Some(id) = &event.request_id { (row("Request", id)) }
                @if let Some(id) = &event.trace_id { (row("Trace", id)) }
                @for id in &event.aws_request_ids { (row("AWS request", id)) }
            }
            (json_box(&event.detail, "Detail of the event"))
        }
    }
}

fn row(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { code.breakable { (value) } } } }
}

fn tone(action: EventAction) -> Tone {
    match action.outcome() {
        EventOutcome::Accepted => Tone::Busy,
        EventOutcome::Succeeded => Tone::Good,
        EventOutcome::Failed | EventOutcome::Denied => Tone::Bad,
        EventOutcome::Observed => match action {
            EventAction::DriftFound | EventAction::OrphanFound => Tone::Warning,
            _ => Tone::Plain,
        },
    }
}

/// Returns an action in words.
pub(super) fn in_words(action: EventAction) -> &'static str {
    match action {
        EventAction::ProvisionRequested => "provision requested",
        EventAction::UpdateRequested => "update requested",
        EventAction::TeardownRequested => "teardown requested",
        EventAction::Provisioned => "provisioned",
        EventAction::Updated => "updated",
        EventAction::TornDown => "torn down",
        EventAction::Rejected => "rejected",
        EventAction::Withdrawn => "withdrawn",
        EventAction::Blocked => "blocked",
        EventAction::Delayed => "delayed",
        EventAction::DriftFound => "drift found",
        EventAction::DriftRepaired => "drift repaired",
        EventAction::LateResourceRemoved => "late resource removed",
        EventAction::Denied => "denied",
        EventAction::KeyCreated => "key created",
        EventAction::KeyRevoked => "key revoked",
        EventAction::LogRead => "log read",
        EventAction::SignedIn => "signed in",
        EventAction::OrphanFound => "orphan found",
        EventAction::OrphanGone => "orphan gone",
        EventAction::RoleAttested => "role attested",
    }
}
