//! The values that each parsed type accepts and rejects.

use std::fmt::Debug;

use engine_roles_domain::account::{AccountId, Partition, Region};
use engine_roles_domain::audit::EventAction;
use engine_roles_domain::binding::State;
use engine_roles_domain::cluster::{
    ClusterName, Mode, RoleReference, RoleSpec, SecretName, Secrets,
};
use engine_roles_domain::grant::{BoundaryArn, KmsKeyArn};
use engine_roles_domain::invalid::{Invalid, InvalidKind};
use engine_roles_domain::resources::{
    IamArn, IamResource, Namespace, ProfileName, RoleName, RolePrefix, Tags,
};
use proptest::prelude::*;

use crate::fixtures::{pass_through_spec, spec};

fn accepts<T: Debug>(parse: impl Fn(&str) -> Result<T, Invalid>, texts: &[&str]) {
    for text in texts {
        assert!(parse(text).is_ok(), "{text:?} is valid");
    }
}

fn rejects<T: Debug>(
    parse: impl Fn(&str) -> Result<T, Invalid>,
    kind: InvalidKind,
    texts: &[&str],
) {
    for text in texts {
        let invalid = parse(text).expect_err(text);
        assert_eq!(invalid.kind, kind, "{text:?}");
        let hostile =
            text.len() > 1 && text.contains(['*', '$']) && invalid.to_string().contains(text);
        assert!(!hostile, "{invalid} repeats the value");
    }
}

#[test]
fn cluster_names_are_checked() {
    let longest = "a".repeat(63);
    accepts(
        ClusterName::parse,
        &["a", "9", "A-b_c", "a--__", "chct3mqng4af2ckkv3jg", &longest],
    );
    let too_long = "a".repeat(64);
    rejects(
        ClusterName::parse,
        InvalidKind::ClusterName,
        &[
            "", "-a", "_a", "*", "a*", "a?", "${aws:x}", "a/b", "a.b", "a b", "a\n", "é", "ａ",
            "a\0", &too_long,
        ],
    );
}

#[test]
fn secret_names_are_checked() {
    let longest = "a".repeat(433);
    accepts(
        SecretName::parse,
        &[
            "a", "a/b", "_+=.@-", "a..b", "...", ".a/b.", "x-AbCdEf", &longest,
        ],
    );
    let too_long = "a".repeat(434);
    rejects(
        SecretName::parse,
        InvalidKind::SecretName,
        &[
            "", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "../a", "a/..", "*", "a?", "${a}",
            "a b", "a:b", "ä", &too_long,
        ],
    );
}

#[test]
fn a_secret_name_that_ends_like_an_arn_is_detected() {
    for (name, expected) in [
        ("db-AbCdEf", true),
        ("x/db-123456", true),
        ("a-bcdefg", true),
        ("db-AbCdE", false),
        ("db-AbCd_f", false),
        ("-AbCdEf", false),
        ("AbCdEf", false),
        ("dbxAbCdEf", false),
    ] {
        let name = SecretName::parse(name).expect("a name");
        assert_eq!(name.looks_like_arn_tail(), expected, "{name}");
    }
}

#[test]
fn secrets_are_all_or_a_list_of_at_least_one_without_duplicates() {
    let read = |json: &str| serde_json::from_str::<Secrets>(json);
    assert_eq!(read("\"all\"").expect("all"), Secrets::All);
    let twice = read(r#"["b", "a", "b"]"#).expect("names");
    assert_eq!(serde_json::json!(twice), serde_json::json!(["a", "b"]));
    for invalid in ["[]", "\"ALL\"", "\"\"", "null", "{}", "[\"*\"]", "[1]"] {
        assert!(read(invalid).is_err(), "{invalid}");
    }
}

#[test]
fn regions_are_checked_and_have_their_partition() {
    for (region, partition) in [
        ("us-west-2", Some(Partition::Aws)),
        ("eu-central-1", Some(Partition::Aws)),
        ("ap-southeast-7", Some(Partition::Aws)),
        ("mx-central-1", Some(Partition::Aws)),
        ("cn-northwest-1", Some(Partition::AwsCn)),
        ("us-gov-east-1", Some(Partition::AwsUsGov)),
        ("eusc-de-east-1", Some(Partition::AwsEusc)),
        ("us-iso-east-1", None),
        ("us-isob-east-1", None),
        ("eu-isoe-west-1", None),
        ("us-isof-south-1", None),
        // Names that have the form of a region's, but match the pattern of no partition.
        ("xx-yy-zz", None),
        ("us-west-x", None),
        ("us-west-2a", None),
        ("us-west-2-lax-1", None),
        ("zz-west-2", None),
        ("cn-north-one", None),
        ("cn-north-east-1", None),
        ("us-gov-west-x", None),
        ("eusc-fr-west-1", None),
        ("eusc-east-1", None),
    ] {
        let parsed = Region::parse(region).expect(region);
        assert_eq!(parsed.partition(), partition, "{region}");
        let supported = Region::parse_supported(region);
        assert_eq!(supported.is_ok(), partition.is_some(), "{region}");
    }
    rejects(
        Region::parse,
        InvalidKind::Region,
        &[
            "",
            "uswest2",
            "us-west",
            "-us-west-2",
            "us-west-",
            "us--west-2",
            "US-WEST-2",
            "us-west-2 ",
            "us-west-*",
            "us-west-2:x",
            "us-west-२",
            "aaaaaaaaaaaaa-aaaaaaaaaaaaaaaaa-1",
        ],
    );
}

#[test]
fn prefixes_namespaces_and_accounts_are_checked() {
    let prefix = "a".repeat(30);
    accepts(RolePrefix::parse, &["", "td-", "_+=,.@-", &prefix]);
    let too_long = "a".repeat(31);
    rejects(
        RolePrefix::parse,
        InvalidKind::RolePrefix,
        &["a/b", "a b", "a*", "ä", &too_long],
    );

    let namespace = "a".repeat(32);
    accepts(Namespace::parse, &["a", "default", "-", "a-1", &namespace]);
    let too_long = "a".repeat(33);
    rejects(
        Namespace::parse,
        InvalidKind::Namespace,
        &["", "A", "a_b", "a/b", "a.b", "ä", &too_long],
    );

    accepts(AccountId::parse, &["123456789012", "000000000000"]);
    rejects(
        AccountId::parse,
        InvalidKind::AccountId,
        &["", "12345678901", "1234567890123", "12345678901a", "१२३४"],
    );
}

#[test]
fn role_and_profile_names_are_checked() {
    let (sixty_four, long) = ("a".repeat(64), "a".repeat(128));
    accepts(RoleName::parse, &["a", "_+=,.@-", &sixty_four]);
    accepts(ProfileName::parse, &["a", &long]);
    let (too_long, far_too_long) = ("a".repeat(65), "a".repeat(129));
    rejects(
        RoleName::parse,
        InvalidKind::Role,
        &["", "a/b", "a b", "a*", "arn:aws:iam::1:role/x", &too_long],
    );
    rejects(
        ProfileName::parse,
        InvalidKind::InstanceProfile,
        &["", "a/b", "arn:aws:iam::123456789012:role/x", &far_too_long],
    );
    let arn = "arn:aws:iam::123456789012:instance-profile/p/q/name";
    let name = ProfileName::parse(arn).expect("a profile");
    assert_eq!(name.as_str(), "name");
}

#[test]
fn arns_are_read_and_written_back() {
    for (resource, text, path, name) in [
        (
            IamResource::Role,
            "arn:aws:iam::123456789012:role/r",
            "/",
            "r",
        ),
        (
            IamResource::Role,
            "arn:aws-cn:iam::123456789012:role/a/b:c/r",
            "/a/b:c/",
            "r",
        ),
        (
            IamResource::InstanceProfile,
            "arn:aws-us-gov:iam::123456789012:instance-profile/p",
            "/",
            "p",
        ),
        (
            IamResource::Policy,
            "arn:aws:iam::aws:policy/service-role/X",
            "/service-role/",
            "X",
        ),
    ] {
        let arn = IamArn::parse(resource, text).expect(text);
        assert_eq!((arn.path.as_str(), arn.name.as_str()), (path, name));
        assert_eq!(arn.to_string(), text);
    }
}

#[test]
fn text_that_is_not_an_arn_of_its_kind_is_rejected() {
    let long = format!("arn:aws:iam::123456789012:role/{}", "a".repeat(65));
    let long_arn = format!(
        "arn:aws:iam::123456789012:role/{}/r",
        "a".repeat(IamArn::LONGEST - 32)
    );
    rejects(
        |text| IamArn::parse(IamResource::Role, text),
        InvalidKind::Role,
        &[
            "",
            "arn",
            "arn:aws:iam::123456789012:role",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role//r",
            "arn:aws:iam::123456789012:role/a//r",
            "arn:aws:iam::123456789012:user/u",
            "arn:aws:iam::aws:role/r",
            "arn:aws:iam:us-west-2:123456789012:role/r",
            "arn:aws-iso:iam::123456789012:role/r",
            "arn:aws:sts::123456789012:role/r",
            "arn:aws:iam::12345678901:role/r",
            "ARN:aws:iam::123456789012:role/r",
            "arn:aws:iam::123456789012:role/*",
            "arn:aws:iam::123456789012:role/a*/r",
            "arn:aws:iam::123456789012:role/${a}/r",
            "arn:aws:iam::123456789012:role/a b/r",
            "arn:aws:iam::123456789012:role/ä/r",
            &long,
            &long_arn,
        ],
    );
    rejects(
        BoundaryArn::parse,
        InvalidKind::Boundary,
        &["", "Boundary", "arn:aws:iam::123456789012:role/r"],
    );
}

#[test]
fn kms_keys_are_accepted_by_key_id_only() {
    const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/";
    const ID: &str = "01234567-89ab-cdef-0123-456789abcdef";
    let of = |id: &str| format!("{KEY}{id}");
    accepts(
        KmsKeyArn::parse,
        &[
            &of(ID),
            &of("mrk-0123456789abcdef0123456789abcdef"),
            &format!("arn:aws-cn:kms:cn-north-1:123456789012:key/{ID}"),
            &format!("arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/{ID}"),
        ],
    );
    rejects(
        KmsKeyArn::parse,
        InvalidKind::KmsKey,
        &[
            "",
            ID,
            "alias/secrets",
            KEY,
            "arn:aws:kms:us-west-2:123456789012:alias/secrets",
            &of("*"),
            &of("mrk-*"),
            &of("${aws:PrincipalTag/key}"),
            &of("01234567-89ab-cdef-0123-456789abcde?"),
            &of("01234567-89ab-cdef-0123-456789abcde"),
            &of("01234567-89AB-CDEF-0123-456789ABCDEF"),
            &of("01234567-89ab-cdef-0123-456789abcdeg"),
            &of("0123456789abcdef0123456789abcdef"),
            &of("mrk-0123456789abcdef0123456789abcde"),
            &of(&format!("{ID}:x")),
            &of(&format!("{ID} ")),
            &format!("arn:aws:kms:us-west-2:12345678901:key/{ID}"),
            &format!("arn:aws:kms:*:123456789012:key/{ID}"),
            &format!("arn:aws:kms::123456789012:key/{ID}"),
            &format!("arn:aws:kms:us-gov-west-1:123456789012:key/{ID}"),
            &format!("arn:aws-iso:kms:us-iso-east-1:123456789012:key/{ID}"),
            &format!("arn:aws:s3:us-west-2:123456789012:key/{ID}"),
            &format!("ARN:aws:kms:us-west-2:123456789012:key/{ID}"),
        ],
    );
}

#[test]
fn only_a_multi_region_key_can_be_used_in_other_regions() {
    let key = |id: &str| {
        let text = format!("arn:aws:kms:us-west-2:123456789012:key/{id}");
        KmsKeyArn::parse(&text).expect("a key")
    };
    let region = |text| Region::parse(text).expect("a region");
    let (here, there, other_partition) = (
        region("us-west-2"),
        region("eu-central-1"),
        region("us-gov-west-1"),
    );
    let one = key("01234567-89ab-cdef-0123-456789abcdef");
    assert_eq!(one.region(), here);
    assert_eq!(one.in_region(&here), Some(one.clone()));
    assert_eq!(one.in_region(&there), None);
    let many = key("mrk-0123456789abcdef0123456789abcdef");
    assert_eq!(many.in_region(&here), Some(many.clone()));
    let replica = many.in_region(&there).expect("a replica");
    assert_eq!(replica.region(), there);
    let text = "arn:aws:kms:eu-central-1:123456789012:key/mrk-0123456789abcdef0123456789abcdef";
    assert_eq!(KmsKeyArn::parse(text), Ok(replica));
    assert_eq!(many.in_region(&other_partition), None);
}

#[test]
fn a_role_is_given_by_name_or_by_arn() {
    let by_name = RoleReference::parse("engine").expect("a name");
    let by_arn = RoleReference::parse("arn:aws:iam::123456789012:role/a/engine").expect("an ARN");
    let other_path = RoleReference::parse("arn:aws:iam::123456789012:role/engine").expect("an ARN");
    assert_eq!(by_name.name(), by_arn.name());
    assert_eq!(by_arn.arn().expect("an ARN").path, "/a/");
    assert!(by_name.same_role(&by_arn) && by_arn.same_role(&by_name));
    assert!(!by_arn.same_role(&other_path));
    for text in ["", "a/b", "arn:aws:iam::123456789012:instance-profile/p"] {
        let invalid = RoleReference::parse(text).expect_err(text);
        assert_eq!(invalid.kind, InvalidKind::Role);
    }
}

#[test]
fn words_on_the_wire_are_read_back() {
    for state in State::ALL {
        assert_eq!(state.as_str().parse::<State>().expect("a state"), state);
        assert_eq!(serde_json::json!(state), state.as_str());
    }
    for mode in [Mode::Create, Mode::PassThrough] {
        assert_eq!(mode.as_str().parse::<Mode>().expect("a mode"), mode);
        assert_eq!(serde_json::json!(mode), mode.as_str());
    }
    for action in EventAction::ALL {
        assert_eq!(EventAction::parse(action.as_str()), Some(action));
        assert_eq!(serde_json::json!(action), action.as_str());
    }
    for partition in Partition::ALL {
        assert_eq!(Partition::parse(partition.as_str()), Some(partition));
        assert_eq!(serde_json::json!(partition), partition.as_str());
    }
    assert!("Active".parse::<State>().is_err() && "".parse::<Mode>().is_err());
    assert_eq!(Partition::parse("aws-iso"), None);
}

#[test]
fn a_stored_spec_is_read_back_unchanged() {
    let arn = "arn:aws:iam::123456789012:role/a/engine";
    for spec in [
        spec(),
        pass_through_spec("engine", None),
        pass_through_spec(arn, Some("profile")),
        RoleSpec {
            secrets: crate::fixtures::named_secrets(&["a", "b/c"]),
            ..spec()
        },
    ] {
        let json = serde_json::to_value(&spec).expect("plain data");
        let read: RoleSpec = serde_json::from_value(json).expect("the spec is read back");
        assert_eq!(read, spec);
    }
}

proptest! {
    #[test]
    fn no_input_makes_a_parser_panic(
        text in prop_oneof![
            any::<String>(),
            "arn:(aws|aws-cn|x):[a-z]{0,3}:[a-z]?:([0-9]{11,13}|aws)?:(role|policy|x)?[/a-z*:]{0,20}",
            "[a-z0-9-]{0,40}",
        ],
    ) {
        let _ = ClusterName::parse(&text);
        let _ = SecretName::parse(&text).map(|name| name.looks_like_arn_tail());
        let _ = Region::parse(&text).map(|region| region.partition());
        let _ = RolePrefix::parse(&text);
        let _ = Namespace::parse(&text);
        let _ = AccountId::parse(&text);
        let _ = ProfileName::parse(&text);
        let _ = BoundaryArn::parse(&text);
        let _ = KmsKeyArn::parse(&text).map(|key| key.region());
        let _ = Tags::new([(text.clone(), text.clone())]);
        let _ = serde_json::from_value::<IamArn>(text.clone().into());
        if let Ok(role) = RoleReference::parse(&text) {
            prop_assert_eq!(role.to_string(), text);
        }
    }

    #[test]
    fn no_valid_name_has_a_special_character_of_a_pattern(text in any::<String>()) {
        let live = |text: &str| text.contains(['*', '?', '$', '{', '}']);
        prop_assert!(ClusterName::parse(&text).is_err() || !live(&text));
        prop_assert!(SecretName::parse(&text).is_err() || !live(&text));
        prop_assert!(Region::parse(&text).is_err() || !live(&text));
    }
}
