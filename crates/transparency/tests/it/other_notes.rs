//! Comparisons with the library `signed_note`, a translation of Go's package `note`.

use data_encoding::{BASE64, HEXLOWER};
use engine_roles_transparency::{KeyName, Note, VerifierKey};
use proptest::prelude::*;
use signed_note::{Signer, StandardSigner, StandardVerifier, VerifierList};

use crate::fixtures::{ORIGIN, checkpoint, signing_key, trust};

fn their_signer(seed: u8) -> StandardSigner {
    let key = signing_key(ORIGIN, seed);
    let mut bytes = vec![1];
    bytes.extend_from_slice(&[seed; 32]);
    let id = HEXLOWER.encode(key.verifier().id().as_bytes());
    let text = format!("PRIVATE+KEY+{ORIGIN}+{id}+{}", BASE64.encode(&bytes));
    StandardSigner::new(&text).expect("the library reads the key")
}

fn their_verifiers(key: &VerifierKey) -> VerifierList {
    let verifier = StandardVerifier::new(&key.to_string()).expect("the library reads the key");
    VerifierList::new(vec![Box::new(verifier)])
}

#[test]
fn the_library_verifies_our_checkpoints() {
    let key = signing_key(ORIGIN, 1);
    let note = checkpoint(300).sign(&[&key, &signing_key(ORIGIN, 2)]);
    let text = note.expect("the names are the origin").to_string();
    let theirs = signed_note::Note::from_bytes(text.as_bytes()).expect("the library reads it");
    let (known, unknown) = theirs
        .verify(&their_verifiers(key.verifier()))
        .expect("the signature is right");
    assert_eq!((known.len(), unknown.len()), (1, 1));
    assert_eq!(theirs.to_bytes(), text.as_bytes());
    let body =
        tlog_tiles::Checkpoint::from_bytes(format!("{}\n", checkpoint(300).text()).as_bytes());
    let body = body.or_else(|_| tlog_tiles::Checkpoint::from_bytes(theirs.text()));
    let body = body.expect("the library reads the text");
    assert_eq!((body.origin(), body.size()), (ORIGIN, 300));
    assert_eq!(body.hash().0, *checkpoint(300).root.as_bytes());
}

#[test]
fn we_verify_notes_that_the_library_has_signed() {
    let signer = their_signer(7);
    let text = checkpoint(9).text();
    let mut note = signed_note::Note::new(text.as_bytes(), &[]).expect("the text is valid");
    note.add_sigs(&[&signer as &dyn Signer])
        .expect("the library signs");
    let text = String::from_utf8(note.to_bytes()).expect("a note is text");
    let ours: Note = text.parse().expect("we read the note");
    let key = signing_key(ORIGIN, 7);
    let verified = trust(&[&key])
        .verify(&ours)
        .expect("the signature is right");
    assert_eq!(*verified.checkpoint(), checkpoint(9));
    // Ed25519 is deterministic.
    let again = checkpoint(9).sign(&[&key]).expect("the name is the origin");
    assert_eq!(again.to_string(), text);
}

proptest! {
    #[test]
    fn names_that_we_accept_are_accepted_by_the_library(text in "[a+ \u{a0}\u{2003}\u{85}ü/.-]{0,4}") {
        if text.parse::<KeyName>().is_ok() {
            prop_assert!(signed_note::is_key_name_valid(&text));
        } else {
            prop_assert!(!signed_note::is_key_name_valid(&text));
        }
    }

    #[test]
    fn notes_that_we_accept_are_accepted_by_the_library(
        text in "(a\n|\n|b){0,4}\n\n(\u{2014} (a|a b|a\\+b|) ?(AAAAAQI=|AAAAAQ==|AAAA|)\n?){0,3}",
    ) {
        let theirs = signed_note::Note::from_bytes(text.as_bytes());
        if let Ok(ours) = text.parse::<Note>() {
            let theirs = theirs.expect("the library accepts the note");
            prop_assert_eq!(ours.text().as_bytes(), theirs.text());
        } else {
            prop_assert!(theirs.is_err(), "{:?}", theirs);
        }
    }
}
