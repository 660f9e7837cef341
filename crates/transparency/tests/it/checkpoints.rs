//! Checkpoints: their text, their signatures and cosignatures, and which may follow which.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64;
use engine_roles_transparency::{
    Checkpoint, ConsistencyProof, ConsistencyQuery, KeyKind, Note, TransparencyError, TreeHash,
    TrustedKeys, VerifierKey,
};
use proptest::prelude::*;

use crate::fixtures::{ORIGIN, checkpoint, leaf, name, root, signing_key, tiles, trust};

/// A witness, which signs as C2SP tlog-cosignature says.
struct Witness {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl Witness {
    fn new(witness: &str, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed has 32 bytes");
        let public = pair.public_key().as_ref().try_into();
        let public = public.expect("a public key has 32 bytes");
        let key = VerifierKey::new(name(witness), KeyKind::Witness, public);
        Self { pair, key }
    }

    /// The line with which the witness cosigns a text.
    fn line(&self, timestamp: u64, text: &str) -> String {
        let message = format!("cosignature/v1\ntime {timestamp}\n{text}");
        let mut bytes = self.key.id().as_bytes().to_vec();
        bytes.extend_from_slice(&timestamp.to_be_bytes());
        bytes.extend_from_slice(self.pair.sign(message.as_bytes()).as_ref());
        format!("\u{2014} {} {}\n", self.key.name(), BASE64.encode(&bytes))
    }
}

fn trust_with(witnesses: &[&Witness]) -> TrustedKeys {
    let log = signing_key(ORIGIN, 1).verifier().clone();
    let witnesses = witnesses.iter().map(|witness| witness.key.clone());
    TrustedKeys::new([log].into_iter().chain(witnesses)).expect("the keys are valid")
}

fn signed(size: u64) -> Note {
    let note = checkpoint(size).sign(&[&signing_key(ORIGIN, 1)]);
    note.expect("the name of the key is the origin")
}

#[test]
fn the_text_has_origin_size_and_root() {
    let checkpoint = checkpoint(300);
    let text = checkpoint.text();
    assert_eq!(text, format!("{ORIGIN}\n300\n{}\n", root(300)));
    assert_eq!(Checkpoint::parse(&text), Ok(checkpoint.clone()));
    let extended = format!("{text}an extension\nand another\n");
    assert_eq!(Checkpoint::parse(&extended), Ok(checkpoint));
    // The example of C2SP tlog-checkpoint.
    let text =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let parsed = Checkpoint::parse(text).expect("the text is a checkpoint");
    assert_eq!(parsed.size, 20_852_163);
    assert_eq!(parsed.text(), text);
}

#[test]
fn a_text_that_is_no_checkpoint_is_rejected() {
    let root = leaf(0);
    for text in [
        String::new(),
        "\n".to_owned(),
        "a\n1\n".to_owned(),
        format!("a\n1\n{root}"),
        format!("\n1\n{root}\n"),
        format!("a b\n1\n{root}\n"),
        format!("a\n\n{root}\n"),
        format!("a\n01\n{root}\n"),
        format!("a\n-1\n{root}\n"),
        format!("a\n+1\n{root}\n"),
        format!("a\n1 \n{root}\n"),
        format!("a\n1e3\n{root}\n"),
        format!("a\n9223372036854775808\n{root}\n"),
        format!("a\n99999999999999999999999\n{root}\n"),
        format!("a\n0\n{root}\n"),
        format!("a\n00\n{}\n", TreeHash::of_empty_tree()),
        format!("a\n1\n{}\n", &root.to_string()[1..]),
        "a\n1\nAAAA\n".to_owned(),
        format!("a\n1\n{root} \n"),
        format!("a\n1\n{root}\n\n"),
        format!("a\n1\n{root}\nb\n\nc\n"),
    ] {
        let error = Checkpoint::parse(&text).expect_err(&text);
        assert!(
            matches!(error, TransparencyError::MalformedCheckpoint { .. }),
            "{text:?}"
        );
    }
    let empty = format!("a\n0\n{}\n", TreeHash::of_empty_tree());
    assert!(Checkpoint::parse(&empty).is_ok());
}

#[test]
fn a_checkpoint_is_trusted_only_with_a_right_signature_by_a_known_key_of_the_log() {
    let (ours, stranger) = (signing_key(ORIGIN, 1), signing_key(ORIGIN, 9));
    let trusted = trust(&[&ours]);
    let verified = trusted.verify(&signed(5)).expect("the signature is right");
    assert_eq!(*verified.checkpoint(), checkpoint(5));
    assert_eq!(verified.signed_by(), [ours.verifier().clone()]);

    // Rewritten and signed again with another key of the same name.
    let by_stranger = checkpoint(5)
        .sign(&[&stranger])
        .expect("the name is the origin");
    let error = trusted
        .verify(&by_stranger)
        .expect_err("the key is unknown");
    assert_eq!(
        error,
        TransparencyError::NotSigned {
            origin: ORIGIN.to_owned()
        }
    );

    // A signature by a known key that is wrong rejects the note, even beside a right one.
    let text = signed(5).to_string();
    let changed = text.replacen(&format!("{ORIGIN}\n5\n"), &format!("{ORIGIN}\n6\n"), 1);
    let line = text.lines().last().expect("a signature");
    let of_other_size = signed(6).to_string();
    let both = format!("{of_other_size}{line}\n");
    for text in [changed, both] {
        let error = trusted
            .verify(&text.parse().expect("a note"))
            .expect_err(&text);
        assert_eq!(
            error,
            TransparencyError::WrongSignature {
                name: ORIGIN.to_owned()
            }
        );
    }

    // A stranger's line beside ours is ignored.
    let line = by_stranger.to_string();
    let line = line.lines().last().expect("a signature");
    let both: Note = format!("{text}{line}\n").parse().expect("a note");
    assert_eq!(
        trusted.verify(&both).map(|one| one.signed_by().len()),
        Ok(1)
    );
}

#[test]
fn what_a_known_key_has_signed_must_be_a_checkpoint_of_its_log() {
    let key = signing_key(ORIGIN, 1);
    let trusted = trust(&[&key]);
    let note = Note::sign("hello\n".to_owned(), &[&key]).expect("the text is valid");
    let error = trusted
        .verify(&note)
        .expect_err("the text is no checkpoint");
    assert!(matches!(
        error,
        TransparencyError::MalformedCheckpoint { .. }
    ));
    let text = checkpoint(5).text().replace(ORIGIN, "example.com/other");
    let note = Note::sign(text, &[&key]).expect("the text is valid");
    let error = trusted.verify(&note).expect_err("the origin is another");
    assert!(matches!(error, TransparencyError::OtherOrigin { .. }));
    let other = signing_key("example.com/other", 1);
    let error = checkpoint(5)
        .sign(&[&key, &other])
        .expect_err("the name is another");
    assert!(matches!(error, TransparencyError::OtherOrigin { .. }));
}

#[test]
fn during_a_rotation_holders_of_either_key_verify_the_checkpoint() {
    let (old, new) = (signing_key(ORIGIN, 1), signing_key(ORIGIN, 2));
    let note = checkpoint(7)
        .sign(&[&old, &new])
        .expect("both names are the origin");
    for (keys, count) in [(vec![&old], 1), (vec![&new], 1), (vec![&old, &new], 2)] {
        let verified = trust(&keys).verify(&note).expect("a known key has signed");
        assert_eq!(verified.signed_by().len(), count);
    }
}

#[test]
fn a_file_of_keys_has_a_key_on_each_line() {
    let (log, witness) = (signing_key(ORIGIN, 1), Witness::new("witness.example/1", 3));
    let text = format!("# the log\n{}\n\n  {}\r\n", log.verifier(), witness.key);
    let keys: TrustedKeys = text.parse().expect("the keys are valid");
    assert_eq!(keys, trust_with(&[&witness]));
    assert_eq!(keys.origin().as_str(), ORIGIN);
    assert_eq!(keys.to_string().parse(), Ok(keys));
    let other = signing_key("example.com/other", 1);
    for text in [
        String::new(),
        witness.key.to_string(),
        format!("{}\n{}", log.verifier(), other.verifier()),
        format!("{}\nhello", log.verifier()),
    ] {
        assert!(text.parse::<TrustedKeys>().is_err(), "{text}");
    }
}

#[test]
fn a_cosignature_is_added_once_and_verified_with_its_time() {
    let (one, two) = (
        Witness::new("witness.example/1", 3),
        Witness::new("witness.example/2", 4),
    );
    let unknown = Witness::new("witness.example/3", 5);
    let trusted = trust_with(&[&one, &two]);
    let mut note = signed(9);
    let text = note.text().to_owned();
    let lines = one.line(1_700_000_000, &text) + &unknown.line(1, &text);
    let added = trusted
        .add_cosignatures(&mut note, &lines)
        .expect("it is right");
    assert_eq!((added.len(), added[0].timestamp), (1, 1_700_000_000));
    // A later cosignature by the same witness replaces the earlier one.
    let lines = one.line(1_700_000_100, &text) + &two.line(1_700_000_050, &text);
    trusted
        .add_cosignatures(&mut note, &lines)
        .expect("both are right");
    let note: Note = note.to_string().parse().expect("a note");
    assert_eq!(note.signatures().len(), 3);
    let verified = trusted.verify(&note).expect("all signatures are right");
    let found: Vec<_> = verified
        .cosignatures()
        .iter()
        .map(|one| one.timestamp)
        .collect();
    assert_eq!(found, [1_700_000_100, 1_700_000_050]);
    // Somebody who does not know the witnesses verifies the log's signature all the same.
    let without = trust(&[&signing_key(ORIGIN, 1)]).verify(&note);
    assert_eq!(without.map(|verified| verified.cosignatures().len()), Ok(0));
}

#[test]
fn a_wrong_cosignature_is_not_added_and_alone_proves_nothing() {
    let witness = Witness::new("witness.example/1", 3);
    let trusted = trust_with(&[&witness]);
    let before = signed(9);
    let other_text = checkpoint(8).text();
    let right = witness.line(5, before.text());
    let bytes = right.trim_end().rsplit_once(' ').expect("a signature").1;
    let mut bytes = BASE64.decode(bytes.as_bytes()).expect("base64");
    bytes[11] ^= 1;
    let other_time = format!(
        "\u{2014} {} {}\n",
        witness.key.name(),
        BASE64.encode(&bytes)
    );
    let short = format!(
        "\u{2014} {} {}\n",
        witness.key.name(),
        BASE64.encode(&bytes[..8])
    );
    for lines in [
        String::new(),
        "hello\n".to_owned(),
        witness.line(5, &other_text),
        witness.line(1 << 63, before.text()),
        Witness::new("witness.example/9", 3).line(5, before.text()),
        other_time,
        short,
        right.clone() + "hello\n",
    ] {
        let mut note = before.clone();
        assert!(
            trusted.add_cosignatures(&mut note, &lines).is_err(),
            "{lines}"
        );
        assert_eq!(note, before);
    }
    let alone: Note = format!("{}\n{right}", before.text())
        .parse()
        .expect("a note");
    let error = trusted.verify(&alone).expect_err("the log has not signed");
    assert!(matches!(error, TransparencyError::NotSigned { .. }));
}

#[test]
fn a_checkpoint_may_follow_only_one_that_its_tree_extends() {
    let proof = |old, new| {
        let query = ConsistencyQuery::new(old, new).expect("the tree grew");
        query.prove(tiles()).expect("the tiles are there")
    };
    assert_eq!(
        checkpoint(300).extends(&checkpoint(257), &proof(257, 300)),
        Ok(())
    );
    assert_eq!(
        checkpoint(300).extends(&checkpoint(0), &proof(0, 300)),
        Ok(())
    );
    assert_eq!(checkpoint(9).extends(&checkpoint(9), &proof(9, 9)), Ok(()));

    // A database that was restored is shorter than the last checkpoint.
    let error = checkpoint(9)
        .extends(&checkpoint(10), &proof(9, 9))
        .expect_err("shorter");
    assert_eq!(error, TransparencyError::Shorter { old: 10, new: 9 });
    let mut rewritten = checkpoint(9);
    rewritten.root = leaf(0);
    let error = checkpoint(9)
        .extends(&rewritten, &proof(9, 9))
        .expect_err("rewritten");
    assert_eq!(error, TransparencyError::RootDiffers { size: 9 });
    let error = checkpoint(300)
        .extends(&rewritten, &proof(9, 300))
        .expect_err("rewritten");
    assert_eq!(error, TransparencyError::ProofDoesNotMatch);
    let error = checkpoint(300).extends(&checkpoint(257), &proof(256, 300));
    assert_eq!(error, Err(TransparencyError::ProofDoesNotMatch));
    let mut other = checkpoint(9);
    other.origin = name("example.com/other");
    let error = checkpoint(300)
        .extends(&other, &proof(9, 300))
        .expect_err("another log");
    assert!(matches!(error, TransparencyError::OtherOrigin { .. }));
    // A proof of other sizes than those of the checkpoints, although it leads to their roots.
    let mut smaller = checkpoint(256);
    smaller.size = 255;
    let error = checkpoint(300).extends(&smaller, &proof(256, 300));
    assert_eq!(error, Err(TransparencyError::ProofDoesNotMatch));
    let empty = ConsistencyProof {
        old_size: 9,
        new_size: 300,
        hashes: vec![],
    };
    assert!(checkpoint(300).extends(&checkpoint(9), &empty).is_err());
}

proptest! {
    #[test]
    fn no_changed_byte_of_a_signed_checkpoint_is_accepted(at: usize, bit in 0..7_u8) {
        let key = signing_key(ORIGIN, 1);
        let note = signed(5).to_string();
        let mut bytes = note.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = String::from_utf8(bytes).map_err(drop).and_then(|text| text.parse().map_err(drop)) {
            prop_assert!(trust(&[&key]).verify(&changed).is_err());
        }
    }

    #[test]
    fn no_text_of_a_checkpoint_causes_a_panic(text: String, size in "[0-9]{0,25}", rest: String) {
        let _ = Checkpoint::parse(&text);
        let _ = Checkpoint::parse(&format!("a\n{size}\n{rest}\n"));
        let _ = text.parse::<TrustedKeys>();
    }
}
