//! The customer's KMS key that encrypts secrets: which roles may use it, and for what.

use engine_roles_domain::binding::{Binding, Conditions, Intent, Rejection, decide_put};
use engine_roles_domain::cluster::{
    ClusterName, Defaults, Mode, RoleReference, RoleRequest, RoleSpec,
};
use engine_roles_domain::grant::{KmsKeyArn, role_policy};
use engine_roles_domain::resources::{InlinePolicies, NotAdoptable, Tags, claimed_by, spec_of};
use engine_roles_policy::{Context, Document, Request, evaluate};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::fixtures::{
    PATH, active, binding_of, cluster, defaults, named_secrets, pass_through_spec, scope, spec,
    whole_role,
};

const ONE: &str = "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef";
const OTHER: &str = "arn:aws:kms:us-west-2:123456789012:key/fedcba98-7654-3210-fedc-ba9876543210";
const MANY: &str = "arn:aws:kms:us-west-2:999999999999:key/mrk-0123456789abcdef0123456789abcdef";

const VIA_SERVICE: &str = "kms:ViaService";
const SECRET_ARN: &str = "kms:EncryptionContext:SecretARN";
const HERE: &str = "secretsmanager.us-west-2.amazonaws.com";

fn key(text: &str) -> KmsKeyArn {
    text.parse().expect("a key")
}

fn with_key(text: &str) -> RoleSpec {
    RoleSpec {
        kms_key: Some(key(text)),
        ..spec()
    }
}

fn policy(spec: &RoleSpec, cluster: &ClusterName) -> Document {
    role_policy(spec, &scope(), cluster).expect("a policy")
}

fn secret_of(cluster: &str) -> String {
    format!(
        "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/{cluster}/db-AbCdEf"
    )
}

fn may_decrypt(document: &Document, key: &str, context: Context) -> bool {
    let request = Request::new("kms:Decrypt", key).in_context(context);
    evaluate(&request, &[document], None).is_allowed()
}

fn reading(secret: &str) -> Context {
    Context::new()
        .with(VIA_SERVICE, HERE)
        .with(SECRET_ARN, secret)
}

#[test]
fn the_policy_allows_the_key_for_the_clusters_secrets_only() {
    let sent = policy(&with_key(ONE), &cluster()).to_json();
    let sent: serde_json::Value = serde_json::from_str(&sent).expect("JSON");
    let pretty = serde_json::to_string_pretty(&sent["Statement"]).expect("plain data");
    assert_snapshot!(pretty, @r#"
    [
      {
        "Action": "secretsmanager:GetSecretValue",
        "Effect": "Allow",
        "Resource": "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/*",
        "Sid": "ReadOwnSecrets"
      },
      {
        "Action": "kms:Decrypt",
        "Condition": {
          "StringEquals": {
            "kms:ViaService": "secretsmanager.us-west-2.amazonaws.com"
          },
          "StringLike": {
            "kms:EncryptionContext:SecretARN": "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/*"
          }
        },
        "Effect": "Allow",
        "Resource": "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
        "Sid": "DecryptEngineSecrets"
      }
    ]
    "#);
}

#[test]
fn the_key_decrypts_the_clusters_secrets_through_secrets_manager_and_nothing_else() {
    let document = policy(&with_key(ONE), &cluster());
    let own = secret_of("one");
    assert!(may_decrypt(&document, ONE, reading(&own)));
    assert!(!may_decrypt(&document, OTHER, reading(&own)));
    for (why, context) in [
        ("by itself", Context::new().with(SECRET_ARN, &own)),
        ("for no secret", Context::new().with(VIA_SERVICE, HERE)),
        ("another cluster's secret", reading(&secret_of("two"))),
        ("a cluster of a longer name", reading(&secret_of("one2"))),
        (
            "another service",
            reading(&own).with(VIA_SERVICE, "s3.us-west-2.amazonaws.com"),
        ),
        (
            "another region",
            reading(&own).with(VIA_SERVICE, "secretsmanager.eu-west-1.amazonaws.com"),
        ),
    ] {
        assert!(!may_decrypt(&document, ONE, context), "{why}");
    }
    let encrypts = Request::new("kms:Encrypt", ONE).in_context(reading(&own));
    assert!(!evaluate(&encrypts, &[&document], None).is_allowed());
}

#[test]
fn a_policy_without_a_key_allows_no_key() {
    let document = policy(&spec(), &cluster());
    assert!(!document.to_json().contains("kms:"));
}

fn created_with(key_arn: &str, region: &str) -> Result<Intent, Rejection> {
    let defaults = Defaults {
        kms_key: Some(key(key_arn)),
        ..defaults()
    };
    let wanted = RoleRequest {
        region: Some(region.parse().expect("a region")),
        ..RoleRequest::default()
    };
    decide_put(
        &cluster(),
        None,
        &wanted,
        &defaults,
        &scope(),
        &Conditions::default(),
    )
}

#[test]
fn a_new_role_gets_the_administrators_key_in_the_region_of_the_secrets() {
    let key_in = |region: &str, key: &str| match created_with(key, region) {
        Ok(Intent::New(spec)) => spec.kms_key.expect("a key").to_string(),
        other => panic!("{other:?} is not a new binding"),
    };
    assert_eq!(key_in("us-west-2", ONE), ONE);
    assert_eq!(key_in("us-west-2", MANY), MANY);
    assert_eq!(
        key_in("eu-west-1", MANY),
        MANY.replace("us-west-2", "eu-west-1")
    );
    let rejected = created_with(ONE, "eu-west-1").expect_err("the key has no replica");
    assert!(matches!(rejected, Rejection::KeyOfOtherRegion { .. }));
    assert_snapshot!(rejected, @"the secrets' KMS key is a single-Region key in us-west-2; it can't be used in eu-west-1");
}

#[test]
fn a_pass_through_role_gets_no_key() {
    let role = "engine";
    let defaults = Defaults {
        kms_key: Some(key(ONE)),
        iam_role: Some(RoleReference::parse(role).expect("a role")),
        ..defaults()
    };
    // The region of the key does not matter for a pass-through role.
    let wanted = RoleRequest {
        mode: Some(Mode::PassThrough),
        region: Some("eu-west-1".parse().expect("a region")),
        ..RoleRequest::default()
    };
    let intent = decide_put(
        &cluster(),
        None,
        &wanted,
        &defaults,
        &scope(),
        &Conditions::default(),
    );
    let expected = RoleSpec {
        region: "eu-west-1".parse().expect("a region"),
        administrator_tag_keys: ["team".to_owned()].into(),
        ..pass_through_spec(role, None)
    };
    assert_eq!(intent.expect("an intent"), Intent::New(expected));
}

#[test]
fn a_live_role_keeps_the_key_that_it_was_created_with() {
    for (made_with, now) in [
        (None, Some(ONE)),
        (Some(ONE), None),
        (Some(ONE), Some(OTHER)),
    ] {
        let live = Binding {
            spec: RoleSpec {
                kms_key: made_with.map(key),
                ..spec()
            },
            ..active()
        };
        let defaults = Defaults {
            kms_key: now.map(key),
            ..defaults()
        };
        let decide = |wanted: RoleRequest| {
            decide_put(
                &cluster(),
                Some(&live),
                &wanted,
                &defaults,
                &scope(),
                &Conditions::default(),
            )
            .expect("an intent")
        };
        let unchanged = Intent::Unchanged(Box::new(live.clone()));
        assert_eq!(decide(RoleRequest::default()), unchanged);
        let changed = decide(RoleRequest {
            session_manager: Some(true),
            ..RoleRequest::default()
        });
        let Intent::Change(_, changed) = changed else {
            panic!("{changed:?} is not a change");
        };
        assert_eq!(changed.kms_key, made_with.map(key));
    }
}

#[test]
fn the_key_is_read_back_from_an_orphan() {
    for secrets in [spec().secrets, named_secrets(&["db"])] {
        let lost = binding_of(RoleSpec {
            secrets,
            session_manager: true,
            ..with_key(ONE)
        });
        let role = whole_role(&lost);
        let tags = role.tags.clone().expect("tags");
        let name = lost.resource_name();
        let claimed = claimed_by(&lost.namespace, name.as_str(), PATH, &tags)
            .expect("the tags prove our ownership");
        let read = spec_of(&claimed, &role, &Tags::default()).expect("a spec");
        assert_eq!(read, lost.spec);
        let mut role = role;
        let InlinePolicies::Listed { own: Some(own), .. } = &mut role.inline else {
            panic!("it has a policy");
        };
        *own = own.replace(ONE, &ONE.replace("us-west-2", "eu-west-1"));
        let error =
            spec_of(&claimed, &role, &Tags::default()).expect_err("the key is in another region");
        assert!(matches!(error, NotAdoptable::Unreadable(_)), "{error}");
    }
}

proptest! {
    #[test]
    fn no_spec_lets_the_key_decrypt_another_clusters_secret(
        one in "[A-Za-z0-9][A-Za-z0-9_-]{0,20}",
        two in "[A-Za-z0-9][A-Za-z0-9_-]{0,20}",
        session_manager: bool,
    ) {
        prop_assume!(one != two);
        let spec = RoleSpec { session_manager, ..with_key(ONE) };
        let document = policy(&spec, &one.parse().expect("a cluster"));
        prop_assert!(may_decrypt(&document, ONE, reading(&secret_of(&one))));
        prop_assert!(!may_decrypt(&document, ONE, reading(&secret_of(&two))));
    }
}
