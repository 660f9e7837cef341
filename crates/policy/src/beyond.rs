//! What a set of policies grants together beyond given limits, and how certain that is.
//!
//! Each text of an action or a resource is read once and compared with the statements that it may
//! meet, which an index finds; a pair of both is then decided from what was found for each. The work
//! therefore grows with the number of grants and of statements that meet, and not with the product
//! of all grants and all statements.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde::Serialize;

use crate::document::Document;
use crate::evaluate::{Source, StatementRef};
use crate::grants::{Grant, Limits, texts};
use crate::index::{Hit, Index};
use crate::kind::Kind;
use crate::pattern::Pattern;
use crate::reading;
use crate::statement::{Effect, Scope};
use crate::version::Version;
use crate::work::{Budget, MOST_STEPS, STEPS_PER_GRANT, STEPS_PER_LOOKUP, TooLarge};

/// Whether a grant is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The grant depends on conditions, a boundary or a Deny removes part of it, or it is in doubt
    /// whether the statement grants it.
    Perhaps,
    /// No condition, boundary or Deny narrows the grant.
    Surely,
}

/// A grant, actions on resources, that exceeds the limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
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
        let asked = Pattern::new(&grant.action).ignoring_ascii_case();
        let own = reading::action(&self.action);
        if !own.patterns.iter().any(|own| own.overlaps(&asked)) {
            return false;
        }
        // The value of a variable could be anything.
        if self.resource.contains("${") {
            return true;
        }
        let own = reading::resource(Version::V2012, &self.resource);
        overlap_at_colons(&own.widest, &Pattern::new(&grant.resource))
    }
}

/// Whether some ARN with as many colons as `arn` matches both patterns. If both patterns have the
/// same number of colons, no wildcard can match a colon, so the patterns are compared piece by
/// piece.
pub(crate) fn overlap_at_colons(pattern: &Pattern, arn: &Pattern) -> bool {
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
/// grant that they remove in part is reported as [`Certainty::Perhaps`]. What is in doubt counts as
/// granted: a statement that may allow is reported, a boundary that may allow removes nothing, and a
/// Deny that may not apply removes nothing. Trust policies are ignored.
///
/// # Errors
/// Returns an error if the answer would take more than 200,000,000 steps. A caller reads that as
/// indeterminate.
pub fn grants_beyond(
    identity: &[&Document],
    boundary: Option<&Document>,
    limits: &[Grant],
) -> Result<Vec<Beyond>, TooLarge> {
    let mut budget = Budget::new(MOST_STEPS);
    found_within(identity, boundary, limits, &mut budget)
}

/// The same as [`grants_beyond`] with another budget.
pub(crate) fn found_within(
    identity: &[&Document],
    boundary: Option<&Document>,
    limits: &[Grant],
    budget: &mut Budget,
) -> Result<Vec<Beyond>, TooLarge> {
    let is_of_role = |document: &&Document| document.kind() != Kind::Trust;
    let documents = || identity.iter().copied().chain(boundary).filter(is_of_role);
    let mut narrowing = Narrowing {
        limits: Limits::new(limits),
        boundary: boundary
            .map(|one| Side::of(Some(one).into_iter().filter(is_of_role), Effect::Allow)),
        denied: Side::of(documents(), Effect::Deny),
        actions: HashMap::new(),
        resources: HashMap::new(),
    };
    let mut found = Vec::new();
    for (index, document) in identity.iter().enumerate() {
        if document.kind() == Kind::Trust {
            continue;
        }
        for (place, statement) in document.statements().iter().enumerate() {
            if !document.may_have_effect(place, Effect::Allow) {
                continue;
            }
            let is_plain = is_plain(document, place);
            let resources = texts(statement.resources.as_ref())
                .into_iter()
                .map(|text| Ok((text, narrowing.resource(document.version(), text, budget)?)))
                .collect::<Result<Vec<_>, TooLarge>>()?;
            for action in texts(Some(&statement.actions)) {
                let actions = narrowing.action(action, budget)?;
                for (resource, resources) in &resources {
                    budget.spend(STEPS_PER_LOOKUP)?;
                    if resources
                        .limits
                        .iter()
                        .any(|limit| actions.limits.contains(limit))
                    {
                        continue;
                    }
                    let Some(narrowed) = narrowing.certainty(&actions, resources, budget)? else {
                        continue;
                    };
                    budget.spend(STEPS_PER_GRANT)?;
                    let is_certain = is_plain && actions.is_exact && resources.is_exact;
                    found.push(Beyond {
                        by: StatementRef {
                            source: Source::Identity,
                            document: index,
                            statement: place,
                            sid: statement.sid.clone().filter(|sid| !sid.is_empty()),
                        },
                        action: action.to_owned(),
                        resource: (*resource).to_owned(),
                        certainty: if is_certain {
                            narrowed
                        } else {
                            Certainty::Perhaps
                        },
                    });
                }
            }
        }
    }
    Ok(found)
}

/// Whether the statement applies to everything that its lists name: it has no conditions, no
/// `NotAction` or `NotResource`, and was understood.
fn is_plain(document: &Document, index: usize) -> bool {
    let statement = &document.statements()[index];
    let is_list = |scope: &Scope| matches!(scope, Scope::Only(_));
    let unclear = document.unclear(index);
    statement.conditions.is_empty()
        && is_list(&statement.actions)
        && statement.resources.as_ref().is_none_or(is_list)
        && unclear.is_none_or(|unclear| unclear.parts.is_empty())
}

/// The statements of one effect, with indices over their patterns.
struct Side {
    /// Whether each statement applies to everything that its lists name.
    is_plain: Vec<bool>,
    actions: Index,
    resources: Index,
}

impl Side {
    fn of<'a>(documents: impl Iterator<Item = &'a Document>, effect: Effect) -> Side {
        let mut side = Side {
            is_plain: Vec::new(),
            actions: Index::default(),
            resources: Index::default(),
        };
        for document in documents {
            for (place, statement) in document.statements().iter().enumerate() {
                if !document.may_have_effect(place, effect) {
                    continue;
                }
                let own = side.is_plain.len();
                side.is_plain.push(is_plain(document, place));
                for text in texts(Some(&statement.actions)) {
                    let read = reading::action(text);
                    for pattern in read.patterns {
                        side.actions.insert(own, pattern, read.doubt.is_none());
                    }
                }
                for text in texts(statement.resources.as_ref()) {
                    let read = reading::resource(document.version(), text);
                    let is_certain = read.constant().is_some();
                    side.resources.insert(own, read.widest, is_certain);
                }
            }
        }
        side
    }

    /// How much of the grants of these actions on these resources the statements match.
    fn reach(
        &self,
        actions: &[Hit],
        resources: &[Hit],
        budget: &mut Budget,
    ) -> Result<Reach, TooLarge> {
        let (few, many) = if actions.len() < resources.len() {
            (actions, resources)
        } else {
            (resources, actions)
        };
        let mut reach = Reach::None;
        for hit in few {
            budget.spend(STEPS_PER_LOOKUP)?;
            let Ok(at) = many.binary_search_by_key(&hit.statement, |other| other.statement) else {
                continue;
            };
            if hit.whole && many[at].whole && self.is_plain[hit.statement] {
                return Ok(Reach::Whole);
            }
            reach = Reach::Part;
        }
        Ok(reach)
    }
}

/// How much of a grant the statements of a side match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    None,
    Part,
    Whole,
}

/// What can narrow a grant, and what was already found about the texts of actions and resources.
struct Narrowing<'a> {
    limits: Limits,
    boundary: Option<Side>,
    denied: Side,
    actions: HashMap<&'a str, Rc<Seen>>,
    resources: HashMap<(Version, &'a str), Rc<Seen>>,
}

/// What a text of an action or of a resource meets.
struct Seen {
    /// Whether the text means exactly one pattern.
    is_exact: bool,
    /// The limits that contain everything that the text may mean.
    limits: Vec<usize>,
    boundary: Vec<Hit>,
    denied: Vec<Hit>,
}

impl<'a> Narrowing<'a> {
    fn action(&mut self, text: &'a str, budget: &mut Budget) -> Result<Rc<Seen>, TooLarge> {
        if let Some(seen) = self.actions.get(text) {
            return Ok(Rc::clone(seen));
        }
        let read = reading::action(text);
        let find = |side: &Side, budget: &mut Budget| {
            let each = read
                .patterns
                .iter()
                .map(|one| side.actions.find(one, budget));
            Ok(of_all(each.collect::<Result<_, TooLarge>>()?))
        };
        let seen = Rc::new(Seen {
            is_exact: read.doubt.is_none(),
            limits: self.limits.of_actions(&read.patterns, budget)?,
            boundary: self
                .boundary
                .as_ref()
                .map_or(Ok(Vec::new()), |side| find(side, budget))?,
            denied: find(&self.denied, budget)?,
        });
        self.actions.insert(text, Rc::clone(&seen));
        Ok(seen)
    }

    fn resource(
        &mut self,
        version: Version,
        text: &'a str,
        budget: &mut Budget,
    ) -> Result<Rc<Seen>, TooLarge> {
        if let Some(seen) = self.resources.get(&(version, text)) {
            return Ok(Rc::clone(seen));
        }
        let read = reading::resource(version, text);
        let find = |side: &Side, budget: &mut Budget| side.resources.find(&read.widest, budget);
        let seen = Rc::new(Seen {
            is_exact: read.constant().is_some(),
            limits: self.limits.of_resources(&read, budget)?,
            boundary: self
                .boundary
                .as_ref()
                .map_or(Ok(Vec::new()), |side| find(side, budget))?,
            denied: find(&self.denied, budget)?,
        });
        self.resources.insert((version, text), Rc::clone(&seen));
        Ok(seen)
    }

    /// Returns how certain a grant is under the boundary and the Deny statements; `None` if they
    /// remove it completely.
    fn certainty(
        &self,
        actions: &Seen,
        resources: &Seen,
        budget: &mut Budget,
    ) -> Result<Option<Certainty>, TooLarge> {
        let within = match &self.boundary {
            Some(side) => side.reach(&actions.boundary, &resources.boundary, budget)?,
            None => Reach::Whole,
        };
        if within == Reach::None {
            return Ok(None);
        }
        let denied = self
            .denied
            .reach(&actions.denied, &resources.denied, budget)?;
        Ok(match (within, denied) {
            (_, Reach::Whole) => None,
            (Reach::Whole, Reach::None) => Some(Certainty::Surely),
            _ => Some(Certainty::Perhaps),
        })
    }
}

/// Returns the statements that one of several patterns meets; a statement matches the whole if it
/// matches the whole of each pattern.
fn of_all(mut each: Vec<Vec<Hit>>) -> Vec<Hit> {
    if each.len() == 1 {
        return each.remove(0);
    }
    let mut whole: BTreeMap<usize, usize> = BTreeMap::new();
    for hit in each.iter().flatten() {
        *whole.entry(hit.statement).or_default() += usize::from(hit.whole);
    }
    let hits = whole.into_iter();
    hits.map(|(statement, count)| Hit {
        statement,
        whole: count == each.len(),
    })
    .collect()
}

#[cfg(test)]
mod tests;
