//! Witnesses that cosign checkpoints, and auditors who demand their cosignatures.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use engine_roles_e2e::Installation;
use engine_roles_e2e::binary::service_binary;
use engine_roles_transparency::{Note, WitnessKey, WitnessRequest};

use super::fixture::{Files, OTHER_KEY, read, signed};

const WITNESS: &str = "witness.example/1";
/// A witness whose cosignatures are made by the test, as another program would make them.
const OTHER_WITNESS: &str = "witness.example/2";
const AT: u64 = 1_700_000_000;

/// Runs a command about the audit log, and returns its exit code and what it printed. Names that begin
/// with `@` are files.
fn audit(files: &Files, installation: &Installation, arguments: &[&str]) -> (i32, String) {
    let arguments: Vec<String> = ["audit"]
        .iter()
        .chain(arguments)
        .map(|word| match word.strip_prefix('@') {
            Some(name) => files.text(name),
            None => (*word).to_owned(),
        })
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let address = format!("http://{}", installation.replicas[0].address());
    let changes = [
        ("ENGINE_ROLES_ADDR", address.as_str()),
        ("ENGINE_ROLES_API_KEY", installation.key()),
        ("DATABASE_URL", ""),
    ];
    let ran = installation.run(&arguments, &changes);
    let text = [ran.stdout, ran.stderr].concat();
    let code = ran.status.code().expect("the command ends");
    (code, String::from_utf8(text).expect("UTF-8"))
}

/// Runs a command that succeeds, and writes what it printed to a file.
fn write(files: &Files, installation: &Installation, name: &str, arguments: &[&str]) -> String {
    let (code, text) = audit(files, installation, arguments);
    assert_eq!(code, 0, "{arguments:?}: {text}");
    fs::write(files.path(name), &text).expect("written");
    text
}

/// Returns a service with a signed checkpoint, and the files of a log's owner and of a witness.
async fn with_witness(files: &Files) -> Installation {
    let installation = files.start().await;
    installation.client().provision("one").await.expect(201);
    signed(&installation).await;
    files.write_public_key(&installation);
    fs::write(files.path("witness.pem"), OTHER_KEY).expect("written");
    let key = [
        "witness-key",
        "--private-key",
        "@witness.pem",
        "--name",
        WITNESS,
    ];
    write(files, &installation, "witness.pub", &key);
    let other = other_witness().verifier().to_string();
    fs::write(files.path("other.pub"), other).expect("written");
    installation
}

fn other_witness() -> WitnessKey {
    let name = OTHER_WITNESS.parse().expect("a name");
    let pem = OTHER_KEY.replace("PT4/", "PT4A");
    WitnessKey::from_pem(name, pem.as_bytes()).expect("a key")
}

fn cosign(files: &Files, installation: &Installation, more: &[&str]) -> (i32, String) {
    let arguments = [
        "cosign",
        "@request",
        "--key",
        "@log.pub",
        "--private-key",
        "@witness.pem",
        "--name",
        WITNESS,
        "--state",
        "@state",
    ];
    audit(files, installation, &[&arguments, more].concat())
}

/// Writes the request for a witness that cosigned a checkpoint of this size last.
fn ask(files: &Files, installation: &Installation, old: u64) -> String {
    let arguments = ["checkpoint", "--old", &old.to_string()];
    write(files, installation, "request", &arguments)
}

#[tokio::test]
async fn an_auditor_demands_the_cosignatures_of_all_witnesses_or_of_a_quorum() {
    let files = Files::new();
    let installation = with_witness(&files).await;
    let request = ask(&files, &installation, 0);
    let (code, line) = cosign(&files, &installation, &["--first"]);
    assert_eq!(code, 0, "{line}");
    fs::write(files.path("cosignature"), &line).expect("written");
    let one = [
        "add-cosignature",
        "@request",
        "@cosignature",
        "--key",
        "@log.pub",
        "--witness-key",
        "@witness.pub",
    ];
    write(&files, &installation, "cosigned", &one);
    files.export(&installation, "export.ndjson", &[]);
    let verify = |checkpoint: &str, more: &[&str]| {
        let arguments = [
            "verify",
            "@export.ndjson",
            "--key",
            "@log.pub",
            "--checkpoint",
            checkpoint,
        ];
        audit(&files, &installation, &[&arguments, more].concat())
    };
    let (code, text) = verify("@cosigned", &["--witness-key", "@witness.pub"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.starts_with("cosigned by witness.example/1 at 20"),
        "{text}"
    );
    let both = [
        "--witness-key",
        "@witness.pub",
        "--witness-key",
        "@other.pub",
    ];
    let (code, text) = verify("@cosigned", &both);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("1 of 2 that are needed"), "{text}");
    assert!(text.contains("missing by witness.example/2"), "{text}");
    let quorum = |count| [&both[..], &["--quorum", count]].concat();
    assert_eq!(verify("@cosigned", &quorum("1")).0, 0);
    for count in ["0", "3"] {
        assert_eq!(verify("@cosigned", &quorum(count)).0, 2, "{count}");
    }
    // The same key under another name is no second witness.
    let alias = WitnessKey::from_pem("alias".parse().expect("a name"), OTHER_KEY.as_bytes());
    let alias = alias.expect("a key").verifier().to_string();
    fs::write(files.path("alias.pub"), alias).expect("written");
    let same = [
        "--witness-key",
        "@witness.pub",
        "--witness-key",
        "@alias.pub",
    ];
    assert_eq!(verify("@cosigned", &same).0, 0);
    let (code, text) = verify("@cosigned", &[&same[..], &["--quorum", "2"]].concat());
    assert_eq!(code, 2, "{text}");
    // A checkpoint that only the log has signed.
    let checkpoint = write(&files, &installation, "checkpoint", &["checkpoint"]);
    let (code, text) = verify("@checkpoint", &["--witness-key", "@witness.pub"]);
    assert_eq!(code, 1, "{text}");
    // The same checkpoint in two files, each with the cosignature of another witness.
    let request: WitnessRequest = request.parse().expect("a request");
    let trusted = files.text("log.pub");
    let trusted = fs::read_to_string(trusted)
        .expect("a file")
        .parse()
        .expect("keys");
    let other = other_witness().cosign(&request, &trusted, None, AT);
    let other = other.expect("cosigned").checkpoint.to_string();
    assert_eq!(read(&other), read(&checkpoint));
    fs::write(files.path("other"), &other).expect("written");
    let (code, text) = verify("@cosigned", &[&["@other"][..], &both].concat());
    assert_eq!(code, 0, "{text}");
    let at = "cosigned by witness.example/2 at 2023-11-14T22:13:20Z\n";
    assert!(text.contains(at), "{text}");
    // A wrong cosignature of a known witness is rejected, even if the other one would be enough.
    let enough = |file: &str| verify("@cosigned", &[&[file][..], &quorum("1")].concat());
    assert_eq!(enough("@other").0, 0);
    let (start, end) = other.split_at(other.len() - 20);
    let changed = if end.starts_with('A') { "B" } else { "A" };
    fs::write(
        files.path("wrong"),
        format!("{start}{changed}{}", &end[1..]),
    )
    .expect("written");
    let (code, text) = enough("@wrong");
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("the signature by witness.example/2 is wrong"),
        "{text}"
    );
}

#[tokio::test]
async fn a_witness_follows_a_log_and_cosigns_no_second_history() {
    let files = Files::new();
    let installation = with_witness(&files).await;
    ask(&files, &installation, 0);
    // A witness that lost its file must not begin anew by accident.
    let (code, text) = cosign(&files, &installation, &[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("add --first if"), "{text}");
    let (code, text) = cosign(&files, &installation, &["--first"]);
    assert_eq!(code, 0, "{text}");
    let state = || fs::read_to_string(files.path("state")).expect("the state");
    let first = read(&state());
    let (code, text) = cosign(&files, &installation, &["--first"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("leave out --first"), "{text}");
    let (code, text) = cosign(&files, &installation, &[]);
    assert_eq!(code, 1, "{text}");
    let advice = format!("audit checkpoint --old {}`", first.size);
    assert!(text.contains(&advice), "{text}");
    // The log grows.
    installation.client().delete("one").await.expect(200);
    signed(&installation).await;
    ask(&files, &installation, first.size);
    let (code, line) = cosign(&files, &installation, &[]);
    assert_eq!(code, 0, "{line}");
    let second = state();
    assert!(read(&second).size > first.size);
    assert!(second.ends_with(&line), "{second}");
    let note: Note = second.parse().expect("a note");
    assert_eq!(note.signatures().len(), 2);
    // A state that somebody else made, or that has lost its cosignature.
    ask(&files, &installation, read(&second).size);
    let end = second.len() - line.len();
    for made in [
        second[..end].to_owned(),
        second.replace("\n\n", "\nmore\n\n"),
    ] {
        fs::write(files.path("state"), &made).expect("written");
        let (code, text) = cosign(&files, &installation, &[]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("state: "), "{text}");
        assert_eq!(state(), made);
    }
    fs::write(files.path("state"), &second).expect("written");
    // A link has the same state under two names.
    fs::rename(files.path("state"), files.path("real")).expect("renamed");
    symlink("real", files.path("state")).expect("a link");
    let (code, text) = cosign(&files, &installation, &[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("symbolic link"), "{text}");
    fs::rename(files.path("real"), files.path("state")).expect("renamed");
    // Another history with the same key: an installation with another database.
    let second_history = files
        .signing(Installation::build())
        .env("ENGINE_ROLES_AUDIT_CHECKPOINTS", "")
        .start()
        .await;
    for cluster in ["one", "two", "three"] {
        second_history.client().provision(cluster).await.expect(201);
    }
    signed(&second_history).await;
    ask(&files, &second_history, read(&second).size);
    let (code, text) = cosign(&files, &second_history, &[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("does not lead to the root"), "{text}");
    assert_eq!(state(), second);
    installation.assert_sound().await;
}

#[tokio::test]
async fn output_that_can_not_be_written_is_an_error_and_loses_no_cosignature() {
    let files = Files::new();
    let installation = with_witness(&files).await;
    files.export(&installation, "export.ndjson", &[]);
    write(&files, &installation, "checkpoint", &["checkpoint"]);
    ask(&files, &installation, 0);
    let full = || {
        let file = File::options().write(true).open("/dev/full");
        file.expect("a device without room")
    };
    let run = |command: &str, stderr: Stdio| {
        let mut program = Command::new(service_binary());
        program.arg("audit").args(command.split(' '));
        program.current_dir(files.path(".")).stdout(full());
        let ran = program.stderr(stderr).output().expect("it runs");
        let text = String::from_utf8(ran.stderr).expect("UTF-8");
        (ran.status.code(), text)
    };
    let witness = format!("--private-key witness.pem --name {WITNESS}");
    let cosign = format!("cosign request --key log.pub {witness} --state state --first");
    let (code, text) = run(&cosign, Stdio::piped());
    assert_eq!(code, Some(2), "{text}");
    let advice = "the cosignature is the last line of this file";
    assert!(text.contains(advice), "{text}");
    let state = fs::read_to_string(files.path("state")).expect("the state");
    let line = state.lines().last().expect("a line");
    fs::write(files.path("cosignature"), format!("{line}\n")).expect("written");
    for command in [
        &format!("witness-key {witness}"),
        "public-key --audit-key-file key.pem",
        "add-cosignature request cosignature --key log.pub --witness-key witness.pub",
        "verify export.ndjson --key log.pub --checkpoint checkpoint",
    ] {
        let (code, text) = run(command, Stdio::piped());
        assert_eq!(code, Some(2), "{command}: {text}");
        assert!(text.contains("standard output can't be"), "{text}");
        let (code, _) = run(command, full().into());
        assert_eq!(code, Some(2), "{command}");
    }
}

#[tokio::test]
async fn what_no_witness_has_answered_is_not_added() {
    let files = Files::new();
    let installation = with_witness(&files).await;
    write(&files, &installation, "checkpoint", &["checkpoint"]);
    let add = |cosignature: &str, key: &str| {
        let arguments = [
            "add-cosignature",
            "@checkpoint",
            cosignature,
            "--key",
            "@log.pub",
            "--witness-key",
            key,
        ];
        audit(&files, &installation, &arguments)
    };
    for text in ["", "hello\n", "\u{2014} witness.example/1 AAAA\n"] {
        fs::write(files.path("answer"), text).expect("written");
        let (code, printed) = add("@answer", "@witness.pub");
        assert_eq!(code, 1, "{text}: {printed}");
        assert!(printed.contains("answer: "), "{printed}");
    }
    assert_eq!(add("@nowhere", "@witness.pub").0, 2);
    // The key of a log is no witness's.
    let (code, text) = add("@answer", "@log.pub");
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("public keys of witnesses"), "{text}");
    let smaller = ["checkpoint", "--old", "1000"];
    let (code, text) = audit(&files, &installation, &smaller);
    assert_eq!(code, 2, "{text}");
}
