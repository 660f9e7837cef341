//! Signed notes: their form, and texts that are no notes.

use data_encoding::BASE64;
use engine_roles_transparency::{MAX_NOTE_BYTES, Note, NoteSignature, TransparencyError};
use proptest::prelude::*;

use crate::fixtures::signing_key;

const LINE: &str = "\u{2014} example.com/a AAAAAQI=\n";

fn parse(text: &str) -> Result<Note, TransparencyError> {
    text.parse()
}

#[test]
fn a_note_is_its_text_an_empty_line_and_its_signatures() {
    let keys = [
        signing_key("example.com/a", 1),
        signing_key("example.com/b", 2),
    ];
    let note = Note::sign("one\n\ntwo\n".to_owned(), &[&keys[0], &keys[1]]);
    let note = note.expect("the text is valid");
    let text = note.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..4], ["one", "", "two", ""]);
    assert!(lines[4].starts_with("\u{2014} example.com/a "), "{text}");
    assert!(lines[5].starts_with("\u{2014} example.com/b "), "{text}");
    assert_eq!(lines.len(), 6);
    let bytes = lines[4].rsplit_once(' ').expect("a signature").1;
    let bytes = BASE64.decode(bytes.as_bytes()).expect("base64");
    assert_eq!(bytes.len(), 4 + 64);
    assert_eq!(bytes[..4], *keys[0].verifier().id().as_bytes());
    assert_eq!(parse(&text), Ok(note));
}

#[test]
fn the_last_empty_line_separates_text_and_signatures() {
    for text in [
        "\n",
        "a\n",
        "a\n\n",
        "\n\n\n",
        "a\n\u{2014} b AAAAAQI=\n\nc\n",
        "ü\n",
    ] {
        let note = parse(&format!("{text}\n{LINE}{LINE}")).expect(text);
        assert_eq!(note.text(), text);
        assert_eq!(note.signatures().len(), 2);
        assert_eq!(note.to_string(), format!("{text}\n{LINE}{LINE}"));
    }
}

#[test]
fn a_text_that_is_no_note_is_rejected() {
    let many = |count: usize| format!("a\n\n{}", LINE.repeat(count));
    for text in [
        String::new(),
        "a".to_owned(),
        "a\n".to_owned(),
        "a\n\n".to_owned(),
        "a\n\n\n".to_owned(),
        LINE.to_owned(),
        format!("a\n{LINE}"),
        format!("\n{LINE}"),
        format!("a\r\n\r\n{LINE}"),
        format!("a\t\n\n{LINE}"),
        format!("a\0\n\n{LINE}"),
        format!("a\n\n{LINE}\n"),
        format!("a\n\n{LINE}x"),
        format!("a\n\n{}", LINE.trim_end()),
        format!("a\n\n{}", LINE.replace('\n', "\r\n")),
        format!("a\n\n{}", LINE.replace('\u{2014}', "-")),
        format!("a\n\n{}", LINE.replace("\u{2014} ", "\u{2014}")),
        format!("a\n\n {LINE}"),
        format!("a\n\n{}", LINE.replace("example.com/a ", "")),
        format!("a\n\n{}", LINE.replace("example.com/a", "")),
        format!("a\n\n{}", LINE.replace("example.com", "exam+ple.com")),
        format!("a\n\n{}", LINE.replace("com/a ", "com/a  ")),
        format!("a\n\n{}", LINE.replace("AAAAAQI=", "")),
        format!("a\n\n{}", LINE.replace("AAAAAQI=", "AAAAAQI")),
        format!("a\n\n{}", LINE.replace("AAAAAQI=", "AAAAAQJ=")),
        format!("a\n\n{}", LINE.replace("AAAAAQI=", "AAAA-QI=")),
        format!("a\n\n{}", LINE.replace("AAAAAQI=", "AAA=AAQI")),
        format!("a\n\n{}", LINE.replace("AAAAAQI=", "AAAAAQI= ")),
        // Four bytes are an id without a signature.
        format!("a\n\n{}", LINE.replace("AAAAAQI=", "AAAAAQ==")),
        many(101),
        format!("{}\n\n{LINE}", "a".repeat(MAX_NOTE_BYTES)),
    ] {
        let error = parse(&text).expect_err(&text);
        assert!(
            matches!(error, TransparencyError::MalformedNote { .. }),
            "{text:?}: {error}"
        );
    }
    assert!(parse(&many(100)).is_ok());
}

#[test]
fn a_text_that_no_note_can_have_is_not_signed() {
    let key = signing_key("example.com/a", 1);
    for text in [
        "",
        "a",
        "a\r\n",
        "a\tb\n",
        &format!("{}\n", "a".repeat(MAX_NOTE_BYTES)),
    ] {
        let error = Note::sign(text.to_owned(), &[&key]).expect_err("the text is invalid");
        assert!(
            matches!(error, TransparencyError::MalformedNote { .. }),
            "{error}"
        );
    }
    assert!(Note::sign("a\n".to_owned(), &[]).is_err());
}

/// Changes a valid note a little, so that more than the first check of the parser is reached.
fn mutated() -> impl Strategy<Value = String> {
    let edits = proptest::collection::vec((any::<usize>(), any::<Option<char>>(), 0..3_u8), 0..4);
    edits.prop_map(|edits| {
        let note = format!("example.com/a\n3\nAAAA\n\n{LINE}{LINE}");
        let mut text: Vec<char> = note.chars().collect();
        for (at, character, kind) in edits {
            let at = at % text.len();
            let characters = ['\n', ' ', '+', '=', '\u{2014}', 'A', '\u{a0}'];
            let character = character.unwrap_or(characters[at % characters.len()]);
            match kind {
                0 => text[at] = character,
                1 => text.insert(at, character),
                _ => drop(text.remove(at)),
            }
        }
        text.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn a_note_that_is_parsed_is_written_as_it_was_read(text in mutated()) {
        if let Ok(note) = parse(&text) {
            prop_assert_eq!(note.to_string(), text);
            prop_assert!(note.text().ends_with('\n'));
        }
    }

    #[test]
    fn no_text_of_a_note_causes_a_panic(text: String, line: String) {
        let _ = parse(&text);
        let _ = parse(&format!("{text}\n\n\u{2014} {line}\n"));
        let _ = line.parse::<NoteSignature>();
        let _ = format!("\u{2014} a {line}").parse::<NoteSignature>();
    }
}
