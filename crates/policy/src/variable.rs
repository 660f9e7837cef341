//! Policy variables: `${key}`, `${key, 'default'}` and the escapes `${*}`, `${?}`, `${$}`.
//!
//! "IAM policy elements: Variables and tags", IAM User Guide. Version 2008-10-17 of the language
//! has no variables and no escapes.

use crate::context::{Context, Lookup};
use crate::doubt::Doubt;
use crate::pattern::Pattern;
use crate::truth::Unknown;
use crate::version::Version;

/// A text of a policy, split at its variables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Text(String),
    Escape(char),
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// The result of filling a template from the context of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolved<T> {
    Value(T),
    /// A variable has no value, so the template matches nothing.
    Unresolved,
    /// The value is not known.
    Unknown(Unknown),
}

/// What is wrong with a variable.
pub(crate) type VariableError = &'static str;

impl Template {
    pub(crate) fn parse(version: Version, text: &str) -> Result<Template, VariableError> {
        if version == Version::V2008 {
            return Ok(Template {
                parts: vec![Part::Text(text.to_owned())],
            });
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if start > 0 {
                parts.push(Part::Text(rest[..start].to_owned()));
            }
            let (part, after) = parse_variable(&rest[start + 2..])?;
            parts.push(part);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Template { parts })
    }

    pub(crate) fn has_variables(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Variable { .. }))
    }

    /// Returns the pattern; `None` if it is not the same for every request.
    pub(crate) fn constant_pattern(&self) -> Option<Pattern> {
        match self.to_pattern(&Context::new()) {
            Resolved::Value(pattern) if !self.has_variables() => Some(pattern),
            _ => None,
        }
    }

    /// Returns a pattern that matches everything that the template can match: a variable becomes a
    /// `*`.
    pub(crate) fn widest_pattern(&self) -> Pattern {
        let mut whole = Pattern::default();
        for part in &self.parts {
            match part {
                Part::Text(text) => whole.push_pattern(text),
                Part::Escape(character) => whole.push_literal(character.encode_utf8(&mut [0; 4])),
                Part::Variable { .. } => whole.push_pattern("*"),
            }
        }
        whole
    }

    /// Returns the template as a pattern: `*` and `?` are wildcards in the text of the policy, and
    /// literal in the value of a variable.
    pub(crate) fn to_pattern(&self, context: &Context) -> Resolved<Pattern> {
        self.resolve(context, |pattern: &mut Pattern, text, from_policy| {
            if from_policy {
                pattern.push_pattern(text);
            } else {
                pattern.push_literal(text);
            }
        })
    }

    /// Returns the template as plain text, for operators without wildcards.
    pub(crate) fn to_text(&self, context: &Context) -> Resolved<String> {
        self.resolve(context, |whole: &mut String, text, _| whole.push_str(text))
    }

    fn resolve<T: Default>(
        &self,
        context: &Context,
        mut push: impl FnMut(&mut T, &str, bool),
    ) -> Resolved<T> {
        let mut whole = T::default();
        let mut unresolved = false;
        let mut unknown = Unknown::default();
        for part in &self.parts {
            match part {
                Part::Text(text) => push(&mut whole, text, true),
                Part::Escape(character) => {
                    push(&mut whole, character.encode_utf8(&mut [0; 4]), false);
                }
                Part::Variable { key, default } => match (context.lookup(key), default) {
                    (Lookup::Present([value]), _) => push(&mut whole, value, false),
                    (Lookup::Absent, Some(default)) => push(&mut whole, default, false),
                    (Lookup::Absent, None) => unresolved = true,
                    (Lookup::Present(_), _) => {
                        let reason = "the key has several values, so it can't be a variable";
                        unknown.extend(Doubt::new(format!("${{{key}}}"), reason).into());
                    }
                    (Lookup::Unknown, _) => {
                        unknown.missing.insert(key.clone());
                    }
                },
            }
        }
        if unresolved {
            Resolved::Unresolved
        } else if unknown.is_empty() {
            Resolved::Value(whole)
        } else {
            Resolved::Unknown(unknown)
        }
    }

    /// Returns one spelling for all templates of the same meaning, in version 2012-10-17.
    ///
    /// `wildcards` says whether `*` and `?` are wildcards, as in resources, or literal.
    pub(crate) fn to_canonical_text(&self, wildcards: bool) -> String {
        let mut text = String::new();
        let mut run = Pattern::default();
        let flush = |run: &mut Pattern, text: &mut String| {
            let run = std::mem::take(run).normalised();
            let piece = run.to_policy_text();
            if wildcards {
                text.push_str(&piece);
            } else {
                text.push_str(&piece.replace("${*}", "*").replace("${?}", "?"));
            }
        };
        for part in &self.parts {
            match part {
                Part::Text(piece) if wildcards => run.push_pattern(piece),
                Part::Text(piece) => run.push_literal(piece),
                Part::Escape(character) => run.push_literal(character.encode_utf8(&mut [0; 4])),
                Part::Variable { key, default } => {
                    flush(&mut run, &mut text);
                    text.push_str("${");
                    text.push_str(&key.to_lowercase());
                    if let Some(default) = default {
                        text.push_str(", '");
                        text.push_str(default);
                        text.push('\'');
                    }
                    text.push('}');
                }
            }
        }
        flush(&mut run, &mut text);
        text
    }
}

/// Parses the text that follows `${`.
fn parse_variable(text: &str) -> Result<(Part, &str), VariableError> {
    for escape in ['*', '?', '$'] {
        if let Some(after) = text
            .strip_prefix(escape)
            .and_then(|rest| rest.strip_prefix('}'))
        {
            return Ok((Part::Escape(escape), after));
        }
    }
    let end = text
        .find([',', '}'])
        .ok_or("a policy variable is not closed with `}`")?;
    let key = &text[..end];
    if key.is_empty() {
        return Err("a policy variable has no name");
    }
    if key.contains(|character: char| {
        character.is_control() || matches!(character, '$' | '{' | '*' | '?' | '\'' | '"')
    }) || key.trim() != key
    {
        return Err("the name of a policy variable has a character that it can't have");
    }
    let rest = &text[end..];
    if let Some(after) = rest.strip_prefix('}') {
        return Ok((
            Part::Variable {
                key: key.to_owned(),
                default: None,
            },
            after,
        ));
    }
    let default = rest
        .strip_prefix(',')
        .map(str::trim_start)
        .and_then(|rest| rest.strip_prefix('\''))
        .ok_or("the default of a policy variable is not in single quotes")?;
    let (default, after) = default
        .split_once('\'')
        .ok_or("the default of a policy variable is not in single quotes")?;
    let after = after
        .trim_start()
        .strip_prefix('}')
        .ok_or("a policy variable is not closed with `}`")?;
    Ok((
        Part::Variable {
            key: key.to_owned(),
            default: Some(default.to_owned()),
        },
        after,
    ))
}
