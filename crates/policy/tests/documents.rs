//! Reading, writing and comparing documents.

use engine_roles_policy::{Document, Kind, Principal, Statement, Test, size_of_text};

#[test]
fn a_document_built_in_code_is_written_compactly_and_in_reading_order() {
    let document = Document::new(
        Kind::Identity,
        vec![
            Statement::allow(
                "ReadSecrets",
                ["secretsmanager:GetSecretValue"],
                ["arn:aws:secretsmanager:us-east-1:123456789012:secret:compute-engine/a/*"],
            )
            .when(Test::StringEquals, "aws:RequestedRegion", ["us-east-1"]),
        ],
    )
    .unwrap();
    insta::assert_snapshot!(document.to_json(), @r#"{"Version":"2012-10-17","Statement":[{"Sid":"ReadSecrets","Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:us-east-1:123456789012:secret:compute-engine/a/*","Condition":{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}}]}"#);
    assert_eq!(document.size(), size_of_text(&document.to_json()));
    assert_eq!(
        Document::parse(Kind::Identity, &document.to_json()).unwrap(),
        document
    );
}

#[test]
fn a_trust_policy_names_its_principal_and_no_resource() {
    let document = Document::new(
        Kind::Trust,
        vec![Statement::trust(
            "",
            Principal::service("ec2.amazonaws.com"),
            ["sts:AssumeRole"],
        )],
    )
    .unwrap();
    insta::assert_snapshot!(document.to_json(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#);
}
