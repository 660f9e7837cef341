//! How much of an area of resources a set of policies grants.

use crate::beyond::overlap_at_colons;
use crate::comparison::holds;
use crate::context::Context;
use crate::document::Document;
use crate::evaluate::{doubts, matches_action};
use crate::kind::Kind;
use crate::pattern::Pattern;
use crate::reading;
use crate::statement::{Effect, Scope};
use crate::truth::Truth;
use crate::variable::Resolved;
use crate::version::Version;

/// How much of an area of resources is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coverage {
    /// Certainly nothing.
    Nothing,
    /// Some of the area, or the answer depends on keys that are not known or is in doubt.
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
    let identity = || {
        identity
            .iter()
            .filter(|document| document.kind() != Kind::Trust)
    };
    let granted = identity().map(|document| asked.covered(document, Effect::Allow));
    let granted = granted.max().unwrap_or(Coverage::Nothing);
    // A trust policy as a boundary allows nothing, as in `evaluate`.
    let boundary = boundary.map(|one| Some(one).filter(|one| one.kind() != Kind::Trust));
    let within = boundary.map_or(Coverage::All, |one| {
        one.map_or(Coverage::Nothing, |one| asked.covered(one, Effect::Allow))
    });
    let all = identity().copied().chain(boundary.flatten());
    let denied = all.map(|document| asked.covered(document, Effect::Deny));
    let granted = granted.min(within);
    match denied.max().unwrap_or(Coverage::Nothing) {
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
    /// How much of the area the statements of this effect match.
    fn covered(&self, document: &Document, effect: Effect) -> Coverage {
        let indices = 0..document.statements().len();
        let of_effect = indices.filter(|index| document.may_have_effect(*index, effect));
        let covered = of_effect.map(|index| self.covered_by(document, index));
        covered.max().unwrap_or(Coverage::Nothing)
    }

    fn covered_by(&self, document: &Document, index: usize) -> Coverage {
        let statement = &document.statements()[index];
        let action = matches_action(&statement.actions, self.action);
        if action == Truth::False {
            return Coverage::Nothing;
        }
        let conditions = statement.conditions.iter();
        let conditions =
            conditions.map(|condition| holds(document.version(), condition, self.context));
        let doubts = doubts(document.unclear(index));
        let applies = match Truth::all(conditions.chain([action]).chain(doubts)) {
            Truth::True => Coverage::All,
            Truth::False => Coverage::Nothing,
            Truth::Unknown(_) => Coverage::Part,
        };
        applies.min(self.resources(document.version(), statement.resources.as_ref()))
    }

    fn resources(&self, version: Version, scope: Option<&Scope>) -> Coverage {
        let Some(scope) = scope else {
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
        let read = reading::resource(version, text);
        let template = read.template.filter(|_| read.doubt.is_none());
        match template.map(|template| template.to_pattern(self.context)) {
            Some(Resolved::Value(pattern)) if pattern.contains(&self.area) => Coverage::All,
            Some(Resolved::Value(pattern)) if overlap_at_colons(&pattern, &self.area) => {
                Coverage::Part
            }
            // The variable may have any value or none, and a text in doubt may match nothing.
            Some(Resolved::Unknown(_)) | None if read.widest.overlaps(&self.area) => Coverage::Part,
            _ => Coverage::Nothing,
        }
    }
}
