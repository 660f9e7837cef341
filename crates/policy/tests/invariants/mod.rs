//! What holds for any text, valid or not. `tests/mutations.rs` and the fuzz target `document` check
//! the same.

use engine_roles_policy::{
    Context, Decision, Document, Effect, Grant, Kind, Principal, Request, Scope, evaluate,
    evaluate_trust, grants_within, lint, size_of_text,
};

const KINDS: [Kind; 3] = [Kind::Identity, Kind::Trust, Kind::Boundary];

/// What was found out about a text; a test checks that its texts are not all rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Whether the text is a valid document of some kind.
    pub(crate) parsed: bool,
    /// Whether the text is read as some document that AWS holds, but not understood completely.
    pub(crate) doubtful: bool,
}

/// Checks the text in each kind. The work of lint is left out where `linted` is false.
///
/// # Panics
/// Panics if something does not hold.
pub(crate) fn check(text: &str, linted: bool) -> Found {
    let _ = size_of_text(text);
    let mut found = Found::default();
    for kind in KINDS {
        let read = Document::read(kind, text);
        if let Ok(read) = &read {
            found.doubtful |= read.not_understood().count() > 0;
            check_decisions(read);
        }
        let Ok(document) = Document::parse(kind, text) else {
            continue;
        };
        found.parsed = true;
        let read = read.expect("a document that is parsed strictly can be read leniently");
        assert_eq!(read.not_understood().count(), 0, "{text}");
        check_writing(&document);
        check_same_decisions(&document, &read);
        check_containment(&document);
        if linted {
            check_lint(&document);
        }
    }
    found
}

/// Writing and parsing a document gives the same document, and its canonical form is stable.
fn check_writing(document: &Document) {
    let kind = document.kind();
    for text in [document.to_json(), document.to_pretty_json()] {
        let again = Document::parse(kind, &text).expect("a document that was written is valid");
        assert_eq!(again, *document);
    }
    let canonical = canonical(document);
    assert_eq!(canonical.to_value(), document.to_value());
    assert!(canonical.equivalent(document) && document.equivalent(&canonical));
}

fn canonical(document: &Document) -> Document {
    Document::from_value(document.kind(), &document.to_value())
        .expect("the canonical form is a document")
}

fn requests() -> impl Iterator<Item = Request> {
    let contexts = [
        Context::new(),
        Context::partial(),
        Context::new()
            .with("aws:username", "*")
            .with("aws:SecureTransport", "true")
            .with_values("aws:TagKeys", ["a", "b"]),
    ];
    let asked = [
        ("s3:GetObject", "arn:aws:s3:::a/b"),
        ("iam:PassRole", "arn:aws:iam::111122223333:role/a"),
        ("sts:AssumeRole", "*"),
    ];
    contexts.into_iter().flat_map(move |context| {
        asked.map(|(action, resource)| Request {
            principal: Some(Principal::aws("arn:aws:iam::111122223333:user/ann")),
            ..Request::new(action, resource).in_context(context.clone())
        })
    })
}

fn decide(request: &Request, document: &Document) -> Decision {
    if document.kind() == Kind::Trust {
        evaluate_trust(request, document)
    } else {
        evaluate(request, &[document], None)
    }
}

/// The decision without the statement that made it.
fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allowed { .. } => "allowed",
        Decision::Denied { .. } | Decision::NotAllowed => "denied",
        Decision::Indeterminate { .. } => "indeterminate",
    }
}

/// A decision in a partial context stays the same in a complete one, and a document under itself
/// as a boundary decides as it does alone.
fn check_decisions(document: &Document) {
    for request in requests() {
        let decision = decide(&request, document);
        if request.context == Context::partial() && word(&decision) != "indeterminate" {
            let complete = request.clone().in_context(Context::new());
            assert_eq!(word(&decide(&complete, document)), word(&decision));
        }
        if document.kind() != Kind::Trust {
            let within = evaluate(&request, &[document], Some(document));
            assert_eq!(word(&within), word(&decision));
        }
    }
}

fn check_same_decisions(document: &Document, read: &Document) {
    let canonical = canonical(document);
    for request in requests() {
        let decision = decide(&request, document);
        assert_eq!(decide(&request, read), decision);
        assert_eq!(word(&decide(&request, &canonical)), word(&decision));
    }
}

/// A document grants nothing beyond the pairs of actions and resources that it lists.
fn check_containment(document: &Document) {
    let mut limits = Vec::new();
    let allows = document.statements().iter();
    for statement in allows.filter(|statement| statement.effect == Effect::Allow) {
        let listed = match (&statement.actions, &statement.resources) {
            (Scope::Only(actions), Some(Scope::Only(resources))) => Some((actions, resources)),
            _ => None,
        };
        let Some((actions, resources)) = listed else {
            limits.push(Grant::new("*", "*"));
            continue;
        };
        for action in actions {
            for resource in resources {
                // The value of a variable could be anything; an escape is a character.
                let resource = if resource.contains("${") {
                    "*"
                } else {
                    resource
                };
                limits.push(Grant::new(action, resource));
            }
        }
    }
    if let Err(excess) = grants_within(document, &limits) {
        panic!("{excess}: {}", document.to_json());
    }
}

/// A document allows every request that lint shows as a counterexample.
fn check_lint(document: &Document) {
    for found in lint::lint(document) {
        for example in found.counterexample {
            let decision = decide(&example.to_request(), document);
            assert!(decision.is_allowed(), "{example}: {}", document.to_json());
        }
    }
}
