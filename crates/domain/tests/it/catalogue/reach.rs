//! What the filled-in documents allow.

use engine_roles_domain::account::{Partition, Scope};
use engine_roles_domain::cluster::{ClusterName, RoleSpec};
use engine_roles_domain::grant::{KmsKeyArn, Placeholders, role_policy};
use engine_roles_policy::{Context, Document, Kind, Request, evaluate};
use proptest::prelude::*;

use super::{ENGINE_DOCUMENTS, KEY, render, role, values, with_key};
use crate::fixtures::{cluster, scope, spec};

#[test]
fn the_boundary_allows_everything_that_the_policy_of_a_created_role_allows() {
    let spec = RoleSpec {
        session_manager: true,
        kms_key: Some(KEY.parse().expect("a key")),
        ..spec()
    };
    let policy = role_policy(&spec, &scope(), &cluster()).expect("a policy");
    let boundary = render("engine-boundary", &with_key());
    let own = "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/db-AbCdEf";
    let decrypting = Context::new()
        .with("kms:ViaService", "secretsmanager.us-west-2.amazonaws.com")
        .with("kms:EncryptionContext:SecretARN", own);
    let mut asked = vec![
        Request::new("secretsmanager:GetSecretValue", own),
        Request::new("kms:Decrypt", KEY).in_context(decrypting),
    ];
    let granted = policy
        .statements()
        .iter()
        .flat_map(|it| it.actions.patterns());
    let messages = granted.filter(|action| action.starts_with("ssm") || action.starts_with("ec2"));
    asked.extend(messages.map(|action| Request::new(action, "*")));
    assert_eq!(asked.len(), 25);
    for request in asked {
        let decision = evaluate(&request, &[&policy], Some(&boundary));
        assert!(decision.is_allowed(), "{request:?}");
    }
}

#[test]
fn the_service_may_pass_only_its_own_and_listed_roles_and_only_to_ec2() {
    let listed = "arn:aws:iam::123456789012:role/a/engine";
    let document = render(
        "engine-role-service",
        &Placeholders {
            pass_through_roles: vec![role(listed)],
            ..values()
        },
    );
    let passes = |role: &str, service: &str| {
        let context = Context::new().with("iam:PassedToService", service);
        let request = Request::new("iam:PassRole", role).in_context(context);
        evaluate(&request, &[&document], None).is_allowed()
    };
    let own = "arn:aws:iam::123456789012:role/ai-unlimited/engine/test/x";
    assert!(passes(listed, "ec2.amazonaws.com") && passes(own, "ec2.amazonaws.com"));
    assert!(!passes(listed, "lambda.amazonaws.com") && !passes(own, "lambda.amazonaws.com"));
    for other in [
        "arn:aws:iam::123456789012:role/engine",
        "arn:aws:iam::123456789012:role/ai-unlimited/engine/other/x",
        "arn:aws:iam::123456789012:role/admin",
    ] {
        assert!(!passes(other, "ec2.amazonaws.com"), "{other}");
    }
}

proptest! {
    #[test]
    fn no_engine_document_of_a_cluster_reaches_beyond_it(
        one in "[A-Za-z0-9][A-Za-z0-9_-]{0,62}",
        two in "[A-Za-z0-9][A-Za-z0-9_-]{0,20}",
        secret in "[A-Za-z0-9_+=.@-]{1,8}(/[a-z]{1,3})?",
        partition in prop::sample::select(Partition::ALL.to_vec()),
        key: bool,
    ) {
        prop_assume!(one != two);
        let region = match partition {
            Partition::Aws => "us-west-2",
            Partition::AwsCn => "cn-north-1",
            Partition::AwsUsGov => "us-gov-west-1",
            Partition::AwsEusc => "eusc-de-east-1",
        };
        let key_arn = format!("arn:{partition}:kms:{region}:123456789012:key/{}", &KEY[KEY.len() - 36..]);
        let key_arn = KmsKeyArn::parse(&key_arn).expect("a key");
        let values = Placeholders {
            partition: Some(partition),
            region: Some(region.parse().expect("a region")),
            cluster: Some(ClusterName::parse(&one).expect("a cluster")),
            kms_key: key.then(|| key_arn.clone()),
            ..values()
        };
        let Scope { account, .. } = scope();
        let secrets = format!("arn:{partition}:secretsmanager:{region}:{account}:secret:");
        for name in ENGINE_DOCUMENTS {
            let document = render(name, &values);
            // The document is evaluated as an identity policy, also where it is a boundary.
            let document = Document::parse(Kind::Identity, &document.to_json()).expect("a policy");
            let may = |request: Request| evaluate(&request, &[&document], None).is_allowed();
            let may_read = |path: &str| {
                let arn = format!("{secrets}{path}-AbCdEf");
                let context = Context::new()
                    .with("kms:ViaService", format!("secretsmanager.{region}.{}", partition.dns_suffix()))
                    .with("kms:EncryptionContext:SecretARN", &arn);
                let decrypt = Request::new("kms:Decrypt", key_arn.as_str()).in_context(context);
                (may(Request::new("secretsmanager:GetSecretValue", &arn)), may(decrypt))
            };
            prop_assert_eq!(may_read(&format!("compute-engine/{one}/{secret}")), (true, key));
            for other in [
                format!("compute-engine/{two}/{secret}"),
                format!("compute-engine/{one}"),
                format!("{one}/{secret}"),
            ] {
                prop_assert_eq!(may_read(&other), (false, false), "{}", other);
            }
        }
    }
}
