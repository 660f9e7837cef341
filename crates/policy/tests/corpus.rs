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
            let found = match decide(asked) {
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

fn decide(asked: &Asked) -> Result<Decision, String> {
    let parse = |kind, text: &String| Document::parse(kind, text).map_err(|it| it.to_string());
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

#[test]
fn the_crate_agrees_with_every_case() {
    let mut failures = Vec::new();
    let mut count = 0;
    for (file, cases) in load() {
        for case in cases {
            count += 1;
            if let Some(found) = failure(&case) {
                failures.push(format!("{file}: {}: {found}", case.name));
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
