//! For any two patterns and a text: if one pattern contains the other, the contained pattern
//! matches no text that the containing pattern does not match.
//!
//! `README.md` beside this folder has the command.

#![no_main]

use engine_roles_policy::pattern::{contains, matches};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str)| {
    let (outer, inner, text) = input;
    assert!(contains(outer, outer));
    if contains(outer, inner) && matches(inner, text) {
        assert!(matches(outer, text));
    }
});
