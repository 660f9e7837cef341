//! One binding as a table.

use engine_roles_client::Answer;
use engine_roles_contract::{Binding, LastError, Receipt, Secrets, Spec};

use super::failure::Failure;
use super::screen::{Colour, Screen, print_line};
use super::table::{Cell, Table};
use super::wire::{NONE, optional, optional_time, state, time, word};

/// Prints a binding: a table, or the JSON that the service sent.
pub(super) fn print(answer: &Answer<Binding>, screen: Screen) -> Result<(), Failure> {
    if screen.is_json() {
        return print_line(answer.text.trim_end());
    }
    let mut table = table(&answer.body);
    if let Some(tag) = &answer.etag {
        table.member("etag", tag.as_str());
    }
    table.print(screen)
}

/// Returns what went wrong, in a sentence that begins with the stable code.
pub(super) fn sentence(error: &LastError) -> String {
    let mut text = format!("{}: {}", word(&error.code), error.detail);
    for (name, values) in [
        ("missing permissions", &error.missing_permissions),
        ("blocked by", &error.blockers),
    ] {
        if !values.is_empty() {
            text.extend(["; ", name, ": ", &values.join(", ")]);
        }
    }
    text
}

fn table(binding: &Binding) -> Table {
    let mut table = Table::new();
    table.member("cluster", &binding.cluster);
    table.member("state", state(&binding.state));
    table.member("mode", word(&binding.mode));
    let applied = match binding.applied_generation {
        Some(applied) if applied == binding.generation => "applied".to_owned(),
        Some(applied) => format!("{applied} applied"),
        None => "none applied".to_owned(),
    };
    table.member("generation", format!("{} ({applied})", binding.generation));
    table.member("binding id", binding.binding_id.to_string());
    table.member("account", &binding.account_id);
    if let Some(role) = &binding.role {
        table.member("role", &role.name);
        table.member("role arn", optional(role.arn.as_deref()));
        table.member("role id", optional(role.id.as_deref()));
    }
    if let Some(profile) = &binding.instance_profile {
        let managed = if profile.managed { "" } else { " (prepared)" };
        table.member("instance profile", format!("{}{managed}", profile.name));
    }
    add_spec(&mut table, &binding.spec);
    if binding.usable_after.is_some() {
        table.member("usable after", optional_time(binding.usable_after));
    }
    if binding.verified_at.is_some() {
        table.member("verified", optional_time(binding.verified_at));
    }
    for drift in &binding.drift {
        let text = format!("{}: {}", word(&drift.kind), drift.detail);
        table.member("drift", Cell::coloured(text, Some(Colour::Yellow)));
    }
    if let Some(error) = &binding.last_error {
        table.member(
            "last error",
            Cell::coloured(sentence(error), Some(Colour::Red)),
        );
        if let Some(at) = error.next_attempt_at {
            table.member("next attempt", time(at));
        }
    }
    if let Some(receipt) = &binding.receipt {
        add_receipt(&mut table, receipt);
    }
    table.member("created", time(binding.created_at));
    table.member("updated", time(binding.updated_at));
    table
}

fn add_spec(table: &mut Table, spec: &Spec) {
    table.member("region", &spec.region);
    let secrets = match &spec.secrets {
        Secrets::Word(word) => word.clone(),
        Secrets::Names(names) if names.is_empty() => NONE.to_owned(),
        Secrets::Names(names) => names.join(", "),
    };
    table.member("secrets", secrets);
    let session_manager = if spec.session_manager { "yes" } else { "no" };
    table.member("session manager", session_manager);
    if let Some(boundary) = &spec.permissions_boundary {
        table.member("boundary", boundary);
    }
    if !spec.tags.is_empty() {
        let tags = spec
            .tags
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        table.member("tags", tags.collect::<Vec<_>>().join(", "));
    }
}

fn add_receipt(table: &mut Table, receipt: &Receipt) {
    table.member("grant ended", optional_time(receipt.grant_ended_at));
    table.member("access ended", optional_time(receipt.access_ended_at));
    for removed in &receipt.removed {
        table.member("removed", removed);
    }
    for left in &receipt.left {
        table.member("left", Cell::coloured(left, Some(Colour::Yellow)));
    }
}
