//! For any text, what `tests/invariants` lists holds: the parsers reject the text, or the document
//! can be written, compared, linted and evaluated without a panic and without a contradiction.

#![no_main]

#[path = "../../tests/invariants/mod.rs"]
mod invariants;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    invariants::check(text, true);
});
