//! The problems of each operation, as answers of the OpenAPI document.

use std::collections::BTreeMap;

use engine_roles_contract::Code;
use serde_json::json;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::headers;
use crate::problem::{self, status_and_title, word};

/// The name of an answer's list of codes in the document.
const CODES: &str = "x-problem-codes";

/// Returns one answer for each status of these codes, by the status.
pub(super) fn answers(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        let (status, _) = status_and_title(*code);
        by_status.entry(status.as_u16()).or_default().push(*code);
    }
    let answers = by_status
        .into_iter()
        .map(|(status, codes)| (status.to_string(), RefOr::T(answer(&codes))));
    answers.collect()
}

/// Returns an example of each code, by the code's word.
pub(super) fn examples(codes: &[Code]) -> BTreeMap<String, RefOr<Example>> {
    let examples = codes.iter().map(|code| {
        let (_, title) = status_and_title(*code);
        let value = json!(problem::example(*code));
        let example = ExampleBuilder::new().summary(title).value(Some(value));
        (word(*code), RefOr::T(example.build()))
    });
    examples.collect()
}

fn answer(codes: &[Code]) -> Response {
    let lines = codes.iter().map(|code| {
        let (_, title) = status_and_title(*code);
        format!("- `{}`: {title}", word(*code))
    });
    let description = format!(
        "A problem with one of these codes. Later versions may add codes.\n\n{}",
        lines.collect::<Vec<_>>().join("\n")
    );
    let words: Vec<String> = codes.iter().copied().map(word).collect();
    let mut content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    for word in &words {
        let example = Ref::new(format!("#/components/examples/{word}"));
        content.examples.insert(word.clone(), RefOr::Ref(example));
    }
    let codes_of_answer = ExtensionsBuilder::new().add(CODES, words).build();
    let mut answer = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .extensions(Some(codes_of_answer))
        .build();
    answer.headers = headers::of_problem(codes);
    answer
}
