//! What policies together grant: beyond certain limits, and how surely; of a whole area, and how
//! much.

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

/// How surely something is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// It hangs on conditions, or on what a boundary or a Deny leaves of it.
    Perhaps,
    /// Nothing narrows it.
    Surely,
}

/// Actions on resources that are granted beyond the limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Beyond {
    /// The statement that grants it.
    pub by: StatementRef,
    /// The actions, as the statement writes them; `*` for a `NotAction`.
    pub action: String,
    /// The resources, as the statement writes them; `*` for a `NotResource`.
    pub resource: String,
    /// Whether conditions, a boundary or a Deny may narrow it.
    pub certainty: Certainty,
}

impl Beyond {
    /// Whether some action of this pattern on some resource of that one may be among it. The
    /// resource is the pattern of an ARN in which no wildcard stands for a colon.
    pub fn touches(&self, grant: &Grant) -> bool {
        let (own, theirs) = (Pattern::new(&self.resource), Pattern::new(&grant.resource));
        // A variable could stand for anything.
        let variable = self.resource.contains("${");
        action(&self.action).overlaps(&action(&grant.action)) && (variable || meet(&own, &theirs))
    }
}

/// Whether both patterns match one ARN that has as many colons as `arn` shows. Where both show
/// equally many, none is left for a wildcard, and they meet piece by piece.
fn meet(pattern: &Pattern, arn: &Pattern) -> bool {
    let pieces = |pattern: &Pattern| pattern.split_at_colons(usize::MAX);
    let (own, theirs) = (pieces(pattern), pieces(arn));
    if own.len() != theirs.len() {
        return pattern.overlaps(arn);
    }
    own.iter()
        .zip(&theirs)
        .all(|(own, other)| own.overlaps(other))
}

/// What the identity policies grant, under the boundary if there is one, that no limit contains.
/// What the boundary leaves nothing of, or an unconditional Deny takes away whole, is not
/// granted; what they leave some of is granted perhaps.
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

/// How much of something a document's statements take hold of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    None,
    Part,
    Whole,
}

/// Actions and resources as patterns.
struct Pair {
    action: Pattern,
    /// What the resource can be at most.
    widest: Pattern,
    /// The same, where no variable makes it uncertain.
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
    held(document, Effect::Allow, pair)
}

/// How much of the pair the document denies.
fn denial(document: &Document, pair: &Pair) -> Reach {
    held(document, Effect::Deny, pair)
}

fn held(document: &Document, effect: Effect, pair: &Pair) -> Reach {
    let statements = document.statements().iter();
    let of_effect = statements.filter(|statement| statement.effect == effect);
    of_effect
        .map(|statement| hold(document.version(), statement, pair))
        .max()
        .unwrap_or(Reach::None)
}

fn hold(version: Version, statement: &Statement, pair: &Pair) -> Reach {
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

/// How much of an area is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coverage {
    /// Nothing of it, for certain.
    Nothing,
    /// Some of it, or it hangs on keys that are not known.
    Part,
    /// All of it, for certain.
    All,
}

/// How much of an area is granted for one action: the resources that a pattern without policy
/// variables matches, all in the same context. What only several statements together grant or
/// deny whole counts as a part.
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
        let conditions =
            conditions.map(|condition| holds(version, statement.effect, condition, self.context));
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

    /// How much of the area the text of a resource matches.
    fn matched(&self, version: Version, text: &str) -> Coverage {
        let Ok(template) = Template::parse(version, text) else {
            return Coverage::Part;
        };
        match template.to_pattern(self.context) {
            Resolved::Value(pattern) if pattern.contains(&self.area) => Coverage::All,
            Resolved::Value(pattern) if !meet(&pattern, &self.area) => Coverage::Nothing,
            Resolved::Value(_) => Coverage::Part,
            // Whatever it stands for, or that it stands for nothing, is left open.
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
