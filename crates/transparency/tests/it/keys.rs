//! Names, ids and text forms of keys.

use data_encoding::BASE64;
use engine_roles_transparency::{
    KeyKind, KeyName, Note, SigningKey, TransparencyError, VerifierKey,
};
use proptest::prelude::*;

use crate::fixtures::{name, pem, signing_key};

/// The keys and the note of the documentation of Go's package `golang.org/x/mod/sumdb/note`.
const VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NOTE: &str = "If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
";

#[test]
fn the_key_and_the_signature_are_those_of_the_documentation_of_go() {
    let key: VerifierKey = VERIFIER.parse().expect("the key is valid");
    assert_eq!(key.name().as_str(), "PeterNeumann");
    assert_eq!(key.id().to_string(), "c74f20a3");
    assert_eq!(key.kind(), KeyKind::Log);
    assert_eq!(key.to_string(), VERIFIER);

    let private = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let private = BASE64.decode(private.as_bytes()).expect("base64");
    let seed: [u8; 32] = private[1..].try_into().expect("a seed has 32 bytes");
    let key = SigningKey::from_pem(name("PeterNeumann"), pem(seed).as_bytes());
    let key = key.expect("the key is valid");
    assert_eq!(key.verifier().to_string(), VERIFIER);
    let text = NOTE.split_once("\n\n").expect("a note").0;
    let note = Note::sign(format!("{text}\n"), &[&key]).expect("the text is valid");
    assert_eq!(note.to_string(), NOTE);
    assert_eq!(NOTE.parse(), Ok(note));
}

#[test]
fn a_name_without_characters_or_with_spaces_plus_or_controls_is_rejected() {
    for text in [
        "",
        "a b",
        "a+b",
        "a\nb",
        "a\tb",
        "a\u{a0}b",
        "a\u{2003}b",
        "a\u{0}",
        "\u{85}",
    ] {
        assert_eq!(
            text.parse::<KeyName>(),
            Err(TransparencyError::InvalidKeyName),
            "{text:?}"
        );
    }
    let long = "a".repeat(257).parse::<KeyName>().expect_err("too long");
    let expected = "a key name has 257 bytes; it must have at most 256";
    assert_eq!(long.to_string(), expected);
    for text in ["a", "example.com/log-1", "ü", &"a".repeat(256)] {
        assert_eq!(
            text.parse::<KeyName>().map(|name| name.to_string()),
            Ok(text.to_owned())
        );
    }
}

#[test]
fn a_verifier_key_that_is_not_exactly_right_is_rejected() {
    let key = "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let short = BASE64.encode(&[1; 32]);
    let other_kind = BASE64.encode(&[2; 33]);
    for text in [
        String::new(),
        "PeterNeumann".to_owned(),
        "PeterNeumann+c74f20a3".to_owned(),
        format!("PeterNeumann+c74f20a3+{}", &key[1..]),
        format!("PeterNeumann+c74f20a3+{key}="),
        format!("PeterNeumann+c74f20a3+{key}\n"),
        format!("PeterNeumann+C74F20A3+{key}"),
        format!("PeterNeumann+c74f20a4+{key}"),
        format!("PeterNeumann+74f20a3+{key}"),
        format!("PeterNeuman+c74f20a3+{key}"),
        format!("+c74f20a3+{key}"),
        format!("PeterNeumann+c74f20a3+{short}"),
        format!("PeterNeumann+c74f20a3+{other_kind}"),
        "PeterNeumann+c74f20a3+".to_owned(),
    ] {
        assert!(text.parse::<VerifierKey>().is_err(), "{text}");
    }
}

#[test]
fn the_kind_of_a_key_is_a_part_of_its_id() {
    let log = VerifierKey::new(name("a"), KeyKind::Log, [7; 32]);
    let witness = VerifierKey::new(name("a"), KeyKind::Witness, [7; 32]);
    assert_ne!(log.id(), witness.id());
    for key in [log, witness] {
        assert_eq!(key.to_string().parse(), Ok(key));
    }
}

#[test]
fn text_around_a_private_key_is_ignored_and_other_keys_are_rejected() {
    let plain = pem([5; 32]);
    let expected = signing_key("a", 5);
    for text in [
        format!("# the key of 2026\n\n{plain}\n# end"),
        plain.replace('\n', "\r\n"),
    ] {
        let key = SigningKey::from_pem(name("a"), text.as_bytes()).expect("the key is valid");
        assert_eq!(key.verifier(), expected.verifier());
    }
    // RFC 8410, section 10.3: version 2 with the public key.
    let with_public = "-----BEGIN PRIVATE KEY-----
MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB
Z9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----";
    // Sections 10.1 and 10.3: the public key, and the private key as `openssl genpkey` writes it.
    let public = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    let public = BASE64.decode(public.as_bytes()).expect("base64");
    let public = public.try_into().expect("a public key has 32 bytes");
    let expected = VerifierKey::new(name("a"), KeyKind::Log, public);
    let without_public = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----";
    for text in [with_public, without_public] {
        let key = SigningKey::from_pem(name("a"), text.as_bytes()).expect("the key is valid");
        assert_eq!(*key.verifier(), expected);
    }
    let p256 = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2
OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r
1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G
-----END PRIVATE KEY-----";
    let go = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let cut = &plain[..plain.len() / 2];
    let public = plain.replace("PRIVATE", "PUBLIC");
    for text in ["", go, cut, &public, p256] {
        let error = SigningKey::from_pem(name("a"), text.as_bytes()).expect_err(text);
        assert_eq!(error, TransparencyError::InvalidSigningKey);
    }
}

#[test]
fn a_signing_key_is_not_shown() {
    let seed = [0xab; 32];
    let key = signing_key("example.com/log", 0xab);
    let shown = format!("{key:?}");
    assert!(shown.contains("example.com/log"), "{shown}");
    let forms = [BASE64.encode(&seed), "ab".repeat(4), "171, 171".to_owned()];
    assert!(forms.iter().all(|form| !shown.contains(form)), "{shown}");
}

proptest! {
    #[test]
    fn no_text_of_a_key_causes_a_panic(text in ".{0,200}", bytes: Vec<u8>, seed: [u8; 32]) {
        let _ = text.parse::<VerifierKey>();
        let _ = format!("a+{text}").parse::<VerifierKey>();
        let _ = SigningKey::from_pem(name("a"), &bytes);
        let _ = SigningKey::from_pem(name("a"), text.as_bytes());
        let pem = pem(seed).replace("MC4CAQAwBQYDK2Vw", &BASE64.encode(&bytes));
        let _ = SigningKey::from_pem(name("a"), pem.as_bytes());
    }
}
