//! Compares matching with a naive matcher, and containment with brute force.

use engine_roles_policy::pattern::{contains, matches, matches_action, overlaps};
use engine_roles_policy::{Grant, is_literal};
use proptest::prelude::*;

/// Matches by the definition, in exponential time.
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

/// Tries all words over an alphabet that has a character, `z`, which is a literal of no pattern.
/// Words longer than both patterns together can't give a different result.
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

/// Whether some word matches both patterns. If such a word exists, one exists that is shorter than
/// both patterns together.
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
    fn every_pattern_contains_itself_and_is_contained_in_the_star(pattern in pattern(10)) {
        prop_assert!(contains(&pattern, &pattern));
        prop_assert!(contains("*", &pattern));
    }

    #[test]
    fn a_pattern_matches_every_text_that_a_pattern_it_contains_matches(
        outer in pattern(10), inner in pattern(10), text in "[abz]{0,12}"
    ) {
        if contains(&outer, &inner) && matches(&inner, &text) {
            prop_assert!(matches(&outer, &text));
        }
    }

    #[test]
    fn containment_is_transitive(one in pattern(5), two in pattern(5), three in pattern(5)) {
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

/// Compares each pattern of up to four tokens with each other.
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
fn containment_is_right_where_stars_and_question_marks_change_places() {
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
fn matching_a_pattern_of_many_stars_is_not_exponential() {
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
fn a_literal_has_no_wildcard_and_no_variable() {
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
