//! What a set of policies grants together: which grants exceed given limits and how certain that
//! is, and how much of an area of resources is granted.

use serde::Serialize;

use crate::comparison::holds;
use crate::context::Context;
use crate::document::Document;
use crate::evaluate::{Source, StatementRef, matches_action};
use crate::grants::{Excess, Grant, action, excesses, texts};
use crate::kind::Kind;
use crate::pattern::Pattern;
use crate::statement::{Effect, Scope, Statement};
use crate::truth::Truth;
use crate::variable::{Resolved, Template};
use crate::version::Version;

/// Whether a grant is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The grant depends on conditions, or a boundary or a Deny removes part of it.
    Perhaps,
    /// No condition, boundary or Deny narrows the grant.
    Surely,
}

/// A grant, actions on resources, that exceeds the limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Beyond {
    /// The statement that grants it.
    pub by: StatementRef,
    /// The actions, as the statement writes them; `*` for a `NotAction`.
    pub action: String,
    /// The resources, as the statement writes them; `*` for a `NotResource`.
    pub resource: String,
    /// Whether conditions, a boundary or a Deny may narrow the grant.
    pub certainty: Certainty,
}

impl Beyond {
    /// Whether this grant may include some action and some resource that match the patterns in
    /// `grant`. `grant.resource` is the pattern of an ARN in which no wildcard matches a colon.
    pub fn touches(&self, grant: &Grant) -> bool {
        let (own, theirs) = (Pattern::new(&self.resource), Pattern::new(&grant.resource));
        // The value of a variable could be anything.
        let variable = self.resource.contains("${");
        action(&self.action).overlaps(&action(&grant.action))
            && (variable || overlap_at_colons(&own, &theirs))
    }
}

/// Whether some ARN with as many colons as `arn` matches both patterns. If both patterns have the
/// same number of colons, no wildcard can match a colon, so the patterns are compared piece by
/// piece.
fn overlap_at_colons(pattern: &Pattern, arn: &Pattern) -> bool {
    let pieces = |pattern: &Pattern| pattern.split_at_colons(usize::MAX);
    let (own, theirs) = (pieces(pattern), pieces(arn));
    if own.len() != theirs.len() {
        return pattern.overlaps(arn);
    }
    own.iter()
        .zip(&theirs)
        .all(|(own, other)| own.overlaps(other))
}

/// Returns what the identity policies grant, under the boundary if one is given, and no limit
/// contains. A grant that the boundary or an unconditional Deny removes completely is left out; a
/// grant that they remove in part is reported as [`Certainty::Perhaps`].
pub fn grants_beyond(
    identity: &[&Document],
    boundary: Option<&Document>,
    limits: &[Grant],
) -> Vec<Beyond> {
    let all = || identity.iter().copied().chain(boundary);
    let mut found = Vec::new();
    for (index, document) in identity.iter().enumerate() {
        if document.kind() == Kind::Trust {
            continue;
        }
        for excess in excesses(document, limits) {
            let pair = Pair::of(document.version(), &excess.action, &excess.resource);
            let statement = &document.statements()[excess.statement];
            let granted = certainty_of(pair.as_narrow(), statement);
            let within = boundary.map_or(Reach::Whole, |boundary| reach(boundary, &pair));
            let denied = all().map(|document| denial(document, &pair)).max();
            let certainty = match (within, denied.unwrap_or(Reach::None)) {
                (Reach::None, _) | (_, Reach::Whole) => continue,
                (Reach::Whole, Reach::None) => granted,
                (Reach::Part, _) | (_, Reach::Part) => Certainty::Perhaps,
            };
            found.push(beyond(index, statement, excess, certainty));
        }
    }
    found
}

fn beyond(index: usize, statement: &Statement, excess: Excess, certainty: Certainty) -> Beyond {
    Beyond {
        by: StatementRef {
            source: Source::Identity,
            document: index,
            statement: excess.statement,
            sid: statement.sid.clone().filter(|sid| !sid.is_empty()),
        },
        action: excess.action,
        resource: excess.resource,
        certainty,
    }
}

fn certainty_of(narrow: bool, statement: &Statement) -> Certainty {
    let excepts = matches!(statement.actions, Scope::Except(_))
        || matches!(statement.resources, Some(Scope::Except(_)));
    if statement.conditions.is_empty() && narrow && !excepts {
        Certainty::Surely
    } else {
        Certainty::Perhaps
    }
}

/// How much of a pair of actions and resources the statements of a document match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    None,
    Part,
    Whole,
}

/// A pair of actions and resources, as patterns.
struct Pair {
    action: Pattern,
    /// A pattern that contains every resource that the text can mean.
    widest: Pattern,
    /// The exact pattern; `None` if a policy variable makes it uncertain.
    constant: Option<Pattern>,
}

impl Pair {
    fn of(version: Version, text: &str, resource: &str) -> Self {
        let template = Template::parse(version, resource).ok();
        let constant = template.as_ref().and_then(Template::constant_pattern);
        let widest = template.map_or_else(|| Pattern::new("*"), |found| found.widest_pattern());
        Self {
            action: action(text),
            widest,
            constant,
        }
    }

    fn as_narrow(&self) -> bool {
        self.constant.is_some()
    }
}

/// How much of the pair the document allows.
fn reach(document: &Document, pair: &Pair) -> Reach {
    document_reach(document, Effect::Allow, pair)
}

/// How much of the pair the document denies.
fn denial(document: &Document, pair: &Pair) -> Reach {
    document_reach(document, Effect::Deny, pair)
}

fn document_reach(document: &Document, effect: Effect, pair: &Pair) -> Reach {
    let statements = document.statements().iter();
    let of_effect = statements.filter(|statement| statement.effect == effect);
    of_effect
        .map(|statement| statement_reach(document.version(), statement, pair))
        .max()
        .unwrap_or(Reach::None)
}

fn statement_reach(version: Version, statement: &Statement, pair: &Pair) -> Reach {
    let excepts = matches!(statement.actions, Scope::Except(_))
        || matches!(statement.resources, Some(Scope::Except(_)));
    let unconditional = statement.conditions.is_empty() && !excepts;
    let mut found = Reach::None;
    for text in texts(Some(&statement.actions)) {
        let actions = action(text);
        for resource in texts(statement.resources.as_ref()) {
            let other = Pair::of(version, text, resource);
            if !actions.overlaps(&pair.action) || !other.widest.overlaps(&pair.widest) {
                continue;
            }
            let whole = unconditional
                && actions.contains(&pair.action)
                && other
                    .constant
                    .is_some_and(|resources| resources.contains(&pair.widest));
            found = found.max(if whole { Reach::Whole } else { Reach::Part });
        }
    }
    found
}

/// How much of an area of resources is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coverage {
    /// Certainly nothing.
    Nothing,
    /// Some of the area, or the answer depends on keys that are not known.
    Part,
    /// Certainly all of it.
    All,
}

/// Returns how much of `area` is granted for one action. `area` is a pattern without policy
/// variables; every resource that it matches is in the area, and all have the same context. If only
/// several statements together grant or deny the whole area, the answer is [`Coverage::Part`].
pub fn coverage(
    action: &str,
    area: &str,
    context: &Context,
    identity: &[&Document],
    boundary: Option<&Document>,
) -> Coverage {
    let asked = Asked {
        action,
        area: Pattern::new(area),
        context,
    };
    let of = |document: &Document, effect| {
        let statements = document.statements().iter();
        let found = statements
            .filter(|statement| statement.effect == effect)
            .map(|statement| asked.covered_by(document.version(), statement));
        found.max().unwrap_or(Coverage::Nothing)
    };
    let identity = || {
        identity
            .iter()
            .filter(|document| document.kind() != Kind::Trust)
    };
    let granted = identity().map(|document| of(document, Effect::Allow)).max();
    let within = boundary.map_or(Coverage::All, |boundary| of(boundary, Effect::Allow));
    let all = identity().copied().chain(boundary);
    let denied = all.map(|document| of(document, Effect::Deny)).max();
    let granted = granted.unwrap_or(Coverage::Nothing).min(within);
    match denied.unwrap_or(Coverage::Nothing) {
        Coverage::All => Coverage::Nothing,
        Coverage::Part => granted.min(Coverage::Part),
        Coverage::Nothing => granted,
    }
}

struct Asked<'a> {
    action: &'a str,
    area: Pattern,
    context: &'a Context,
}

impl Asked<'_> {
    fn covered_by(&self, version: Version, statement: &Statement) -> Coverage {
        if !matches_action(&statement.actions, self.action) {
            return Coverage::Nothing;
        }
        let conditions = statement.conditions.iter();
        let conditions = conditions.map(|condition| holds(version, condition, self.context));
        let conditions = match Truth::all(conditions) {
            Truth::True => Coverage::All,
            Truth::False => Coverage::Nothing,
            Truth::Unknown(_) => Coverage::Part,
        };
        conditions.min(self.resources(version, statement))
    }

    fn resources(&self, version: Version, statement: &Statement) -> Coverage {
        let Some(scope) = &statement.resources else {
            return Coverage::All;
        };
        let listed = scope
            .patterns()
            .iter()
            .map(|text| self.matched(version, text));
        let listed = listed.max().unwrap_or(Coverage::Nothing);
        match (scope, listed) {
            (Scope::Only(_), listed) => listed,
            (Scope::Except(_), Coverage::All) => Coverage::Nothing,
            (Scope::Except(_), Coverage::Part) => Coverage::Part,
            (Scope::Except(_), Coverage::Nothing) => Coverage::All,
        }
    }

    /// How much of the area the resource text of a policy matches.
    fn matched(&self, version: Version, text: &str) -> Coverage {
        let Ok(template) = Template::parse(version, text) else {
            return Coverage::Part;
        };
        match template.to_pattern(self.context) {
            Resolved::Value(pattern) if pattern.contains(&self.area) => Coverage::All,
            Resolved::Value(pattern) if !overlap_at_colons(&pattern, &self.area) => {
                Coverage::Nothing
            }
            Resolved::Value(_) => Coverage::Part,
            // The variable may have any value or none, so the answer stays open.
            Resolved::Unknown(_) | Resolved::Unresolved => {
                if template.widest_pattern().overlaps(&self.area) {
                    Coverage::Part
                } else {
                    Coverage::Nothing
                }
            }
        }
    }
}
