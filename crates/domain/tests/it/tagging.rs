//! The user's tags.

use engine_roles_domain::invalid::{Invalid, InvalidKind};
use engine_roles_domain::resources::Tags;

fn read(pairs: &[(&str, &str)]) -> Result<Tags, Invalid> {
    let pairs = pairs.iter();
    Tags::new(pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
}

fn many(count: usize) -> Vec<(String, String)> {
    let keys = (0..count).map(|number| format!("key{number}"));
    keys.map(|key| (key, String::new())).collect()
}

#[test]
fn keys_and_values_may_have_the_characters_that_iam_allows() {
    let key = "é".repeat(128);
    let value = "ä".repeat(256);
    for (key, value) in [
        ("a", ""),
        ("Team Name", "a b"),
        ("_.:/=+-@", "_.:/=+-@"),
        ("日本語", "Ελλάδα"),
        ("٣", "Ⅻ½"),
        ("aws", "aws:x"),
        ("ai-unlimited", "ai-unlimited:x"),
        (&key, &value),
    ] {
        read(&[(key, value)]).expect(key);
    }
    let long_key = "é".repeat(129);
    let long_value = "ä".repeat(257);
    for (key, value) in [
        ("", "x"),
        ("a*", "x"),
        ("a", "x;y"),
        ("a\nb", "x"),
        ("a\u{2028}", "x"),
        ("a\u{a0}", "x"),
        ("a", "\0"),
        ("🚀", "x"),
        // A vowel sign and a circled letter: alphabetic in Unicode, but not in IAM's \p{L}.
        ("\u{915}\u{93e}", "x"),
        ("a", "\u{24b6}"),
        (&long_key, "x"),
        ("a", &long_value),
    ] {
        let invalid = read(&[(key, value)]).expect_err(key);
        assert_eq!(invalid.kind, InvalidKind::Tag);
    }
}

#[test]
fn reserved_keys_are_rejected_in_any_case() {
    for key in [
        "aws:x",
        "AWS:x",
        "aWs:",
        "ai-unlimited:cluster",
        "AI-Unlimited:CLUSTER",
        "ai-unlimited:",
    ] {
        read(&[(key, "x")]).expect_err(key);
    }
}

#[test]
fn keys_are_unique_ignoring_case() {
    for (one, two) in [("team", "Team"), ("ÄRGER", "ärger"), ("a", "a")] {
        let invalid = read(&[(one, "x"), (two, "y")]).expect_err(one);
        assert!(invalid.to_string().contains("twice"), "{invalid}");
    }
}

#[test]
fn a_user_may_set_46_tags() {
    assert_eq!(Tags::new(many(46)).expect("46").iter().count(), 46);
    Tags::new(many(47)).expect_err("47");
}
