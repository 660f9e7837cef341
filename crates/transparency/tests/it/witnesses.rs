//! Requests to witnesses, and what a witness cosigns.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use data_encoding::BASE64;
use engine_roles_transparency::{
    Checkpoint, ConsistencyProof, ConsistencyQuery, Cosigned, Note, TransparencyError, TreeHash,
    TrustedKeys, VerifierKey, WitnessKey, WitnessRequest,
};
use proptest::prelude::*;
use signed_note::{Verifier, VerifierList};

use crate::fixtures::{ORIGIN, checkpoint, leaf, name, pem, signing_key, tiles, trust};

const WITNESS: &str = "witness.example/1";
const AT: u64 = 1_700_000_000;

fn witness() -> WitnessKey {
    WitnessKey::from_pem(name(WITNESS), pem([3; 32]).as_bytes()).expect("the key is valid")
}

fn log() -> TrustedKeys {
    trust(&[&signing_key(ORIGIN, 1)])
}

fn signed(checkpoint: &Checkpoint) -> Note {
    let note = checkpoint.sign(&[&signing_key(ORIGIN, 1)]);
    note.expect("the name of the key is the origin")
}

fn proof(old: u64, new: u64) -> ConsistencyProof {
    let query = ConsistencyQuery::new(old, new).expect("the tree grew");
    query.prove(tiles()).expect("the tiles are there")
}

fn request(old: u64, new: u64) -> WitnessRequest {
    WitnessRequest::new(proof(old, new), signed(&checkpoint(new)))
}

fn cosign(request: &WitnessRequest, last: Option<&Note>) -> Result<Cosigned, TransparencyError> {
    witness().cosign(request, &log(), last, AT)
}

/// The log's keys and the witness's.
fn trusted() -> TrustedKeys {
    let log = signing_key(ORIGIN, 1).verifier().clone();
    TrustedKeys::new([log, witness().verifier().clone()]).expect("the keys are valid")
}

#[test]
fn a_request_has_the_form_of_the_specification() {
    // The example of C2SP tlog-witness, without its second signature.
    let text = "old 20852014\n\
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
        \n\
        example.com/behind-the-sofa\n\
        20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
        \n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    let request: WitnessRequest = text.parse().expect("a request");
    assert_eq!(request.old_size(), 20_852_014);
    assert_eq!(request.to_string(), text);
    let first: WitnessRequest = self::request(0, 9).to_string().parse().expect("a request");
    assert_eq!(first, self::request(0, 9));
}

#[test]
fn a_text_that_is_no_request_is_rejected() {
    let (note, hash) = (signed(&checkpoint(9)), leaf(0));
    let many = format!("{hash}\n").repeat(64);
    for text in [
        String::new(),
        note.to_string(),
        format!("old 0\n{note}"),
        format!("old\n\n{note}"),
        format!("old 01\n\n{note}"),
        format!("old -1\n\n{note}"),
        format!("old 1 \n\n{note}"),
        format!("old 18446744073709551616\n\n{note}"),
        format!("Old 0\n\n{note}"),
        format!("old 1\nx\n\n{note}"),
        format!("old 1\n{hash} \n\n{note}"),
        format!("old 1\n{many}\n{note}"),
        format!("old 1\n{hash}\n\n"),
        format!("old 1\n{hash}\n\n{}", note.text()),
    ] {
        assert!(text.parse::<WitnessRequest>().is_err(), "{text}");
    }
    let most = format!("old 1\n{}\n{note}", format!("{hash}\n").repeat(63));
    assert!(most.parse::<WitnessRequest>().is_ok());
}

#[test]
fn a_witness_cosigns_each_checkpoint_that_extends_the_last_one() {
    let mut last: Option<Note> = None;
    for size in [0, 1, 9, 9, 256, 257, 300] {
        let old = last.as_ref().map_or(0, |note| {
            let last = trusted().verify(note).expect("the log has signed");
            last.checkpoint().size
        });
        let request = request(old, size).to_string();
        let answer = cosign(&request.parse().expect("a request"), last.as_ref());
        let answer = answer.expect("the log only grew");
        // Whoever sent the request adds the line to the checkpoint.
        let mut note = signed(&checkpoint(size));
        let line = format!("{}\n", answer.signature);
        let added = trusted().add_cosignatures(&mut note, &line);
        let added = added.expect("the cosignature is right");
        assert_eq!(
            (added[0].witness.name().as_str(), added[0].timestamp),
            (WITNESS, AT)
        );
        assert_eq!(note, answer.checkpoint);
        last = Some(answer.checkpoint);
    }
}

#[test]
fn a_witness_cosigns_nothing_that_does_not_extend_the_last_checkpoint() {
    let last = cosign(&request(0, 9), None).expect("the first").checkpoint;
    let not_cosigned = |request: &WitnessRequest| {
        let answer = cosign(request, Some(&last));
        answer.expect_err("not cosigned")
    };
    for (found, new) in [(0, 300), (8, 300), (10, 300)] {
        let error = TransparencyError::OtherOldSize { found, expected: 9 };
        assert_eq!(not_cosigned(&request(found, new)), error);
    }
    let with = |proof: ConsistencyProof, checkpoint: &Checkpoint| {
        WitnessRequest::new(proof, signed(checkpoint))
    };
    let error = not_cosigned(&with(proof(9, 9), &checkpoint(8)));
    assert_eq!(error, TransparencyError::Shorter { old: 9, new: 8 });
    let (mut same_size, mut longer) = (checkpoint(9), checkpoint(300));
    (same_size.root, longer.root) = (leaf(0), leaf(0));
    let error = not_cosigned(&with(proof(9, 9), &same_size));
    assert_eq!(error, TransparencyError::RootDiffers { size: 9 });
    let error = not_cosigned(&with(proof(9, 300), &longer));
    assert_eq!(error, TransparencyError::ProofDoesNotMatch);
    // Hashes where none are needed, too few, and those of another size.
    let mut needless = proof(9, 9);
    needless.hashes.push(leaf(0));
    let mut short = proof(9, 300);
    short.hashes.pop();
    let mut other = proof(10, 300);
    other.old_size = 9;
    for (proof, size) in [(needless, 9), (short, 300), (other, 300)] {
        let error = not_cosigned(&with(proof, &checkpoint(size)));
        assert_eq!(error, TransparencyError::ProofDoesNotMatch);
    }
    let mut first = proof(0, 9);
    first.hashes.push(leaf(0));
    let error = cosign(&with(first, &checkpoint(9)), None).expect_err("not cosigned");
    assert_eq!(error, TransparencyError::ProofDoesNotMatch);
    let error = cosign(&request(9, 300), None).expect_err("not cosigned");
    let expected = TransparencyError::OtherOldSize {
        found: 9,
        expected: 0,
    };
    assert_eq!(error, expected);
}

#[test]
fn a_witness_cosigns_nothing_that_the_log_has_not_signed() {
    let by_stranger = checkpoint(9).sign(&[&signing_key(ORIGIN, 2)]);
    let by_stranger = by_stranger.expect("the name is the origin");
    let stranger = WitnessRequest::new(proof(0, 9), by_stranger.clone());
    let error = cosign(&stranger, None).expect_err("not cosigned");
    assert!(matches!(error, TransparencyError::NotSigned { .. }));
    // What was kept as the last checkpoint is not the log's.
    let error = cosign(&request(9, 300), Some(&by_stranger)).expect_err("not cosigned");
    assert!(matches!(error, TransparencyError::NotSigned { .. }));
    let late = witness().cosign(&request(0, 9), &log(), None, 1 << 63);
    assert!(matches!(
        late,
        Err(TransparencyError::InvalidTimestamp { .. })
    ));
}

#[test]
fn a_checkpoint_that_this_witness_has_not_cosigned_is_not_its_last_one() {
    let not_cosigned = TransparencyError::NotCosigned {
        witness: witness().verifier().to_string(),
    };
    let next = request(9, 300);
    let by = |name: &str, key: u8| {
        let name = name.parse().expect("a name");
        let witness = WitnessKey::from_pem(name, pem([key; 32]).as_bytes()).expect("a key");
        let answer = witness.cosign(&request(0, 9), &log(), None, AT);
        answer.expect("the first").checkpoint
    };
    cosign(&next, Some(&by(WITNESS, 3))).expect("its own");
    for other in [
        signed(&checkpoint(9)),
        by(WITNESS, 4),
        by("witness.example/2", 3),
    ] {
        let error = cosign(&next, Some(&other)).expect_err("not its own");
        assert_eq!(error, not_cosigned, "{other}");
    }
    // The witness's cosignature of another checkpoint.
    let smaller = cosign(&request(0, 8), None).expect("the first").signature;
    let grafted = format!("{}{smaller}\n", signed(&checkpoint(9)));
    let grafted: Note = grafted.parse().expect("a note");
    let error = cosign(&next, Some(&grafted)).expect_err("grafted");
    let name = WITNESS.to_owned();
    assert_eq!(error, TransparencyError::WrongSignature { name });
}

#[test]
fn an_older_cosignature_is_replaced_in_the_checkpoint_that_is_kept() {
    let first = cosign(&request(0, 9), None).expect("the first").checkpoint;
    let again = WitnessRequest::new(proof(9, 9), first.clone());
    let again = witness().cosign(&again, &log(), Some(&first), AT + 60);
    let again = again.expect("the same checkpoint").checkpoint;
    let verified = trusted().verify(&again).expect("the signatures are right");
    let times = verified.cosignatures().iter().map(|one| one.timestamp);
    assert_eq!(times.collect::<Vec<_>>(), [AT + 60]);
    assert_eq!(again.signatures().len(), 2);
}

#[test]
fn no_debug_output_has_the_key() {
    let shown = format!("{:?}", witness());
    assert!(
        shown.contains(WITNESS) && !shown.contains("3, 3, 3"),
        "{shown}"
    );
}

/// The witness for the library `signed_note`, which knows no cosignatures itself.
struct TheirWitness(VerifierKey);

impl Verifier for TheirWitness {
    fn name(&self) -> &str {
        self.0.name().as_str()
    }

    fn key_id(&self) -> u32 {
        u32::from_be_bytes(*self.0.id().as_bytes())
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else {
            return false;
        };
        let text = self.0.to_string();
        let public = text.rsplit('+').next().expect("the key");
        let public = BASE64.decode(public.as_bytes()).expect("base64");
        let message = cosigned(u64::from_be_bytes(*time), message);
        let key = UnparsedPublicKey::new(&ED25519, &public[1..]);
        key.verify(&message, signature).is_ok()
    }
}

/// C2SP tlog-cosignature, "Signed message".
fn cosigned(time: u64, text: &[u8]) -> Vec<u8> {
    [format!("cosignature/v1\ntime {time}\n").as_bytes(), text].concat()
}

#[test]
fn the_library_reads_what_we_cosigned() {
    let ours = cosign(&request(0, 300), None)
        .expect("the first")
        .checkpoint;
    let theirs = signed_note::Note::from_bytes(ours.to_string().as_bytes());
    let theirs = theirs.expect("the library reads it");
    let witnesses = VerifierList::new(vec![Box::new(TheirWitness(witness().verifier().clone()))]);
    let (known, unknown) = theirs.verify(&witnesses).expect("the cosignature is right");
    assert_eq!((known.len(), unknown.len()), (1, 1));
    assert_eq!(known[0].name(), WITNESS);
}

#[test]
fn we_accept_what_was_cosigned_with_the_library() {
    let text = signed(&checkpoint(300)).to_string();
    let theirs = signed_note::Note::from_bytes(text.as_bytes()).expect("the library reads it");
    let pair = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).expect("a seed has 32 bytes");
    let mut bytes = AT.to_be_bytes().to_vec();
    bytes.extend_from_slice(pair.sign(&cosigned(AT, theirs.text())).as_ref());
    let witness = TheirWitness(witness().verifier().clone());
    let signature = signed_note::Signature::new(WITNESS.to_owned(), witness.key_id(), bytes);
    let line = signature.expect("the library makes the line").to_bytes();
    let line = String::from_utf8(line).expect("a line is text");
    let text = format!("{text}{}\n", line.trim_end());
    let verified = trusted().verify(&text.parse().expect("a note"));
    let verified = verified.expect("both signatures are right");
    assert_eq!(verified.cosignatures()[0].timestamp, AT);
    // Ed25519 is deterministic.
    let ours = cosign(&request(0, 300), None)
        .expect("the first")
        .checkpoint;
    assert_eq!(text, ours.to_string());
}

proptest! {
    #[test]
    fn no_changed_proof_is_cosigned(at in 0..9_usize, byte in 0..32_usize, bit in 0..8_u8) {
        let last = cosign(&request(0, 9), None).expect("the first").checkpoint;
        let mut changed = proof(9, 300);
        let at = at % changed.hashes.len();
        let mut hash = *changed.hashes[at].as_bytes();
        hash[byte] ^= 1 << bit;
        changed.hashes[at] = TreeHash::from_bytes(hash);
        let request = WitnessRequest::new(changed, signed(&checkpoint(300)));
        prop_assert_eq!(cosign(&request, Some(&last)), Err(TransparencyError::ProofDoesNotMatch));
    }

    #[test]
    fn no_text_of_a_request_causes_a_panic(text: String, old in "[0-9]{0,25}", rest: String) {
        let _ = text.parse::<WitnessRequest>();
        let _ = format!("old {old}\n{rest}").parse::<WitnessRequest>();
    }
}
