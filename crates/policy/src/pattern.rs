//! Patterns with `*` (any text, also none) and `?` (exactly one character).
//!
//! Matching and containment are exact and take time in proportion to the two lengths
//! multiplied, at most: there is no backtracking that a pattern could make explode.

use std::fmt::Write as _;

/// One piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Token {
    /// A character that stands for itself.
    Literal(char),
    /// `?`
    One,
    /// `*`
    Many,
}

/// A pattern taken apart, in which a literal `*` can be told from a live one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    tokens: Vec<Token>,
}

impl Pattern {
    /// Reads `*` and `?` as wildcards and all else literally; policy variables are not known
    /// here, `${` is two characters.
    pub fn new(text: &str) -> Pattern {
        let mut pattern = Pattern::default();
        pattern.push_pattern(text);
        pattern
    }

    /// A pattern that matches this text alone.
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

    /// Splits at literal colons, into at most `pieces`; wildcards stay within their piece.
    pub(crate) fn split_at_colons(&self, pieces: usize) -> Vec<Pattern> {
        self.tokens
            .splitn(pieces, |token| *token == Token::Literal(':'))
            .map(|tokens| Pattern {
                tokens: tokens.to_vec(),
            })
            .collect()
    }

    /// Whether the whole text is of this pattern; case matters.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let fits = |token: Token, character: char| match token {
            Token::Literal(own) => own == character,
            Token::One => true,
            Token::Many => false,
        };

        // The usual two-pointer walk: only the last `*` met is ever tried again, since an
        // earlier one could win nothing that the last one can't.
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

    /// Whether everything that `inner` matches is matched by this pattern too. Exact.
    pub fn contains(&self, inner: &Pattern) -> bool {
        containment::contains(&self.normalised().tokens, &inner.tokens)
    }

    /// Whether some text is matched by both patterns. Exact.
    pub fn overlaps(&self, other: &Pattern) -> bool {
        // Which beginnings of `other` can be matched together with the beginning of `self` that
        // was read so far.
        let theirs = &other.tokens;
        let mut reached = vec![false; theirs.len() + 1];
        reached[0] = true;
        skip_many(&mut reached, theirs);
        for own in &self.tokens {
            let mut next = vec![false; theirs.len() + 1];
            if *own == Token::Many {
                next.clone_from(&reached);
            }
            for (at, token) in theirs.iter().enumerate() {
                match (own, token) {
                    // Our `*` takes one more of theirs, and stays.
                    (Token::Many, _) => next[at + 1] |= next[at],
                    (_, Token::Many) => next[at] |= reached[at],
                    (Token::One, _) | (_, Token::One) => next[at + 1] |= reached[at],
                    (own, token) => next[at + 1] |= reached[at] && own == token,
                }
            }
            skip_many(&mut next, theirs);
            reached = next;
        }
        reached[theirs.len()]
    }

    /// The same pattern with every run of wildcards in one form: the `?`s, then at most one `*`.
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

    /// The pattern as a policy of version 2012-10-17 writes it, escapes included.
    pub(crate) fn to_policy_text(&self) -> String {
        let mut text = String::with_capacity(self.tokens.len());
        for (index, token) in self.tokens.iter().enumerate() {
            match token {
                Token::Many => text.push('*'),
                Token::One => text.push('?'),
                Token::Literal(live @ ('*' | '?')) => {
                    // Writing into a String can't fail.
                    let _ = write!(text, "${{{live}}}");
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

// A `*` may also match nothing.
fn skip_many(reached: &mut [bool], tokens: &[Token]) {
    for (at, token) in tokens.iter().enumerate() {
        if *token == Token::Many && reached[at] {
            reached[at + 1] = true;
        }
    }
}

/// Whether the whole text is of this pattern; `*`, `?` and nothing else is live, case matters.
pub fn matches(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).matches(text)
}

/// Whether everything that `inner` matches is matched by `outer` too. Exact for `*` and `?`.
pub fn contains(outer: &str, inner: &str) -> bool {
    Pattern::new(outer).contains(&Pattern::new(inner))
}

/// Whether some text is matched by both patterns. Exact for `*` and `?`.
pub fn overlaps(one: &str, other: &str) -> bool {
    Pattern::new(one).overlaps(&Pattern::new(other))
}

/// Whether an action is of this pattern; unlike resources, actions ignore case.
pub fn matches_action(pattern: &str, action: &str) -> bool {
    Pattern::new(pattern)
        .ignoring_ascii_case()
        .matches(&action.to_ascii_lowercase())
}

/// Whether the text stands for itself wherever a policy takes a pattern: no `*`, no `?`, no
/// `${`.
pub fn is_literal(text: &str) -> bool {
    !text.contains(['*', '?']) && !text.contains("${")
}

mod containment {
    //! Is every word of one pattern a word of another?
    //!
    //! A character that `outer` does not name is the hardest for it: only wildcards take it. So
    //! only those words of `inner` count in which its wildcards became such strangers, and what
    //! is left to choose is the length of each `*`. `outer` is cut at its `*`s into blocks:
    //!
    //! - the last block ends the word. It begins with a named character (the normal form sees to
    //!   that), so it has to lie behind the last `*` of `inner`, whose strangers it can't take;
    //! - every other block is best placed as early as possible, since the `*` behind it takes
    //!   whatever is left over. Up to its last named character it can't be hidden better than by
    //!   making every `*` of `inner` long: then it fits only between two of them. The `?`s at
    //!   its end eat most of what is still needed if the `*`s that they meet are empty.
    //!
    //! So for each block there is one worst word, and these choices never meet in one `*`.

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

    /// What is left when the block has to stand right here.
    fn place_first<'a>(block: &[Token], rest: &'a [Token]) -> Option<&'a [Token]> {
        let (core, appetite) = split_core(block);
        let here = rest.get(..core.len())?;
        if position_of_many(here).is_some() || !fits(core, here) {
            return None;
        }
        eat(&rest[core.len()..], appetite)
    }

    /// What is left when the block may stand here or later.
    fn place_anywhere<'a>(block: &[Token], rest: &'a [Token]) -> Option<&'a [Token]> {
        let (core, appetite) = split_core(block);
        if core.is_empty() {
            return eat(rest, appetite);
        }
        let at = rest
            .windows(core.len())
            .position(|window| position_of_many(window).is_none() && fits(core, window))?;
        eat(&rest[at + core.len()..], appetite)
    }

    /// The block up to its last named character, and the number of `?`s behind that.
    fn split_core(block: &[Token]) -> (&[Token], usize) {
        let core = block
            .iter()
            .rposition(|token| matches!(token, Token::Literal(_)))
            .map_or(0, |last| last + 1);
        (&block[..core], block.len() - core)
    }

    /// Takes that many characters away, from words whose `*`s are empty here.
    fn eat(mut rest: &[Token], appetite: usize) -> Option<&[Token]> {
        for _ in 0..appetite {
            let bite = rest.iter().position(|token| *token != Token::Many)?;
            rest = &rest[bite + 1..];
        }
        Some(rest)
    }

    /// Whether each token of `outer` takes the character at its place.
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
