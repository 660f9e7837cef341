use super::{Iam, lenient};
use crate::wire::EC2_TRUST;

const ROLE: (&str, &str) = ("RoleName", "r");

/// The parameters of a request with these tags.
struct Tagged(Vec<(String, String)>);

impl Tagged {
    fn with(tags: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut params = Vec::new();
        for (index, (key, value)) in tags.into_iter().enumerate() {
            params.push((format!("Tags.member.{}.Key", index + 1), key));
            params.push((format!("Tags.member.{}.Value", index + 1), value));
        }
        Self(params)
    }

    fn one(key: &str, value: &str) -> Self {
        Self::with([(key.to_owned(), value.to_owned())])
    }

    fn numbered(count: usize) -> Self {
        Self::with((0..count).map(|n| (format!("k{n:02}"), format!("v{n}"))))
    }

    fn params<'a>(&'a self, about: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let tags = self.0.iter();
        let tags = tags.map(|(name, value)| (name.as_str(), value.as_str()));
        about.iter().copied().chain(tags).collect()
    }
}

/// Returns the role's tags as `key=value`, in order of keys.
async fn tags(iam: &Iam) -> Vec<String> {
    let listed = iam.ok("ListRoleTags", &[ROLE, ("MaxItems", "1000")]).await;
    let member = "ListRoleTagsResult/Tags/member";
    let keys = listed.texts(&format!("{member}/Key"));
    let values = listed.texts(&format!("{member}/Value"));
    let mut tags: Vec<_> = keys
        .iter()
        .zip(&values)
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    tags.sort();
    tags
}

pub(crate) async fn tag_keys_and_values_have_limits(iam: &Iam) {
    iam.role("r").await;
    let (key, value) = ("k".repeat(128), "v".repeat(256));
    iam.ok("TagRole", &Tagged::one(&key, &value).params(&[ROLE]))
        .await;
    iam.ok("TagRole", &Tagged::one("empty", "").params(&[ROLE]))
        .await;
    for (key, value) in [
        (format!("{key}k"), String::new()),
        (String::from("k"), format!("{value}v")),
    ] {
        let long = Tagged::one(&key, &value);
        iam.rejected("TagRole", &long.params(&[ROLE]), 400, "ValidationError")
            .await;
    }
    let none = Tagged::one("", "v");
    iam.rejected("TagRole", &none.params(&[ROLE]), 400, "ValidationError")
        .await;
}

pub(crate) async fn tag_keys_may_only_have_iams_characters(iam: &Iam) {
    iam.role("r").await;
    for key in ["Az09 _.:/=+-@", "größe", "大きさ", "٣"] {
        iam.ok("TagRole", &Tagged::one(key, key).params(&[ROLE]))
            .await;
    }
    for key in ["a*", "a?", "a&b", "a<", "a\"", "a,b", "🦀"] {
        let params = Tagged::one(key, "v");
        iam.rejected("TagRole", &params.params(&[ROLE]), 400, "ValidationError")
            .await;
        let params = Tagged::one("k", key);
        let moto = lenient("it accepts any value");
        iam.rejected_but(
            "TagRole",
            &params.params(&[ROLE]),
            (400, "ValidationError"),
            moto,
        )
        .await;
    }
    let tab = Tagged::one("a\tb", "v");
    let moto = lenient("it accepts all white space");
    iam.rejected_but(
        "TagRole",
        &tab.params(&[ROLE]),
        (400, "ValidationError"),
        moto,
    )
    .await;
}

pub(crate) async fn reserved_tag_keys_are_rejected(iam: &Iam) {
    iam.role("r").await;
    iam.ok("TagRole", &Tagged::one("awsome", "v").params(&[ROLE]))
        .await;
    for key in ["aws:x", "AWS:x", "Aws:"] {
        let params = Tagged::one(key, "v");
        let moto = lenient("it accepts reserved keys");
        iam.rejected_but(
            "TagRole",
            &params.params(&[ROLE]),
            (400, "InvalidInput"),
            moto,
        )
        .await;
    }
}

pub(crate) async fn tag_keys_are_unique_ignoring_case(iam: &Iam) {
    let pair = |one: &str, other: &str| {
        Tagged::with([
            (one.to_owned(), "1".to_owned()),
            (other.to_owned(), "2".to_owned()),
        ])
    };
    let about = [ROLE, ("AssumeRolePolicyDocument", EC2_TRUST)];
    for (one, other) in [
        ("team", "team"),
        ("team", "Team"),
        ("Größe", "gRÖSSE".replace("SS", "ß").as_str()),
    ] {
        let params = pair(one, other);
        iam.rejected("CreateRole", &params.params(&about), 400, "InvalidInput")
            .await;
    }
    iam.ok("CreateRole", &pair("team", "teams").params(&about))
        .await;
}

pub(crate) async fn a_resource_has_at_most_fifty_tags(iam: &Iam) {
    let about = [ROLE, ("AssumeRolePolicyDocument", EC2_TRUST)];
    let many = Tagged::numbered(51);
    iam.rejected("CreateRole", &many.params(&about), 400, "ValidationError")
        .await;
    iam.ok("CreateRole", &Tagged::numbered(50).params(&about))
        .await;
    iam.ok("TagRole", &Tagged::one("K07", "again").params(&[ROLE]))
        .await;
    let more = Tagged::one("more", "");
    let moto = lenient("it counts only the tags of the request");
    iam.rejected_but(
        "TagRole",
        &more.params(&[ROLE]),
        (409, "LimitExceeded"),
        moto,
    )
    .await;
}

pub(crate) async fn tagging_replaces_and_untagging_removes(iam: &Iam) {
    iam.role("r").await;
    let two = Tagged::with([("a".into(), "1".into()), ("b".into(), "2".into())]);
    iam.ok("TagRole", &two.params(&[ROLE])).await;
    let same = if iam.is_moto {
        // After the creation, moto treats keys that differ in case as different keys.
        "a"
    } else {
        "A"
    };
    iam.ok("TagRole", &Tagged::one(same, "3").params(&[ROLE]))
        .await;
    assert_eq!(tags(iam).await, [&format!("{same}=3"), "b=2"]);
    let keys = [
        ROLE,
        ("TagKeys.member.1", "a"),
        ("TagKeys.member.2", "absent"),
    ];
    iam.ok("UntagRole", &keys).await;
    assert_eq!(tags(iam).await, ["b=2"]);
}

pub(crate) async fn instance_profiles_are_tagged_as_roles_are(iam: &Iam) {
    let profile = ("InstanceProfileName", "p");
    let created = Tagged::one("a", "1");
    iam.ok("CreateInstanceProfile", &created.params(&[profile]))
        .await;
    iam.ok(
        "TagInstanceProfile",
        &Tagged::one("b", "2").params(&[profile]),
    )
    .await;
    let keys = [profile, ("TagKeys.member.1", "a")];
    iam.ok("UntagInstanceProfile", &keys).await;
    let read = iam.ok("GetInstanceProfile", &[profile]).await;
    let keys = read.texts("GetInstanceProfileResult/InstanceProfile/Tags/member/Key");
    assert_eq!(keys, ["b"]);
    let many = Tagged::numbered(51);
    let moto = lenient("it does not check a profile's tags");
    iam.rejected_but(
        "TagInstanceProfile",
        &many.params(&[profile]),
        (400, "ValidationError"),
        moto,
    )
    .await;
}

pub(crate) async fn tags_are_listed_in_pages(iam: &Iam) {
    let about = [ROLE, ("AssumeRolePolicyDocument", EC2_TRUST)];
    iam.ok("CreateRole", &Tagged::numbered(3).params(&about))
        .await;
    let first = iam.ok("ListRoleTags", &[ROLE, ("MaxItems", "2")]).await;
    let key = "ListRoleTagsResult/Tags/member/Key";
    assert_eq!(first.texts(key), ["k00", "k01"]);
    let marker = first
        .text("ListRoleTagsResult/Marker")
        .expect("more to come");
    let last = iam
        .ok(
            "ListRoleTags",
            &[ROLE, ("MaxItems", "2"), ("Marker", &marker)],
        )
        .await;
    assert_eq!(last.texts(key), ["k02"]);
    assert_eq!(
        last.text("ListRoleTagsResult/IsTruncated").as_deref(),
        Some("false")
    );
}
