//! Finds which of many patterns overlap or contain a pattern, without comparing it with each.

use std::collections::{BTreeMap, HashMap};

use crate::pattern::{Pattern, Token};
use crate::work::{Budget, STEPS_PER_LOOKUP, TooLarge};

/// The patterns of many statements, by the text before their first wildcard.
#[derive(Default)]
pub(crate) struct Index {
    by_prefix: BTreeMap<Vec<char>, Vec<usize>>,
    positions: HashMap<Pattern, usize>,
    entries: Vec<Entry>,
}

struct Entry {
    pattern: Pattern,
    owners: Vec<Owner>,
}

/// A statement that has a pattern.
#[derive(Clone, Copy)]
struct Owner {
    statement: usize,
    /// Whether the statement certainly matches what the pattern matches.
    certain: bool,
}

/// A statement of which a pattern matches some, or certainly all, of what another pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    pub(crate) statement: usize,
    pub(crate) whole: bool,
}

impl Index {
    pub(crate) fn insert(&mut self, statement: usize, pattern: Pattern, certain: bool) {
        let next = self.entries.len();
        let at = *self.positions.entry(pattern.clone()).or_insert(next);
        if at == next {
            let (prefix, _) = literal_prefix(&pattern);
            self.by_prefix.entry(prefix).or_default().push(at);
            self.entries.push(Entry {
                pattern,
                owners: Vec::new(),
            });
        }
        self.entries[at].owners.push(Owner { statement, certain });
    }

    /// Returns the statements with a pattern that overlaps this one, in order.
    ///
    /// Two patterns can overlap only if the literal text at the start of one begins with that of the
    /// other, so only such patterns are compared.
    pub(crate) fn find(&self, asked: &Pattern, budget: &mut Budget) -> Result<Vec<Hit>, TooLarge> {
        let (prefix, is_literal) = literal_prefix(asked);
        let mut found = BTreeMap::new();
        for length in 0..=prefix.len() {
            budget.spend(STEPS_PER_LOOKUP)?;
            if let Some(entries) = self.by_prefix.get(&prefix[..length]) {
                self.compare(entries, asked, &mut found, budget)?;
            }
        }
        if !is_literal {
            let longer = self.by_prefix.range(prefix.clone()..);
            let longer = longer.take_while(|(other, _)| other.starts_with(&prefix));
            for (_, entries) in longer.filter(|(other, _)| other.len() > prefix.len()) {
                self.compare(entries, asked, &mut found, budget)?;
            }
        }
        let hits = found.into_iter();
        Ok(hits
            .map(|(statement, whole)| Hit { statement, whole })
            .collect())
    }

    fn compare(
        &self,
        entries: &[usize],
        asked: &Pattern,
        found: &mut BTreeMap<usize, bool>,
        budget: &mut Budget,
    ) -> Result<(), TooLarge> {
        for entry in entries.iter().map(|at| &self.entries[*at]) {
            if !entry.pattern.overlaps_within(asked, budget)? {
                continue;
            }
            let contains = entry.pattern.contains_within(asked, budget)?;
            budget.spend(STEPS_PER_LOOKUP * entry.owners.len())?;
            for owner in &entry.owners {
                *found.entry(owner.statement).or_default() |= contains && owner.certain;
            }
        }
        Ok(())
    }
}

/// Returns the text before the first wildcard, and whether that is the whole pattern.
fn literal_prefix(pattern: &Pattern) -> (Vec<char>, bool) {
    let literals = pattern.tokens().iter().map_while(|token| match token {
        Token::Literal(character) => Some(*character),
        Token::One | Token::Many => None,
    });
    let prefix: Vec<char> = literals.collect();
    let is_literal = prefix.len() == pattern.tokens().len();
    (prefix, is_literal)
}
