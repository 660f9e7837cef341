//! What the texts of `Action`, `NotAction`, `Resource` and `NotResource` mean, also where a text is
//! not of the policy language.
//!
//! AWS accepted every text that it returns, so each means something. A text that this crate does not
//! understand is read as every pattern that it may mean, and is in doubt for what those match.

use crate::arn;
use crate::doubt::Doubt;
use crate::pattern::Pattern;
use crate::validate;
use crate::variable::Template;
use crate::version::Version;

/// The text of an action.
pub(crate) struct ActionText {
    /// The patterns that the text means, in lower case; a text that is understood means one.
    pub(crate) patterns: Vec<Pattern>,
    /// Why the text may match nothing; `None` if it is understood.
    pub(crate) doubt: Option<Doubt>,
}

/// Reads the text of an action.
///
/// White space and commas may count, may be ignored, or may separate actions; any other character
/// that an action can't have may stand for anything.
pub(crate) fn action(text: &str) -> ActionText {
    let pattern = |text: &str| Pattern::new(text).ignoring_ascii_case();
    let Err(reason) = validate::check_action_text(text) else {
        return ActionText {
            patterns: vec![pattern(text)],
            doubt: None,
        };
    };
    let text = &with_open_variables(text);
    let separates = |character: char| character.is_whitespace() || character == ',';
    let joined: String = text.chars().filter(|one| !separates(*one)).collect();
    let pieces = text.split(separates).chain([joined.as_str()]);
    let mut patterns: Vec<Pattern> = pieces
        .filter_map(possible)
        .map(|one| pattern(&one))
        .collect();
    patterns.sort();
    patterns.dedup();
    if patterns.is_empty() {
        patterns.push(pattern("*"));
    }
    ActionText {
        patterns,
        doubt: Some(Doubt::new("Action", reason)),
    }
}

/// Returns the text with a `*` for each policy variable, which an action can't have.
fn with_open_variables(text: &str) -> String {
    let mut rest = text;
    let mut open = String::new();
    while let Some((before, variable)) = rest.split_once("${") {
        open.push_str(before);
        open.push('*');
        rest = variable.split_once('}').map_or("", |(_, after)| after);
    }
    open + rest
}

/// Returns a pattern of the actions that a piece of a text may mean; `None` if it means none.
fn possible(piece: &str) -> Option<String> {
    if piece != "*" && !piece.contains(':') {
        return None;
    }
    let (service, name) = piece.split_once(':').unwrap_or(("*", "*"));
    let known = |character: char| character.is_ascii_alphanumeric() || "*?-_.".contains(character);
    let open = |text: &str| -> String {
        let character = |one| if known(one) { one } else { '*' };
        text.chars().map(character).collect()
    };
    Some(format!("{}:{}", open(service), open(name)))
}

/// The text of a resource.
pub(crate) struct ResourceText {
    /// The text, split at its variables; `None` if a variable has no valid form.
    pub(crate) template: Option<Template>,
    /// A pattern that matches everything that the text can match.
    pub(crate) widest: Pattern,
    /// Why the text may match nothing; `None` if it is understood.
    pub(crate) doubt: Option<Doubt>,
}

impl ResourceText {
    /// Returns the pattern if the text means the same for every request.
    pub(crate) fn constant(&self) -> Option<Pattern> {
        let template = self.template.as_ref().filter(|_| self.doubt.is_none());
        template.and_then(Template::constant_pattern)
    }
}

/// Reads the text of a resource, of which an incomplete ARN is already completed.
pub(crate) fn resource(version: Version, text: &str) -> ResourceText {
    let doubt = |reason: String| Some(Doubt::new("Resource", reason));
    let template = match Template::parse(version, text) {
        Ok(template) => template,
        Err(reason) => {
            return ResourceText {
                template: None,
                widest: Pattern::new("*"),
                doubt: doubt(format!("{text:?}: {reason}")),
            };
        }
    };
    let Err((_, reason)) = arn::check_resource(text) else {
        return ResourceText {
            widest: template.widest_pattern(),
            template: Some(template),
            doubt: None,
        };
    };
    let pieces = arn::split(text);
    let widest = match pieces.as_slice() {
        ["arn", _, _, _, _, _] => template.widest_pattern(),
        // The last field of an incomplete ARN, which is empty, may be missing.
        ["arn", ..] => Pattern::new(&format!("{text}*")),
        _ => Pattern::new("*"),
    };
    ResourceText {
        template: Some(template),
        widest,
        doubt: doubt(reason),
    }
}
