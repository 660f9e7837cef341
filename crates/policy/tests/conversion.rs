//! `FromStr` and serde for documents.

mod cases;

use std::collections::BTreeMap;

use engine_roles_policy::{Document, Kind, Rule};
use serde_json::json;

const READ: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::reports/*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

#[test]
fn the_kind_of_a_text_is_that_of_a_trust_policy_if_it_names_a_principal() {
    let read: Document = READ.parse().unwrap();
    assert_eq!(read, Document::parse(Kind::Identity, READ).unwrap());
    let trust: Document = TRUST.parse().unwrap();
    assert_eq!(trust, Document::parse(Kind::Trust, TRUST).unwrap());
    let error = r#"{"Statement": []}"#.parse::<Document>().unwrap_err();
    assert_eq!(error.rule, Rule::Empty);
}

#[test]
fn a_document_is_serialized_as_the_policy_in_the_order_in_which_it_is_written() {
    for text in [READ, TRUST] {
        let document: Document = text.parse().unwrap();
        assert_eq!(serde_json::to_string(&document).unwrap(), text);
        let members = BTreeMap::from([("policy", document.clone())]);
        let value = serde_json::to_value(&members).unwrap();
        let again: BTreeMap<String, Document> = serde_json::from_value(value).unwrap();
        assert_eq!(again["policy"], document);
    }
}

#[test]
fn every_valid_document_of_the_corpus_is_the_same_after_serialization() {
    let mut count = 0;
    for (_, text) in cases::documents() {
        if let Ok(document) = text.parse::<Document>() {
            let json = serde_json::to_string(&document).unwrap();
            assert_eq!(json, document.to_json());
            assert_eq!(serde_json::from_str::<Document>(&json).unwrap(), document);
            count += 1;
        }
    }
    assert!(count > 300, "{count}");
}

#[test]
fn deserialization_rejects_what_the_parser_rejects() {
    let twice = r#"{"Statement": {"Effect": "Allow", "Action": "s3:Get*", "Action": "*", "Resource": "*"}}"#;
    let error = serde_json::from_str::<Document>(twice).unwrap_err();
    assert!(error.to_string().contains("occurs twice"), "{error}");
    let unknown = json!({"Statement": {"Effect": "Allow", "Actions": "s3:Get*", "Resource": "*"}});
    let error = serde_json::from_value::<Document>(unknown).unwrap_err();
    assert!(
        error.to_string().starts_with("Statement[0].Actions: "),
        "{error}"
    );
    let number = |number: &str| {
        let text = READ.replace(
            r#""Resource""#,
            &format!(r#""Condition":{{"NumericEquals":{{"s3:max-keys":{number}}}}},"Resource""#),
        );
        serde_json::from_str::<Document>(&text)
    };
    assert!(number("18446744073709551615").is_ok());
    for rounded in ["18446744073709551616", "0.1", "1e3"] {
        let error = number(rounded).unwrap_err();
        assert!(error.to_string().contains("rounded"), "{error}");
    }
}

#[test]
fn a_document_that_was_not_completely_understood_is_not_serialized() {
    let text = READ.replace("\"Allow\"", "\"allow\"");
    let document = Document::read(Kind::Identity, &text).unwrap();
    let error = serde_json::to_string(&document).unwrap_err();
    assert!(error.to_string().contains("Statement[0].Effect"), "{error}");
}
