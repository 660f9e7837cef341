//! No name of a cluster or a secret lets a rendered document grant anything outside its prefix.
//!
//! The tests try 20,000 names by default, and a million with `PROPTEST_CASES=1000000 cargo test
//! --release -p engine-roles-policy --test names`.

use std::collections::BTreeMap;

use engine_roles_policy::render::{self, RenderError};
use engine_roles_policy::{Document, Grant, Kind, Request, evaluate, grants_within, lint};
use proptest::prelude::*;
use proptest::test_runner::Config;

const TEMPLATE: &str = r#"{"Version": "2012-10-17", "Statement": [{"Sid": "ReadOwnSecrets", "Effect": "Allow",
    "Action": "secretsmanager:GetSecretValue",
    "Resource": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:compute-engine/<CLUSTER>/<SECRET>-??????"}]}"#;

fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}")
}

/// Ordinary names, and names that an attacker would try.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[a-zA-Z0-9_+=.@-]{1,24}",
        2 => proptest::collection::vec(
            proptest::sample::select(vec![
                "*", "?", "$", "{", "}", "${aws:PrincipalAccount}", "${*}", "/", "..", ":", "a", "prod", "-",
                "\"", "\\", "\\u002a", "<CLUSTER>", "\n", "\u{0}", " ", "é", "\u{202e}", "'", ",",
            ]),
            1..5,
        )
        .prop_map(|pieces| pieces.concat()),
        1 => ".{0,12}",
    ]
}

fn cases() -> Config {
    // `default()` takes PROPTEST_CASES into account.
    let chosen = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() {
        chosen.cases
    } else {
        20_000
    };
    Config { cases, ..chosen }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_name_is_rejected_or_grants_access_to_its_own_secret_only(
        cluster in name(), secret in name(), other in name()
    ) {
        let values = BTreeMap::from([("CLUSTER", cluster.as_str()), ("SECRET", secret.as_str())]);
        let text = match render::fill(TEMPLATE, &values) {
            Ok(text) => text,
            Err(RenderError::LiveCharacter { .. } | RenderError::EmptyValue { .. }) => {
                prop_assert!(!render::is_safe(&cluster) || !render::is_safe(&secret));
                return Ok(());
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        let document = Document::parse(Kind::Identity, &text)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;

        let own = Grant::new("secretsmanager:GetSecretValue", arn(&format!("compute-engine/{cluster}/*")));
        prop_assert!(grants_within(&document, &[own]).is_ok());
        prop_assert!(lint::lint(&document).is_empty());

        let read = |name: &str| {
            evaluate(&Request::new("secretsmanager:GetSecretValue", arn(name)), &[&document], None)
        };
        let named = format!("compute-engine/{cluster}/{secret}-Ab12Cd");
        prop_assert!(read(&named).is_allowed());
        // The document grants no access to another cluster's secret of the same name, unless the
        // other cluster has the same name too.
        let theirs = format!("compute-engine/{other}/{secret}-Ab12Cd");
        prop_assert!(theirs == named || !read(&theirs).is_allowed());
        let longer = format!("compute-engine/{cluster}x/{secret}-Ab12Cd");
        prop_assert!(!read(&longer).is_allowed());
    }
}
