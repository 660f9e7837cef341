//! Tests that the rules of texts in the document are those of the code that reads the texts.

use engine_roles_contract::{AuditAction, text};
use engine_roles_domain::account::{AccountId, Partition, Region};
use engine_roles_domain::audit::EventAction;
use engine_roles_domain::binding::State;
use engine_roles_domain::caller::{AwsIdentity, Principal, ServerName};
use engine_roles_domain::cluster::{ClusterName, RoleReference, SecretName};
use engine_roles_domain::grant::{BoundaryArn, CATALOGUE, KmsKeyArn};
use engine_roles_domain::resources::{IamArn, ProfileName, RoleName, RolePrefix, Tags};
use engine_roles_provisioner::{LoginHeaders, NotAccepted};
use regex::Regex;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::log_level::{is_level, short_time};

/// Asserts that a text is accepted by its schema exactly when it is accepted by the code.
fn assert_same(pattern: &str, longest: usize, texts: &[&str], is_read: impl Fn(&str) -> bool) {
    let regex = Regex::new(pattern).expect("a regular expression");
    let accepts = |text: &str| text.chars().count() <= longest && regex.is_match(text);
    for text in texts {
        assert_eq!(accepts(text), is_read(text), "{pattern}: {text:?}");
    }
    let accepted = texts.iter().filter(|text| accepts(text)).count();
    assert!(accepted > 0 && accepted < texts.len(), "{pattern}");
}

#[test]
fn a_cluster_name_is_read_as_the_document_says() {
    let (full, long) = ("a".repeat(63), "a".repeat(64));
    let texts = [
        "a", "Z-9_", "", "-a", "_a", "a.b", "a b", "ä", "a\n", "a/b", &full, &long,
    ];
    assert_same(
        text::ClusterName::PATTERN,
        text::ClusterName::LONGEST,
        &texts,
        |text| ClusterName::parse(text).is_ok(),
    );
    assert_eq!(text::ClusterName::LONGEST, ClusterName::MAX);
}

#[test]
fn a_secret_name_is_read_as_the_document_says() {
    let (full, long) = ("a".repeat(433), "a".repeat(434));
    let texts = [
        "a", "a/b", "a..b", ".a", "..a", "...", "a/...", "a/.b/c", "", ".", "..", "/a", "a/",
        "a//b", "a/.", "a/../b", "a*", "a b", "ä", "+=@-_", &full, &long,
    ];
    assert_same(
        text::SecretName::PATTERN,
        text::SecretName::LONGEST,
        &texts,
        |text| SecretName::parse(text).is_ok(),
    );
    assert_eq!(text::SecretName::LONGEST, SecretName::MAX);
}

#[test]
fn regions_accounts_and_prefixes_are_read_as_the_document_says() {
    let long = format!("us-{}-1", "a".repeat(28));
    let texts = [
        "us-west-2",
        "us-gov-west-1",
        "us",
        "us-west",
        "us--2",
        "US-west-2",
        "us-west-2 ",
        &long,
    ];
    assert_same(
        text::Region::PATTERN,
        text::Region::LONGEST,
        &texts,
        |text| Region::parse(text).is_ok(),
    );
    let texts = [
        "123456789012",
        "12345678901",
        "1234567890123",
        "12345678901a",
        "",
    ];
    assert_same(
        text::AccountId::PATTERN,
        text::AccountId::LONGEST,
        &texts,
        |text| AccountId::parse(text).is_ok(),
    );
    let (full, long) = ("a".repeat(30), "a".repeat(31));
    let texts = ["", "td-", "+=,.@_", "a/", "a b", &full, &long];
    assert_same(
        text::RolePrefix::PATTERN,
        text::RolePrefix::LONGEST,
        &texts,
        |text| RolePrefix::parse(text).is_ok(),
    );
    assert_eq!(text::RolePrefix::LONGEST, RolePrefix::MAX);
    let pattern = Regex::new(text::Partition::PATTERN).expect("a regular expression");
    for partition in Partition::ALL {
        assert!(pattern.is_match(partition.as_str()), "{partition}");
    }
}

#[test]
fn names_and_arns_of_iam_are_read_as_the_document_says() {
    let (full, long) = ("a".repeat(64), "a".repeat(65));
    let names = ["a", "a+=,.@-_", "", "a/b", "a*", "ä", &full, &long];
    assert_same(
        text::RoleName::PATTERN,
        text::RoleName::LONGEST,
        &names,
        |text| RoleName::parse(text).is_ok(),
    );
    let roles = [
        "a",
        "a*",
        &long,
        "arn:aws:iam::123456789012:role/a",
        "arn:aws-cn:iam::123456789012:role/a/b.c/d",
        "arn:aws:iam::123456789012:role//a",
        "arn:aws:iam::123456789012:role/a//b",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role/a*/b",
        "arn:aws:iam::123456789012:role/a\"/b",
        "arn:aws:iam::123456789012:role/!#%&'()+,.:;=@[]^_`|~-/b",
        "arn:aws:iam::aws:role/a",
        "arn:aws-iso:iam::123456789012:role/a",
        "arn:aws:iam:us-west-2:123456789012:role/a",
        "arn:aws:iam::123456789012:user/a",
        "arn:aws:iam::12345678901:role/a",
        &format!("arn:aws:iam::123456789012:role/{}/a", "a".repeat(667)),
        &format!("arn:aws:iam::123456789012:role/{}/a", "a".repeat(668)),
    ];
    assert_same(
        text::RoleReference::PATTERN,
        text::RoleReference::LONGEST,
        &roles,
        |text| RoleReference::parse(text).is_ok(),
    );
    assert_eq!(text::RoleReference::LONGEST, IamArn::LONGEST);
    let policies = [
        "arn:aws:iam::123456789012:policy/a",
        "arn:aws:iam::aws:policy/service-role/a",
        "arn:aws:iam::123456789012:role/a",
        "a",
        "arn:aws:iam::123456789012:policy/${a}",
    ];
    assert_same(
        text::PolicyArn::PATTERN,
        text::PolicyArn::LONGEST,
        &policies,
        |text| BoundaryArn::parse(text).is_ok(),
    );
    let (full, long) = ("a".repeat(128), "a".repeat(129));
    let profiles = ["a", "a/b", "", &full, &long];
    assert_same(
        text::ProfileName::PATTERN,
        text::ProfileName::LONGEST,
        &profiles,
        |text| ProfileName::parse(text).is_ok(),
    );
    let keys = [
        "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
        "arn:aws:kms:us-west-2:123456789012:key/mrk-0123456789abcdef0123456789abcdef",
        "arn:aws:kms:us-west-2:123456789012:alias/a",
        "arn:aws:kms:us-west-2:123456789012:key/*",
    ];
    assert_same(
        text::KeyArn::PATTERN,
        text::KeyArn::LONGEST,
        &keys,
        |text| KmsKeyArn::parse(text).is_ok(),
    );
}

#[test]
fn tags_are_read_as_the_document_says() {
    let is_read = |key: &str, value: &str| Tags::new([(key.to_owned(), value.to_owned())]).is_ok();
    let (full, long) = ("ä".repeat(128), "ä".repeat(129));
    let keys = ["team", "a b", "_.:/=+-@", "é9Ⅷ", "", "a\n", &full, &long];
    assert_same(
        text::TagKey::PATTERN,
        text::TagKey::LONGEST,
        &keys,
        |text| is_read(text, ""),
    );
    let (full, long) = ("ä".repeat(256), "ä".repeat(257));
    let values = ["", "x", "a b", "\u{7}", "\u{85}", &full, &long];
    assert_same(
        text::TagValue::PATTERN,
        text::TagValue::LONGEST,
        &values,
        |text| is_read("team", text),
    );
    let pattern = Regex::new(text::TagKey::PATTERN).expect("a regular expression");
    for ascii in (0..128_u8).map(char::from) {
        let text = ascii.to_string();
        assert_eq!(pattern.is_match(&text), is_read(&text, ""), "{ascii:?}");
    }
    assert_eq!(text::TagMap::MOST, Tags::MAX);
}

/// Whether each header of a login has a form that is accepted, whatever its age.
fn is_login(authorization: &str, date: &str, token: Option<&str>) -> bool {
    let server = "roles.example";
    let headers = LoginHeaders {
        authorization: authorization.to_owned(),
        date: date.to_owned(),
        security_token: token.map(str::to_owned),
        server: server.to_owned(),
    };
    let server = ServerName::parse(server).expect("a name");
    let checked = headers.check(&server, std::time::SystemTime::now());
    !matches!(checked, Err(NotAccepted::Malformed { .. }))
}

#[test]
fn a_login_is_read_as_the_document_says() {
    let scope = "AKIAIOSFODNN7EXAMPLE/20261126/us-west-2/sts/aws4_request";
    let names = "content-type;host;x-amz-date;x-engine-roles-server";
    let hash = "0f".repeat(32);
    let good =
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={hash}");
    let (date, with_token) = (
        "20261126T080000Z",
        good.replace(";x-engine", ";x-amz-security-token;x-engine"),
    );
    let signatures = [
        good.as_str(),
        &good.replace(", ", ","),
        &good.replace("sts", "iam"),
        &good.replace("us-west-2", "us"),
        &good.replace("us-west-2", "evil.com"),
        &good.replace("AKIAIOSFODNN7", "AKIA"),
        &good.replace("host;", ""),
        &good.replace("0f", "0F"),
        &good.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"),
        &format!("{good} "),
        "",
    ];
    let pattern = (text::AwsSignature::PATTERN, text::AwsSignature::LONGEST);
    assert_same(pattern.0, pattern.1, &signatures, |text| {
        is_login(text, date, None)
    });
    let pattern = Regex::new(pattern.0).expect("a regular expression");
    assert!(pattern.is_match(&with_token) && is_login(&with_token, date, Some("t")));
    let dates = [date, "20261126T080000", "2026-11-26T08:00:00Z", ""];
    let pattern = (text::AwsDate::PATTERN, text::AwsDate::LONGEST);
    assert_same(pattern.0, pattern.1, &dates, |text| {
        is_login(&good, text, None)
    });
    let (full, long) = ("t".repeat(8_192), "t".repeat(8_193));
    let tokens = ["a/b+c==", "", "a b", "é", "a\n", &full, &long];
    let pattern = (text::SessionToken::PATTERN, text::SessionToken::LONGEST);
    assert_same(pattern.0, pattern.1, &tokens, |text| {
        is_login(&with_token, date, Some(text))
    });
    let (full, long) = ("a".repeat(253), "a".repeat(254));
    let names = ["a", "a.b:1/c_d-e", "", ".a", "a b", "é", &full, &long];
    assert_same(
        text::ServerName::PATTERN,
        text::ServerName::LONGEST,
        &names,
        |text| ServerName::parse(text).is_ok(),
    );
    let session = "arn:aws:sts::123456789012:assumed-role/manager/i-0a";
    let identity = AwsIdentity::of_arn(session).expect("an identity");
    let pattern = Regex::new(text::IdentityArn::PATTERN).expect("a regular expression");
    assert!(pattern.is_match(session) && !pattern.is_match("arn:aws:iam::123456789012:root"));
    let pattern = Regex::new(text::PrincipalArn::PATTERN).expect("a regular expression");
    let user = Principal::parse("arn:aws:iam::123456789012:user/a/b").expect("a user");
    assert!(pattern.is_match(&identity.principal().to_string()));
    assert!(pattern.is_match(&user.to_string()) && !pattern.is_match(session));
    let (key, _) = crate::ApiKey::generate();
    let pattern = Regex::new(text::Token::PATTERN).expect("a regular expression");
    let key = key.expose_secret();
    assert!(pattern.is_match(key) && crate::ApiKey::new(key).is_ok());
}

#[test]
fn the_words_of_the_document_are_those_of_the_domain() {
    let states = Regex::new(text::StateList::PATTERN).expect("a regular expression");
    for state in State::ALL {
        assert!(states.is_match(&format!("active,{}", state.as_str())));
    }
    assert!(!states.is_match("gone") && !states.is_match("active,"));
    for action in EventAction::ALL {
        let read: Result<AuditAction, _> = serde_json::from_value(json!(action.as_str()));
        assert!(read.is_ok(), "{}", action.as_str());
    }
    let document = json!(crate::document());
    let actions = &document["components"]["schemas"]["AuditAction"]["enum"];
    assert_eq!(
        actions.as_array().map(Vec::len),
        Some(EventAction::ALL.len())
    );
    let names = Regex::new(text::PolicyName::PATTERN).expect("a regular expression");
    for template in CATALOGUE {
        assert!(names.is_match(template.name), "{}", template.name);
    }
}

#[test]
fn a_log_level_and_its_time_are_read_as_the_document_says() {
    let part = "engine_roles_iam::gate=trace";
    let (full, long) = (
        format!("{},engine_roles_=off", [part; 6].join(",")),
        [part; 8].join(","),
    );
    let levels = [
        "debug",
        "off",
        "info,engine_roles=trace",
        part,
        &full,
        &long,
        "",
        "DEBUG",
        "verbose",
        "info,",
        ",info",
        "sqlx=trace",
        "aws_config=trace",
        "engine_roles",
        "engine_roles[a]=info",
        "info\n",
        "engine_roles=",
        "engine_roles=info=info",
    ];
    assert_same(
        text::LogLevelText::PATTERN,
        text::LogLevelText::LONGEST,
        &levels,
        is_level,
    );
    let times = [
        "1s", "9999s", "999m", "24h", "9h", "10000s", "1000m", "25h", "0s", "01m", "m", "", "5",
        "1d", "1.5h", "-1s", "+1s", " 1s",
    ];
    assert_same(
        text::ShortTime::PATTERN,
        text::ShortTime::LONGEST,
        &times,
        |text| short_time(text).is_some(),
    );
}
