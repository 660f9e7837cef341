//! Proofs of one event as texts.

use engine_roles_transparency::{InclusionQuery, LogProof, TransparencyError};
use proptest::prelude::*;

use crate::fixtures::{ORIGIN, checkpoint, event, signing_key, tiles, trust};

fn proof(index: u64, size: u64) -> LogProof {
    let query = InclusionQuery::new(index, size).expect("the leaf exists");
    let proof = query.prove(tiles()).expect("the tiles are there");
    let note = checkpoint(size).sign(&[&signing_key(ORIGIN, 1)]);
    LogProof::new(proof, note.expect("the name is the origin"))
}

#[test]
fn a_proof_is_a_text_with_the_checkpoint_at_its_end() {
    let proof = proof(5, 8);
    let text = proof.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["c2sp.org/tlog-proof@v1", "index 5"]);
    assert_eq!(lines[5..8], ["", ORIGIN, "8"]);
    assert_eq!(text.parse(), Ok(proof.clone()));
    let with_extra = text.replacen("index", "extra AAAA\nindex", 1);
    assert_eq!(with_extra.parse(), Ok(proof));
}

#[test]
fn a_proof_is_verified_with_the_event_and_the_key_alone() {
    let keys = trust(&[&signing_key(ORIGIN, 1)]);
    for (index, size) in [(0, 1), (0, 2), (5, 8), (299, 300), (256, 600)] {
        let text = proof(index, size).to_string();
        let read: LogProof = text.parse().expect("the text is a proof");
        assert_eq!(read.index(), index);
        let verified = read
            .verify(&keys, &event(index))
            .expect("the proof is right");
        assert_eq!(verified.checkpoint().size, size);

        let error = read
            .verify(&keys, &event(index + 1))
            .expect_err("another event");
        assert_eq!(error, TransparencyError::ProofDoesNotMatch);
        let stranger = trust(&[&signing_key(ORIGIN, 2)]);
        let error = read
            .verify(&stranger, &event(index))
            .expect_err("another key");
        assert!(matches!(error, TransparencyError::NotSigned { .. }));
    }
    let text = proof(5, 8).to_string();
    for other in ["index 4", "index 8", "index 9223372036854775806"] {
        let changed: LogProof = text.replace("index 5", other).parse().expect("a proof");
        assert!(changed.verify(&keys, &event(5)).is_err(), "{other}");
    }
}

#[test]
fn a_text_that_is_no_proof_is_rejected() {
    let text = proof(5, 8).to_string();
    let hash = text.lines().nth(2).expect("a hash");
    for changed in [
        String::new(),
        text.replace("@v1", "@v2"),
        text.replace("index 5\n", ""),
        text.replace("index 5", "index"),
        text.replace("index 5", "index 05"),
        text.replace("index 5", "index +5"),
        text.replace("index 5", "index -5"),
        text.replace("index 5", "index 9223372036854775807"),
        text.replace("index 5", "index 5\nindex 5"),
        text.replace("index 5", "extra ?\nindex 5"),
        text.replace("index 5", "index 5\nextra AAAA"),
        text.replace(hash, "AAAA"),
        text.replace(hash, &format!("{hash} ")),
        text.replace(hash, &[hash; 64].join("\n")),
        text.replace('\n', "\r\n"),
        text.split_once("\n\n").expect("an empty line").0.to_owned(),
        text.split_once("\n\n").expect("an empty line").1.to_owned(),
    ] {
        assert!(changed.parse::<LogProof>().is_err(), "{changed}");
    }
    // With an empty line among the hashes, the rest of them becomes a part of the note.
    let split: LogProof = text.replace(hash, "").parse().expect("a note follows");
    assert!(
        split
            .verify(&trust(&[&signing_key(ORIGIN, 1)]), &event(5))
            .is_err()
    );
    let longest = text.replace(hash, &[hash; 61].join("\n"));
    assert!(longest.parse::<LogProof>().is_ok());
}

proptest! {
    #[test]
    fn no_changed_character_of_a_proof_is_accepted(at: usize, character: char) {
        let text = proof(5, 8).to_string();
        let mut changed: Vec<char> = text.chars().collect();
        let at = at % changed.len();
        changed[at] = character;
        let changed: String = changed.into_iter().collect();
        let keys = trust(&[&signing_key(ORIGIN, 1)]);
        if let Ok(read) = changed.parse::<LogProof>() {
            prop_assert_eq!(read.to_string(), changed.clone());
            prop_assert_eq!(read.verify(&keys, &event(5)).is_ok(), changed == text);
        }
    }

    #[test]
    fn no_text_of_a_proof_causes_a_panic(text: String, rest: String) {
        let _ = text.parse::<LogProof>();
        let _ = format!("c2sp.org/tlog-proof@v1\nindex 1\n{rest}\n\n{text}").parse::<LogProof>();
    }
}
