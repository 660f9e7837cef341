//! Patterns with `*` (any text, also empty) and `?` (exactly one character).
//!
//! Matching and containment are exact and take at most time proportional to the product of the two
//! lengths: no pattern can cause exponential backtracking.

use std::fmt::Write as _;

use crate::work::{Budget, TooLarge};

/// One element of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Token {
    /// A literal character.
    Literal(char),
    /// `?`
    One,
    /// `*`
    Many,
}

/// A parsed pattern, which distinguishes a literal `*` from a wildcard.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    tokens: Vec<Token>,
}

impl Pattern {
    /// Parses a pattern: `*` and `?` are wildcards, everything else is literal. Policy variables
    /// are not recognised; `${` is two literal characters.
    pub fn new(text: &str) -> Pattern {
        let mut pattern = Pattern::default();
        pattern.push_pattern(text);
        pattern
    }

    /// Returns a pattern that matches exactly this text.
    pub fn literal(text: &str) -> Pattern {
        let mut pattern = Pattern::default();
        pattern.push_literal(text);
        pattern
    }

    pub(crate) fn push_pattern(&mut self, text: &str) {
        self.tokens
            .extend(text.chars().map(|character| match character {
                '*' => Token::Many,
                '?' => Token::One,
                other => Token::Literal(other),
            }));
    }

    pub(crate) fn push_literal(&mut self, text: &str) {
        self.tokens.extend(text.chars().map(Token::Literal));
    }

    pub(crate) fn ignoring_ascii_case(mut self) -> Pattern {
        for token in &mut self.tokens {
            if let Token::Literal(character) = token {
                character.make_ascii_lowercase();
            }
        }
        self
    }

    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Splits at literal colons into at most `pieces`; no wildcard is split.
    pub(crate) fn split_at_colons(&self, pieces: usize) -> Vec<Pattern> {
        self.tokens
            .splitn(pieces, |token| *token == Token::Literal(':'))
            .map(|tokens| Pattern {
                tokens: tokens.to_vec(),
            })
            .collect()
    }

    /// Whether the whole text matches this pattern; case matters.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let fits = |token: Token, character: char| match token {
            Token::Literal(own) => own == character,
            Token::One => true,
            Token::Many => false,
        };

        // The usual two-pointer algorithm: only the most recent `*` is retried, because an earlier
        // one can't match anything that the most recent one can't.
        let (mut at, mut read) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while read < text.len() {
            match self.tokens.get(at) {
                Some(Token::Many) => {
                    retry = Some((at + 1, read));
                    at += 1;
                }
                Some(token) if fits(*token, text[read]) => {
                    at += 1;
                    read += 1;
                }
                _ => {
                    let Some((after, from)) = retry else {
                        return false;
                    };
                    retry = Some((after, from + 1));
                    (at, read) = (after, from + 1);
                }
            }
        }
        self.tokens[at..].iter().all(|token| *token == Token::Many)
    }

    /// Whether this pattern matches every text that `inner` matches. The answer is exact.
    pub fn contains(&self, inner: &Pattern) -> bool {
        containment::contains(&self.normalised().tokens, &inner.tokens)
    }

    /// The same as [`Pattern::contains`], within a budget.
    pub(crate) fn contains_within(
        &self,
        inner: &Pattern,
        budget: &mut Budget,
    ) -> Result<bool, TooLarge> {
        budget.spend(self.tokens.len() + inner.tokens.len())?;
        if self.stars() > 1 {
            budget.spend(self.tokens.len().saturating_mul(inner.tokens.len()))?;
        }
        Ok(self.contains(inner))
    }

    /// Whether some text matches both patterns. The answer is exact.
    pub fn overlaps(&self, other: &Pattern) -> bool {
        let (own, theirs) = without_common_ends(&self.tokens, &other.tokens);
        Pattern::overlap_at_once(own, theirs).unwrap_or_else(|| overlap(own, theirs))
    }

    /// The same as [`Pattern::overlaps`], within a budget.
    pub(crate) fn overlaps_within(
        &self,
        other: &Pattern,
        budget: &mut Budget,
    ) -> Result<bool, TooLarge> {
        let (own, theirs) = without_common_ends(&self.tokens, &other.tokens);
        budget.spend(1 + self.tokens.len() - own.len())?;
        if let Some(overlaps) = Pattern::overlap_at_once(own, theirs) {
            return Ok(overlaps);
        }
        budget.spend(own.len().saturating_mul(theirs.len()))?;
        Ok(overlap(own, theirs))
    }

    /// Whether two rests of patterns overlap, if that can be seen from their ends.
    fn overlap_at_once(own: &[Token], theirs: &[Token]) -> Option<bool> {
        let are_literals = |one: Option<&Token>, other: Option<&Token>| {
            matches!(
                (one, other),
                (Some(Token::Literal(_)), Some(Token::Literal(_)))
            )
        };
        let only_stars = |tokens: &[Token]| tokens.iter().all(|token| *token == Token::Many);
        match (own, theirs) {
            ([], rest) | (rest, []) => Some(only_stars(rest)),
            // The ends are different literals, because equal ones were removed.
            _ if are_literals(own.first(), theirs.first()) => Some(false),
            _ if are_literals(own.last(), theirs.last()) => Some(false),
            _ if only_stars(own) || only_stars(theirs) => Some(true),
            _ => None,
        }
    }

    fn stars(&self) -> usize {
        let tokens = self.tokens.iter();
        tokens.filter(|token| **token == Token::Many).count()
    }

    /// Returns the same pattern with every run of wildcards in one form: first the `?`s, then at
    /// most one `*`.
    pub(crate) fn normalised(&self) -> Pattern {
        let mut tokens = Vec::with_capacity(self.tokens.len());
        let mut many = false;
        for token in &self.tokens {
            match token {
                Token::Many => many = true,
                Token::One => tokens.push(Token::One),
                Token::Literal(_) => {
                    if many {
                        tokens.push(Token::Many);
                        many = false;
                    }
                    tokens.push(*token);
                }
            }
        }
        if many {
            tokens.push(Token::Many);
        }
        Pattern { tokens }
    }

    /// Whether the pattern has no wildcard.
    pub fn is_literal(&self) -> bool {
        self.tokens
            .iter()
            .all(|token| matches!(token, Token::Literal(_)))
    }

    /// Returns the pattern as a policy of version 2012-10-17 writes it, with escapes.
    pub(crate) fn to_policy_text(&self) -> String {
        let mut text = String::with_capacity(self.tokens.len());
        for (index, token) in self.tokens.iter().enumerate() {
            match token {
                Token::Many => text.push('*'),
                Token::One => text.push('?'),
                Token::Literal(special @ ('*' | '?')) => {
                    // Writing to a String can't fail.
                    let _ = write!(text, "${{{special}}}");
                }
                Token::Literal('$') if self.tokens.get(index + 1) == Some(&Token::Literal('{')) => {
                    text.push_str("${$}");
                }
                Token::Literal(character) => text.push(*character),
            }
        }
        text
    }
}

/// Removes the literals that two patterns have in common at their starts and at their ends.
fn without_common_ends<'a>(own: &'a [Token], theirs: &'a [Token]) -> (&'a [Token], &'a [Token]) {
    let is_common =
        |(one, other): &(&Token, &Token)| one == other && matches!(one, Token::Literal(_));
    let start = own.iter().zip(theirs).take_while(is_common).count();
    let (own, theirs) = (&own[start..], &theirs[start..]);
    let end = own.iter().rev().zip(theirs.iter().rev());
    let end = end.take_while(is_common).count();
    (&own[..own.len() - end], &theirs[..theirs.len() - end])
}

/// Whether some text matches both patterns.
fn overlap(own: &[Token], theirs: &[Token]) -> bool {
    // Which prefixes of `theirs` some text can match that also matches the prefix of `own` read so
    // far.
    let mut reached = vec![false; theirs.len() + 1];
    reached[0] = true;
    skip_many(&mut reached, theirs);
    let mut next = vec![false; theirs.len() + 1];
    for own in own {
        if *own == Token::Many {
            next.clone_from(&reached);
        } else {
            next.fill(false);
        }
        for (at, token) in theirs.iter().enumerate() {
            match (own, token) {
                // The `*` of `own` matches one more token of `theirs`, and can match more.
                (Token::Many, _) => next[at + 1] |= next[at],
                (_, Token::Many) => next[at] |= reached[at],
                (Token::One, _) | (_, Token::One) => next[at + 1] |= reached[at],
                (own, token) => next[at + 1] |= reached[at] && own == token,
            }
        }
        skip_many(&mut next, theirs);
        std::mem::swap(&mut reached, &mut next);
    }
    reached[theirs.len()]
}

// A `*` may also match nothing.
fn skip_many(reached: &mut [bool], tokens: &[Token]) {
    for (at, token) in tokens.iter().enumerate() {
        if *token == Token::Many && reached[at] {
            reached[at + 1] = true;
        }
    }
}

/// Whether the whole text matches the pattern; only `*` and `?` are wildcards, and case matters.
pub fn matches(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).matches(text)
}

/// Whether `outer` matches every text that `inner` matches. The answer is exact for `*` and `?`.
pub fn contains(outer: &str, inner: &str) -> bool {
    Pattern::new(outer).contains(&Pattern::new(inner))
}

/// Whether some text matches both patterns. The answer is exact for `*` and `?`.
pub fn overlaps(one: &str, other: &str) -> bool {
    Pattern::new(one).overlaps(&Pattern::new(other))
}

/// Whether an action matches the pattern; actions ignore case, unlike resources.
pub fn matches_action(pattern: &str, action: &str) -> bool {
    Pattern::new(pattern)
        .ignoring_ascii_case()
        .matches(&action.to_ascii_lowercase())
}

/// Whether a policy reads the text literally in every place that accepts a pattern: it contains no
/// `*`, no `?` and no `${`.
pub fn is_literal(text: &str) -> bool {
    !text.contains(['*', '?']) && !text.contains("${")
}

mod containment {
    //! Decides whether `outer` matches every word that `inner` matches.
    //!
    //! A character that is not a literal of `outer` ("foreign" below) is the hardest for `outer`:
    //! only its wildcards match the character. It is therefore enough to check the words of `inner`
    //! in which every wildcard is replaced by foreign characters; only the length of each `*`
    //! remains open. `outer` is split at its `*`s into blocks:
    //!
    //! - The last block ends the word. It begins with a literal (the normal form guarantees this),
    //!   so it has to match after the last `*` of `inner`, whose foreign characters it can't match.
    //! - Every other block is best placed as early as possible, because the `*` after it matches
    //!   the remainder. For the part up to the block's last literal, the worst word makes every `*`
    //!   of `inner` long: the part then fits only between two of them. For the `?`s at the end of
    //!   the block, the worst word makes the following `*`s of `inner` empty: the `?`s then consume
    //!   most of the characters that later blocks need.
    //!
    //! Each block therefore has one worst word, and no two of these choices concern the same `*`.

    use super::Token;

    pub(super) fn contains(outer: &[Token], inner: &[Token]) -> bool {
        let Some(first) = position_of_many(outer) else {
            return inner.len() == outer.len()
                && position_of_many(inner).is_none()
                && fits(outer, inner);
        };
        let last = outer
            .iter()
            .rposition(|token| *token == Token::Many)
            .unwrap_or(first);
        let (start, end) = (&outer[..first], &outer[last + 1..]);

        let Some(body) = inner.len().checked_sub(end.len()) else {
            return false;
        };
        let (mut rest, tail) = inner.split_at(body);
        if position_of_many(tail).is_some() || !fits(end, tail) {
            return false;
        }

        let Some(after) = place_first(start, rest) else {
            return false;
        };
        rest = after;
        for block in outer[first..=last].split(|token| *token == Token::Many) {
            let Some(after) = place_anywhere(block, rest) else {
                return false;
            };
            rest = after;
        }
        true
    }

    /// Returns the remainder if the block has to start here.
    fn place_first<'a>(block: &[Token], rest: &'a [Token]) -> Option<&'a [Token]> {
        let (core, count) = split_core(block);
        let here = rest.get(..core.len())?;
        if position_of_many(here).is_some() || !fits(core, here) {
            return None;
        }
        skip(&rest[core.len()..], count)
    }

    /// Returns the remainder if the block may start here or later.
    fn place_anywhere<'a>(block: &[Token], rest: &'a [Token]) -> Option<&'a [Token]> {
        let (core, count) = split_core(block);
        if core.is_empty() {
            return skip(rest, count);
        }
        let at = rest
            .windows(core.len())
            .position(|window| position_of_many(window).is_none() && fits(core, window))?;
        skip(&rest[at + core.len()..], count)
    }

    /// Returns the block up to its last literal, and the number of `?`s after it.
    fn split_core(block: &[Token]) -> (&[Token], usize) {
        let core = block
            .iter()
            .rposition(|token| matches!(token, Token::Literal(_)))
            .map_or(0, |last| last + 1);
        (&block[..core], block.len() - core)
    }

    /// Removes `count` characters; the `*`s among them are empty.
    fn skip(mut rest: &[Token], count: usize) -> Option<&[Token]> {
        for _ in 0..count {
            let next = rest.iter().position(|token| *token != Token::Many)?;
            rest = &rest[next + 1..];
        }
        Some(rest)
    }

    /// Whether each token of `outer` matches the token of `inner` at the same position.
    fn fits(outer: &[Token], inner: &[Token]) -> bool {
        outer
            .iter()
            .zip(inner)
            .all(|(own, other)| *own == Token::One || own == other)
    }

    fn position_of_many(tokens: &[Token]) -> Option<usize> {
        tokens.iter().position(|token| *token == Token::Many)
    }
}
