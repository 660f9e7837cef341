//! Parts of which several pages are made.

use engine_roles_domain::binding::State;
use engine_roles_domain::cluster::Mode;
use maud::{Markup, html};

/// What a badge says about its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// It does not work, or a person is needed.
    Bad,
    /// It works, but somebody should look.
    Warning,
    /// Work is in progress.
    Busy,
    /// It works.
    Good,
    /// It says nothing good or bad.
    Plain,
}

impl Tone {
    /// Returns the class of the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warning => "warning",
            Self::Busy => "busy",
            Self::Good => "good",
            Self::Plain => "plain",
        }
    }
}

/// A short text with a coloured mark. The text alone says what is meant.
pub(super) fn badge(tone: Tone, text: &str) -> Markup {
    html! { span class={"badge " (tone.class())} { (text) } }
}

/// The state of a binding.
pub(super) fn state_badge(state: State) -> Markup {
    badge(state_tone(state), state_name(state))
}

/// Returns what a state says.
pub(super) fn state_tone(state: State) -> Tone {
    match state {
        State::Active => Tone::Good,
        State::Provisioning | State::Deleting => Tone::Busy,
        State::Failed | State::Blocked => Tone::Bad,
        State::Deleted => Tone::Plain,
    }
}

/// Returns a state in words.
pub(super) fn state_name(state: State) -> &'static str {
    match state {
        State::Provisioning => "provisioning",
        State::Active => "active",
        State::Deleting => "deleting",
        State::Deleted => "deleted",
        State::Failed => "failed",
        State::Blocked => "blocked",
    }
}

/// Returns a mode in words.
pub(super) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Create => "create",
        Mode::PassThrough => "pass-through",
    }
}

/// The path of a cluster's page. The names of clusters have no character that a path can't have.
pub(super) fn cluster_path(cluster: &str) -> String {
    format!("/console/clusters/{cluster}")
}

/// Commands that show the same as the page, or more.
pub(super) fn commands(lines: &[String]) -> Markup {
    html! {
        section.commands aria-labelledby="commands" {
            h2 #commands { "On the command line" }
            p.quiet { "These commands show the same:" }
            (text_box(&lines.join("\n"), "Commands"))
        }
    }
}

/// Text of a fixed width, which scrolls in its box where it is too wide.
pub(super) fn text_box(text: &str, label: &str) -> Markup {
    html! { pre tabindex="0" role="region" aria-label=(label) { code { (text) } } }
}

/// A JSON value as text.
pub(super) fn json_box(value: &serde_json::Value, label: &str) -> Markup {
    text_box(&format!("{value:#}"), label)
}

/// A row of a list of facts.
pub(super) fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// A value, or what is shown in its place where there is none.
pub(super) fn or_quiet(value: Option<Markup>, none: &str) -> Markup {
    value.unwrap_or_else(|| html! { span.quiet { (none) } })
}

/// What is shown where a list has no items.
pub(super) fn nothing(text: &str) -> Markup {
    html! { p.nothing { (text) } }
}

/// A number with a noun in the right form.
pub(super) fn counted(count: usize, one: &str, several: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {several}"),
    }
}

/// A query string with these parameters, without those that have no value.
pub(super) fn query(path: &str, parameters: &[(&str, &str)]) -> String {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    let mut text = form_urlencoded::Serializer::new(String::new());
    let text = text.extend_pairs(given).finish();
    if text.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{text}")
    }
}
