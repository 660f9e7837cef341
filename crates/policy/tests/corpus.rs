//! The cases of `corpus/`, each with the page of AWS's documentation that it follows from.

mod cases;

use std::collections::BTreeSet;

use cases::{Asked, Case, Decided, Form, load};
use engine_roles_policy::{Decision, Document, Kind, evaluate, evaluate_trust, grants_within};

/// Returns what is wrong with the case; `None` if the crate agrees with it.
fn failure(case: &Case) -> Option<String> {
    let parse = |kind, text: &String| Document::parse(kind, text).map_err(|it| it.to_string());
    match &case.form {
        Form::Decision(asked) => {
            let found = match decide(asked, asked.lenient) {
                Ok(found) => found,
                Err(error) => return Some(error),
            };
            let word = match &found {
                Decision::Allowed { .. } => Decided::Allowed,
                Decision::Denied { .. } => Decided::ExplicitlyDenied,
                Decision::NotAllowed => Decided::ImplicitlyDenied,
                Decision::Indeterminate { .. } => Decided::Indeterminate,
            };
            (word != asked.expected).then(|| format!("{found:?}"))
        }
        Form::Parsing { kind, text, rule } => {
            let found = Document::parse(*kind, text);
            let found = found.err().map(|error| error.rule.name());
            (found != rule.as_deref()).then(|| format!("{found:?}"))
        }
        Form::Containment {
            document,
            limits,
            within,
        } => match parse(Kind::Identity, document) {
            Ok(document) => {
                let found = grants_within(&document, limits);
                (found.is_ok() != *within).then(|| format!("{found:?}"))
            }
            Err(error) => Some(error),
        },
        Form::Equivalence {
            documents,
            equivalent,
        } => {
            let parsed = documents.iter().map(|text| parse(Kind::Identity, text));
            match parsed.collect::<Result<Vec<_>, _>>().as_deref() {
                Ok([one, other]) => (one.equivalent(other) != *equivalent)
                    .then(|| format!("equivalent: {}", !equivalent)),
                other => Some(format!("{other:?}")),
            }
        }
    }
}

fn decide(asked: &Asked, lenient: bool) -> Result<Decision, String> {
    let parse = |kind, text: &String| {
        let document = if lenient {
            Document::read(kind, text)
        } else {
            Document::parse(kind, text)
        };
        document.map_err(|error| error.to_string())
    };
    if let Some(trust) = &asked.trust {
        return Ok(evaluate_trust(&asked.request, &parse(Kind::Trust, trust)?));
    }
    let policies = asked.policies.iter().map(|it| parse(Kind::Identity, it));
    let policies: Vec<Document> = policies.collect::<Result<_, _>>()?;
    let boundary = asked.boundary.as_ref().map(|it| parse(Kind::Boundary, it));
    Ok(evaluate(
        &asked.request,
        &policies.iter().collect::<Vec<_>>(),
        boundary.transpose()?.as_ref(),
    ))
}

/// Cases that this crate does not decide exactly yet. Each is listed only as long as it fails.
const NOT_YET: [(&str, &str); 0] = [];

#[test]
fn the_crate_agrees_with_every_case() {
    let mut failures = Vec::new();
    let mut count = 0;
    for (file, cases) in load() {
        for case in cases {
            count += 1;
            let is_listed = NOT_YET.contains(&(file.as_str(), case.name.as_str()));
            match failure(&case) {
                Some(found) if !is_listed => {
                    failures.push(format!("{file}: {}: {found}", case.name));
                }
                None if is_listed => failures.push(format!(
                    "{file}: {}: the crate agrees, so it must not be listed in NOT_YET",
                    case.name
                )),
                _ => {}
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {count} cases:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn a_document_that_is_parsed_strictly_decides_the_same_when_it_is_read_leniently() {
    let cases = load().into_iter().flat_map(|(_, cases)| cases);
    let (mut same, mut rejected) = (0, 0);
    for case in cases {
        let Form::Decision(asked) = &case.form else {
            continue;
        };
        let read = decide(asked, true).expect("a document");
        match decide(asked, false) {
            Ok(parsed) => {
                assert_eq!(parsed, read, "{}", case.name);
                same += 1;
            }
            Err(_) => rejected += 1,
        }
    }
    assert!(same > 300 && rejected > 20, "{same} {rejected}");
}

#[test]
fn every_case_is_different_and_names_its_page() {
    let (mut count, mut contents) = (0, BTreeSet::new());
    for (file, cases) in load() {
        let mut names = BTreeSet::new();
        for case in cases {
            count += 1;
            assert!(names.insert(case.name.clone()), "{file}: {}", case.name);
            assert!(
                case.source.page.starts_with("https://docs.aws.amazon.com/")
                    && !case.source.heading.is_empty(),
                "{file}: {}",
                case.name
            );
            let content = (format!("{:?}", case.form), case.source.heading.clone());
            // The same request may show two rules of two sections.
            assert!(contents.insert(content), "{file}: {}", case.name);
        }
    }
    assert!(count >= 300, "{count}");
}
