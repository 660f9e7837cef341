//! Wildcards: matching against a naive matcher, containment against brute force.

use engine_roles_policy::pattern::{contains, matches, matches_action, overlaps};
use engine_roles_policy::{Grant, is_literal};
use proptest::prelude::*;

/// Straight from the definition, and exponential.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), None) => naive(rest, text),
        (Some(('*', rest)), Some((_, tail))) => naive(rest, text) || naive(pattern, tail),
        (Some(('?', rest)), Some((_, tail))) => naive(rest, tail),
        (Some((own, rest)), Some((head, tail))) => own == head && naive(rest, tail),
        _ => false,
    }
}

fn naively_matches(pattern: &str, text: &str) -> bool {
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    naive(&chars(pattern), &chars(text))
}

/// All words over an alphabet with a character, `z`, that no pattern names. Words longer than
/// both patterns together could show nothing new.
fn counterexample(outer: &str, inner: &str, longest: usize) -> Option<String> {
    let mut words = vec![String::new()];
    for _ in 0..=longest {
        for word in &words {
            if naively_matches(inner, word) && !naively_matches(outer, word) {
                return Some(word.clone());
            }
        }
        words = words
            .iter()
            .flat_map(|word| ["a", "b", "z"].map(|next| format!("{word}{next}")))
            .collect();
    }
    None
}

/// Whether some word is of both patterns. One that is shorter than both together is among them,
/// if there is any.
fn common_word(one: &str, other: &str, longest: usize) -> bool {
    let mut words = vec![String::new()];
    for _ in 0..=longest {
        if words
            .iter()
            .any(|word| naively_matches(one, word) && naively_matches(other, word))
        {
            return true;
        }
        words = words
            .iter()
            .flat_map(|word| ["a", "b", "z"].map(|next| format!("{word}{next}")))
            .collect();
    }
    false
}

fn pattern(longest: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof!["a", "b", Just("*".to_owned()), Just("?".to_owned())],
        0..=longest,
    )
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn matching_agrees_with_the_definition(pattern in pattern(7), text in "[abz]{0,9}") {
        prop_assert_eq!(matches(&pattern, &text), naively_matches(&pattern, &text));
    }

    #[test]
    fn overlap_agrees_with_brute_force(one in pattern(4), other in pattern(4)) {
        prop_assert_eq!(overlaps(&one, &other), common_word(&one, &other, 8));
        prop_assert_eq!(overlaps(&one, &other), overlaps(&other, &one));
    }

    #[test]
    fn a_pattern_contains_itself_and_lies_in_the_star(pattern in pattern(10)) {
        prop_assert!(contains(&pattern, &pattern));
        prop_assert!(contains("*", &pattern));
    }

    #[test]
    fn what_contains_a_pattern_matches_all_that_it_matches(
        outer in pattern(10), inner in pattern(10), text in "[abz]{0,12}"
    ) {
        if contains(&outer, &inner) && matches(&inner, &text) {
            prop_assert!(matches(&outer, &text));
        }
    }

    #[test]
    fn containment_goes_through(one in pattern(5), two in pattern(5), three in pattern(5)) {
        if contains(&one, &two) && contains(&two, &three) {
            prop_assert!(contains(&one, &three));
        }
    }

    #[test]
    fn any_text_is_safe_to_match_and_to_contain(one in ".{0,60}", two in ".{0,60}") {
        let _ = (matches(&one, &two), contains(&one, &two), is_literal(&one));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn containment_agrees_with_brute_force(outer in pattern(5), inner in pattern(4)) {
        let found = counterexample(&outer, &inner, 7);
        prop_assert_eq!(
            contains(&outer, &inner), found.is_none(),
            "outer {} inner {} counterexample {:?}", outer, inner, found
        );
    }
}

/// Each pattern of up to four pieces against each other.
#[test]
fn containment_agrees_with_brute_force_for_every_short_pattern() {
    let mut patterns = vec![String::new()];
    let mut layer = patterns.clone();
    for _ in 0..4 {
        layer = layer
            .iter()
            .flat_map(|start| ["a", "b", "*", "?"].map(|next| format!("{start}{next}")))
            .collect();
        patterns.extend(layer.iter().cloned());
    }
    let mut words = vec![String::new()];
    let mut layer = words.clone();
    for _ in 0..6 {
        layer = layer
            .iter()
            .flat_map(|word| ["a", "b", "z"].map(|next| format!("{word}{next}")))
            .collect();
        words.extend(layer.iter().cloned());
    }
    let languages: Vec<Vec<bool>> = patterns
        .iter()
        .map(|pattern| {
            words
                .iter()
                .map(|word| naively_matches(pattern, word))
                .collect()
        })
        .collect();
    for (outer, outer_words) in patterns.iter().zip(&languages) {
        for (inner, inner_words) in patterns.iter().zip(&languages) {
            let truth = outer_words
                .iter()
                .zip(inner_words)
                .all(|(outer, inner)| *outer || !inner);
            assert_eq!(contains(outer, inner), truth, "outer {outer} inner {inner}");
        }
    }
}

#[test]
fn containment_knows_the_cases_in_which_stars_trade_places() {
    for (outer, inner, expected) in [
        ("*", "", true),
        ("", "*", false),
        ("?*", "*?", true),
        ("*?", "?*", true),
        ("*?*", "??", true),
        ("*a*", "*a?*", true),
        ("*a?*", "*a*", false),
        ("?*b", "*ab", true),
        ("a*b", "a*b*b", true),
        ("a*b", "ab*", false),
        ("*a?*b*", "*a*b*", false),
        ("*a?*b*", "*a*bb*", true),
        ("*a?b*", "*a*b*", false),
        ("a?b*", "a*b*", false),
        ("*a?b", "*a*b", false),
        ("*ab*", "*a*b*", false),
        ("*ab*ab*", "*ab*b*a*b", false),
        (
            "secret:compute-engine/a/*",
            "secret:compute-engine/a/*-??????",
            true,
        ),
        (
            "secret:compute-engine/a/*",
            "secret:compute-engine/a*",
            false,
        ),
        (
            "secret:compute-engine/a/*",
            "secret:compute-engine/?/*",
            false,
        ),
        ("a", "b", false),
        ("é*", "éa", true),
        ("?", "é", true),
    ] {
        assert_eq!(contains(outer, inner), expected, "{outer} contains {inner}");
    }
}

#[test]
fn a_pattern_of_many_stars_takes_no_time() {
    let text = "a".repeat(2_000);
    let pattern = "a*".repeat(500) + "b";
    assert!(!matches(&pattern, &text));
    assert!(!contains(&pattern, &"a*".repeat(500)));
    assert!(contains(&"*a".repeat(500), &"a*a".repeat(500)));
}

#[test]
fn actions_ignore_case_and_resources_do_not() {
    // "IAM JSON policy elements: Action", IAM User Guide.
    assert!(matches_action("IAM:ListAccess*", "iam:listaccesskeys"));
    assert!(!matches("arn:aws:s3:::Bucket", "arn:aws:s3:::bucket"));
}

#[test]
fn a_literal_has_nothing_live_in_it() {
    for (text, expected) in [
        ("prod", true),
        ("pro?", false),
        ("*", false),
        ("${aws:username}", false),
        ("$5", true),
        ("{a}", true),
    ] {
        assert_eq!(is_literal(text), expected, "{text}");
    }
    assert_eq!(Grant::new("a:B", "*").action, "a:B");
}
