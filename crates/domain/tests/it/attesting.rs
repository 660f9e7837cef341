//! Evaluation of a role's access, and attestation of prepared roles, from their policies.

use engine_roles_domain::binding::RoleRecord;
use engine_roles_domain::cluster::{RoleSpec, Secrets};
use engine_roles_domain::grant::{Access, KmsKeyArn, reach, role_policy};
use engine_roles_domain::prepared::{
    FindingCode, Fitness, HeldPolicy, HeldProfile, HeldRole, PassThroughRole, PolicyName,
    ProfileContents, Purpose, Width, attest,
};
use engine_roles_domain::resources::RoleName;
use engine_roles_policy::Certainty;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixtures::{cluster, named_secrets, reference, scope, spec};

const EC2: &str = "ec2.amazonaws.com";

fn trust(principal: &str) -> String {
    document(
        &json!({"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}),
    )
}

fn document(statements: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn reads(resource: &str) -> String {
    document(&json!({
        "Sid": "Read", "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": resource,
    }))
}

fn secrets(below: &str) -> String {
    format!("arn:aws:secretsmanager:us-west-2:123456789012:secret:{below}")
}

fn inline(name: &str, text: String) -> HeldPolicy {
    HeldPolicy {
        name: PolicyName::Inline(name.to_owned()),
        text: Ok(text),
    }
}

fn unread(arn: &str) -> HeldPolicy {
    HeldPolicy {
        name: PolicyName::Managed(arn.to_owned()),
        text: Err("iam:GetPolicy is denied to this service".to_owned()),
    }
}

fn held(policies: Vec<HeldPolicy>) -> HeldRole {
    HeldRole {
        role: RoleRecord {
            name: RoleName::parse("prepared").expect("a name"),
            arn: Some("arn:aws:iam::123456789012:role/prepared".to_owned()),
            id: None,
            path: Some("/".to_owned()),
        },
        trust: Some(trust(EC2)),
        policies,
        boundary: None,
        unlisted: Vec::new(),
        profile: None,
    }
}

fn for_cluster(role: &HeldRole) -> (Fitness, Vec<FindingCode>) {
    let (cluster, spec) = (cluster(), spec());
    let attestation = attest(role, &scope(), Purpose::Cluster(&cluster, &spec), None);
    let codes = attestation.findings.iter().map(|finding| finding.code);
    (attestation.fitness, codes.collect())
}

fn width(role: &HeldRole) -> Width {
    let region = "us-west-2".parse().expect("a region");
    attest(role, &scope(), Purpose::Any(&region), None).width
}

const PREPARED: &str = "arn:aws:iam::123456789012:role/prepared";

fn through(contents: ProfileContents) -> HeldRole {
    let profile = HeldProfile {
        name: "theirs".parse().expect("a name"),
        contents,
    };
    HeldRole {
        profile: Some(profile),
        ..held(vec![inline("a", reads(&secrets("compute-engine/*")))])
    }
}

#[test]
fn a_role_is_fit_only_if_the_administrators_profile_contains_it() {
    let entry = PassThroughRole {
        role: reference(PREPARED),
        instance_profile: Some("theirs".parse().expect("a name")),
    };
    let role = |text: &str| ProfileContents::Role(reference(text));
    let cases = [
        (role(PREPARED), Fitness::Fit, None),
        (
            role("arn:aws:iam::123456789012:role/admin"),
            Fitness::Unfit,
            Some(FindingCode::ProfileContainsAnotherRole),
        ),
        (
            role("arn:aws:iam::123456789012:role/elsewhere/prepared"),
            Fitness::Unfit,
            Some(FindingCode::ProfileContainsAnotherRole),
        ),
        (
            ProfileContents::Nothing,
            Fitness::Unfit,
            Some(FindingCode::ProfileEmpty),
        ),
        (
            ProfileContents::Absent,
            Fitness::Unfit,
            Some(FindingCode::ProfileAbsent),
        ),
        (
            ProfileContents::Unread("iam:GetInstanceProfile is denied".to_owned()),
            Fitness::Indeterminate,
            Some(FindingCode::ProfileUnread),
        ),
    ];
    let region = "us-west-2".parse().expect("a region");
    let judged = |held: &HeldRole| {
        attest(held, &scope(), Purpose::Any(&region), None).through_profile(&entry, held)
    };
    for (contents, fitness, finding) in cases {
        let verdict = judged(&through(contents.clone()));
        assert_eq!(verdict.fitness, fitness, "{contents:?}");
        let about_profile = verdict.findings.iter().map(|finding| finding.code);
        let about_profile = about_profile.filter(|code| {
            matches!(
                code,
                FindingCode::ProfileAbsent
                    | FindingCode::ProfileEmpty
                    | FindingCode::ProfileContainsAnotherRole
                    | FindingCode::ProfileUnread
            )
        });
        let about_profile: Vec<FindingCode> = about_profile.collect();
        assert_eq!(about_profile, Vec::from_iter(finding), "{contents:?}");
    }
    // A reading of an older release, or from before the administrator named this profile.
    let unread = HeldRole {
        profile: None,
        ..through(ProfileContents::Absent)
    };
    assert_eq!(judged(&unread).fitness, Fitness::Indeterminate);
    let mut of_another = through(role(PREPARED));
    let profile = of_another.profile.as_mut().expect("a profile");
    profile.name = "former".parse().expect("a name");
    assert_eq!(judged(&of_another).fitness, Fitness::Indeterminate);
}

#[test]
fn while_the_profile_is_unread_nothing_about_access_is_certain() {
    let unread = through(ProfileContents::Unread("denied".to_owned()));
    assert_eq!(width(&unread), Width::Unknown);
    let (cluster, spec) = (cluster(), spec());
    let found = reach(&unread, &spec, &scope(), &cluster);
    let because = "it is not known which role instance profile theirs contains: denied";
    for access in [
        &found.own_secrets[0].access,
        &found.other_secrets.access,
        &found.anything_else.access,
    ] {
        let Access::Indeterminate { because: reasons } = access else {
            panic!("{access:?}");
        };
        assert!(
            reasons.iter().any(|reason| reason == because),
            "{reasons:?}"
        );
    }
    assert_eq!(found.unread, [because]);
}

#[test]
fn a_role_of_another_path_is_only_the_entrys_if_its_profile_contains_it() {
    let entry = |text: &str| PassThroughRole {
        role: reference(text),
        instance_profile: Some("theirs".parse().expect("a name")),
    };
    let listed = entry("arn:aws:iam::123456789012:role/engines/prepared");
    assert!(listed.shown(through(ProfileContents::Absent)).is_none());
    let contained = ProfileContents::Role(reference(PREPARED));
    assert!(listed.shown(through(contained)).is_some());
    let by_name = entry("prepared").shown(through(ProfileContents::Absent));
    assert!(by_name.is_some());
    let by_arn = entry(PREPARED).shown(through(ProfileContents::Absent));
    assert!(by_arn.is_some());
}

#[test]
fn a_role_for_every_cluster_is_fit() {
    let role = held(vec![inline("a", reads(&secrets("compute-engine/*")))]);
    let reaches_all = vec![FindingCode::ReachesAllClusters];
    assert_eq!(for_cluster(&role), (Fitness::Fit, reaches_all));
    assert_eq!(width(&role), Width::AllClusters);
}

#[test]
fn a_role_for_certain_clusters_is_fit_for_these_only() {
    let role = |below: &str| held(vec![inline("a", reads(&secrets(below)))]);
    assert_eq!(
        for_cluster(&role("compute-engine/one/*")),
        (Fitness::Fit, vec![])
    );
    let denied = vec![FindingCode::SecretDenied];
    assert_eq!(
        for_cluster(&role("compute-engine/two/*")),
        (Fitness::Unfit, denied)
    );
    let clusters = ["two".to_owned()].into();
    assert_eq!(
        width(&role("compute-engine/two/*")),
        Width::Clusters { clusters }
    );
    let clusters = ["tw*".to_owned()].into();
    assert_eq!(
        width(&role("compute-engine/tw*/x")),
        Width::Clusters { clusters }
    );
    assert_eq!(
        width(&role("compute-engine/*/x-??????")),
        Width::AllClusters
    );
}

#[test]
fn a_role_that_reads_some_of_a_clusters_secrets_is_indeterminate_for_all_of_them() {
    let uncertain = (Fitness::Indeterminate, FindingCode::SecretUncertain);
    let some = held(vec![inline(
        "a",
        reads(&secrets("compute-engine/*/node-key-??????")),
    )]);
    let denied = document(&json!({
        "Effect": "Deny", "Action": "secretsmanager:GetSecretValue", "Resource": secrets("compute-engine/one/db-*"),
    }));
    let but = held(vec![
        inline("a", reads(&secrets("compute-engine/*"))),
        inline("b", denied),
    ]);
    for role in [&some, &but] {
        let (fitness, codes) = for_cluster(role);
        assert_eq!((fitness, codes[0]), uncertain);
    }
    // For a secret that the spec names, the verdict is certain.
    let (cluster, scope) = (cluster(), scope());
    let fitness = |role: &HeldRole, secret: &str| {
        let spec = RoleSpec {
            secrets: named_secrets(&[secret]),
            ..spec()
        };
        attest(role, &scope, Purpose::Cluster(&cluster, &spec), None).fitness
    };
    assert_eq!(fitness(&some, "node-key"), Fitness::Fit);
    assert_eq!(fitness(&some, "other"), Fitness::Unfit);
    assert_eq!(fitness(&but, "other"), Fitness::Fit);
    assert_eq!(fitness(&but, "db-main"), Fitness::Unfit);
    // The usual Deny of requests without TLS does not affect the verdict.
    let open = document(&json!({
        "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }));
    let role = held(vec![
        inline("a", reads(&secrets("compute-engine/*"))),
        inline("b", open),
    ]);
    assert_eq!(for_cluster(&role).0, Fitness::Fit);
}

#[test]
fn a_role_that_may_not_use_the_key_of_the_secrets_is_indeterminate() {
    let key = "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef";
    let key = KmsKeyArn::parse(key).expect("a key");
    let region = "us-west-2".parse().expect("a region");
    let attested = |role: &HeldRole| attest(role, &scope(), Purpose::Any(&region), Some(&key));
    let reads_all = || inline("a", reads(&secrets("compute-engine/*")));
    let without = attested(&held(vec![reads_all()]));
    assert_eq!(without.fitness, Fitness::Indeterminate);
    assert_eq!(without.findings[0].code, FindingCode::KeyDenied);
    let decrypt = document(&json!({
        "Effect": "Allow", "Action": "kms:Decrypt", "Resource": key.as_str(),
        "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.us-west-2.amazonaws.com"}},
    }));
    let with = attested(&held(vec![reads_all(), inline("key", decrypt)]));
    assert_eq!(
        (with.fitness, with.width),
        (Fitness::Fit, Width::AllClusters)
    );
}

#[test]
fn a_role_without_a_needed_permission_is_unfit() {
    let good = || vec![inline("a", reads(&secrets("compute-engine/*")))];
    let is_unfit = |role: &HeldRole, code| {
        let (fitness, codes) = for_cluster(role);
        assert_eq!(fitness, Fitness::Unfit, "{codes:?}");
        assert!(codes.contains(&code), "{codes:?}");
    };
    is_unfit(&held(vec![]), FindingCode::SecretDenied);
    for principal in ["lambda.amazonaws.com", "ec2.amazonaws.com.cn"] {
        let role = HeldRole {
            trust: Some(trust(principal)),
            ..held(good())
        };
        is_unfit(&role, FindingCode::TrustDeniesEc2);
    }
    let denied = inline(
        "b",
        document(&json!({"Effect": "Deny", "Action": "*", "Resource": "*"})),
    );
    let role = held(good().into_iter().chain([denied]).collect());
    is_unfit(&role, FindingCode::SecretDenied);
    let role = HeldRole {
        boundary: Some(inline("boundary", reads(&secrets("other/*")))),
        ..held(good())
    };
    is_unfit(&role, FindingCode::SecretDenied);
}

#[test]
fn a_role_with_unknown_permissions_is_indeterminate() {
    let good = || inline("a", reads(&secrets("compute-engine/*")));
    let arn = "arn:aws:iam::123456789012:policy/theirs";
    let conditional = document(&json!({
        "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}},
    }));
    let trust_in_doubt = document(&json!({
        "Effect": "Allow", "Principal": {"Service": EC2}, "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
    }));
    for (role, code) in [
        (
            held(vec![good(), unread(arn)]),
            FindingCode::SecretUncertain,
        ),
        (held(vec![unread(arn)]), FindingCode::SecretUncertain),
        (
            held(vec![inline("a", conditional)]),
            FindingCode::SecretUncertain,
        ),
        (
            held(vec![inline("a", "{}".to_owned())]),
            FindingCode::PolicyUnread,
        ),
        (
            HeldRole {
                boundary: Some(unread(arn)),
                ..held(vec![good()])
            },
            FindingCode::SecretUncertain,
        ),
        (
            HeldRole {
                unlisted: vec!["iam:ListAttachedRolePolicies".to_owned()],
                ..held(vec![good()])
            },
            FindingCode::PolicyUnread,
        ),
        (
            HeldRole {
                trust: Some(trust_in_doubt),
                ..held(vec![good()])
            },
            FindingCode::TrustUncertain,
        ),
    ] {
        let (fitness, codes) = for_cluster(&role);
        assert_eq!(fitness, Fitness::Indeterminate, "{role:?}: {codes:?}");
        assert!(codes.contains(&code), "{role:?}: {codes:?}");
    }
    // An action that a known policy denies is denied, whatever the unread policy contains.
    let denied = inline(
        "b",
        document(&json!({"Effect": "Deny", "Action": "*", "Resource": "*"})),
    );
    assert_eq!(
        for_cluster(&held(vec![unread(arn), denied])).0,
        Fitness::Unfit
    );
}

#[test]
fn a_statement_that_is_not_understood_affects_only_what_it_may_mean() {
    let own = json!({
        "Effect": "Allow", "Action": "secretsmanager:GetSecretValue",
        "Resource": secrets("compute-engine/*"),
    });
    let other = |effect: &str, action: &str| json!({"Effect": effect, "Action": action, "Resource": "*", "Comment": "x"});
    // Another action does not matter for the secrets, but it may be a grant beyond them.
    let role = held(vec![inline(
        "a",
        document(&json!([own, other("Allow", "s3:GetObject")])),
    )]);
    let codes = vec![FindingCode::PolicyUnread, FindingCode::ReachesBeyond];
    assert_eq!(for_cluster(&role), (Fitness::Fit, codes));
    let found = reach(&role, &spec(), &scope(), &cluster());
    assert!(found.own_secrets[0].access.is_allowed(), "{found:?}");
    assert_eq!(found.anything_else.grants[0].action, "s3:GetObject");
    assert_eq!(found.anything_else.grants[0].certainty, Certainty::Perhaps);
    assert!(!found.anything_else.access.is_allowed());
    assert_eq!(found.unread.len(), 1);
    // A Deny that may apply puts the secrets in doubt, and subtracts nothing.
    let role = held(vec![inline(
        "a",
        document(&json!([own, other("Deny", "secretsmanager:*")])),
    )]);
    assert_eq!(for_cluster(&role).0, Fitness::Indeterminate);
    assert_eq!(width(&role), Width::AllClusters);
    // An Allow in doubt is no access for the engine, and access to others' secrets.
    let doubtful = json!({
        "Effect": "Allow", "Action": "secretsmanager: GetSecretValue",
        "Resource": secrets("compute-engine/*"),
    });
    let role = held(vec![inline("a", document(&doubtful))]);
    assert_eq!(for_cluster(&role).0, Fitness::Indeterminate);
    let found = reach(&role, &spec(), &scope(), &cluster());
    assert!(!found.own_secrets[0].access.is_allowed(), "{found:?}");
    assert!(!found.other_secrets.access.is_denied(), "{found:?}");
}

#[test]
fn a_trust_policy_that_is_understood_as_to_ec2_is_no_obstacle() {
    let own = || inline("a", reads(&secrets("compute-engine/*")));
    let trusts = |principal: Value| HeldRole {
        trust: Some(document(&json!([
            {"Sid": "not valid", "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"},
        ]))),
        ..held(vec![own()])
    };
    let known = trusts(json!({"Service": [EC2, "robot"]}));
    assert_eq!(for_cluster(&known).0, Fitness::Fit);
    let unknown = trusts(json!({"Robot": "x"}));
    assert_eq!(
        for_cluster(&unknown),
        (
            Fitness::Indeterminate,
            vec![FindingCode::TrustUncertain, FindingCode::ReachesAllClusters]
        )
    );
}

#[test]
fn an_incomplete_arn_grants_all_of_secrets_manager() {
    let role = held(vec![inline("a", reads("arn:aws:secretsmanager:*"))]);
    assert_eq!(
        for_cluster(&role),
        (Fitness::Fit, vec![FindingCode::ReachesBeyond])
    );
}

#[test]
fn a_role_whose_use_of_the_key_depends_on_an_unknown_condition_is_indeterminate() {
    let key = "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef";
    let own = json!({
        "Effect": "Allow", "Action": "secretsmanager:GetSecretValue",
        "Resource": secrets("compute-engine/*"),
    });
    let decrypts = json!({
        "Effect": "Allow", "Action": "kms:Decrypt", "Resource": key,
        "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}},
    });
    let role = held(vec![inline("a", document(&json!([own, decrypts])))]);
    let key = KmsKeyArn::parse(key).expect("a key");
    let region = "us-west-2".parse().expect("a region");
    let attestation = attest(&role, &scope(), Purpose::Any(&region), Some(&key));
    assert_eq!(attestation.fitness, Fitness::Indeterminate);
    assert_eq!(attestation.findings[0].code, FindingCode::SecretUncertain);
}

#[test]
fn a_role_whose_policies_are_too_large_to_evaluate_is_indeterminate() {
    let stars = |letter: &str| format!("s3:{}*", format!("*{letter}").repeat(2_500));
    let statement =
        |effect: &str, action: String| json!({"Effect": effect, "Action": action, "Resource": "*"});
    let mut policies = vec![inline("own", reads(&secrets("compute-engine/one/*")))];
    for letter in ["a", "b", "c", "d", "e", "f"] {
        let both = json!([
            statement("Allow", stars(letter)),
            statement("Deny", stars("x"))
        ]);
        policies.push(inline(letter, document(&both)));
    }
    let role = held(policies);
    let (fitness, codes) = for_cluster(&role);
    assert_eq!(fitness, Fitness::Indeterminate);
    assert!(codes.contains(&FindingCode::PolicyUnread), "{codes:?}");
    assert_eq!(width(&role), Width::Unknown);
    let found = reach(&role, &spec(), &scope(), &cluster());
    for access in [
        &found.own_secrets[0].access,
        &found.other_secrets.access,
        &found.anything_else.access,
    ] {
        let Access::Indeterminate { because } = access else {
            panic!("{found:?}");
        };
        assert!(because[0].contains("too large to evaluate"), "{because:?}");
    }
}

#[test]
fn a_role_with_more_than_engines_secrets_is_fit_and_its_excess_is_reported() {
    let wide = document(
        &json!({"Sid": "Wide", "Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"}),
    );
    let role = held(vec![inline("a", wide)]);
    assert_eq!(
        for_cluster(&role),
        (Fitness::Fit, vec![FindingCode::ReachesBeyond])
    );
    let region = "us-west-2".parse().expect("a region");
    let attestation = attest(&role, &scope(), Purpose::Any(&region), None);
    assert_eq!(attestation.width, Width::Beyond);
    assert_eq!(
        attestation.beyond[0].by,
        "statement Wide of inline policy a"
    );
    assert_eq!(attestation.beyond[0].certainty, Certainty::Surely);
}

#[test]
fn access_to_other_clusters_is_distinguished_from_access_to_anything_else() {
    let reach_of =
        |policies: Vec<HeldPolicy>| reach(&held(policies), &spec(), &scope(), &cluster());
    let own = || inline("own", reads(&secrets("compute-engine/one/*")));
    let other = inline("other", reads(&secrets("compute-engine/two/*")));
    let found = reach_of(vec![own(), other]);
    assert!(found.own_secrets[0].access.is_allowed());
    assert!(found.other_secrets.access.is_allowed(), "{found:?}");
    assert!(found.anything_else.access.is_denied(), "{found:?}");
    let s3 = inline(
        "s3",
        document(&json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})),
    );
    let found = reach_of(vec![own(), s3]);
    assert!(found.other_secrets.access.is_denied(), "{found:?}");
    assert!(found.anything_else.access.is_allowed(), "{found:?}");
    assert_eq!(found.anything_else.grants[0].action, "s3:GetObject");
    let found = reach_of(vec![
        own(),
        inline(
            "all",
            document(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"})),
        ),
    ]);
    assert!(found.other_secrets.access.is_allowed(), "{found:?}");
    assert!(found.anything_else.access.is_allowed(), "{found:?}");
    let found = reach_of(vec![]);
    assert_eq!(found.own_secrets[0].access, Access::Denied { by: None });
}

proptest! {
    #[test]
    fn a_created_role_reaches_its_own_secrets_and_nothing_else(
        name in "[A-Za-z0-9][A-Za-z0-9_-]{0,62}",
        secret in "[A-Za-z0-9_+=.@-]{1,20}",
        all in any::<bool>(),
        session_manager in any::<bool>(),
    ) {
        prop_assume!(secret != "." && secret != "..");
        let cluster = name.parse().expect("a cluster");
        let secrets = if all { Secrets::All } else { named_secrets(&[&secret]) };
        let spec = RoleSpec { secrets, session_manager, ..spec() };
        let policy = role_policy(&spec, &scope(), &cluster).expect("a policy");
        let role = held(vec![inline("engine-access", policy.to_json())]);
        let found = reach(&role, &spec, &scope(), &cluster);
        prop_assert!(found.own_secrets.iter().all(|own| own.access.is_allowed()), "{:?}", found);
        prop_assert!(found.other_secrets.access.is_denied(), "{:?}", found);
        prop_assert!(found.anything_else.access.is_denied(), "{:?}", found);
    }
}
