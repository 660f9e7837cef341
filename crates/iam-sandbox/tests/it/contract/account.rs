use super::{Iam, lenient};
use crate::wire::{EC2_TRUST, READ_SECRETS};

pub(crate) async fn account_details_contain_all_roles_with_their_policies(iam: &Iam) {
    let role = ("RoleName", "r");
    let managed = ("PolicyArn", iam.read_only().await);
    let tag = [("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")];
    iam.role("r").await;
    iam.role("s").await;
    iam.profile("p").await;
    iam.ok("TagRole", &[role, tag[0], tag[1]]).await;
    iam.ok(
        "PutRolePolicy",
        &[role, ("PolicyName", "i"), ("PolicyDocument", READ_SECRETS)],
    )
    .await;
    iam.ok("AttachRolePolicy", &[role, managed]).await;
    iam.ok(
        "AddRoleToInstanceProfile",
        &[("InstanceProfileName", "p"), role],
    )
    .await;
    let only_roles = [("Filter.member.1", "Role")];
    let all = iam.ok("GetAccountAuthorizationDetails", &only_roles).await;
    let member = "GetAccountAuthorizationDetailsResult/RoleDetailList/member";
    let texts = |path: &str| all.texts(&format!("{member}/{path}"));
    assert_eq!(texts("RoleName"), ["r", "s"]);
    assert_eq!(texts("RolePolicyList/member/PolicyName"), ["i"]);
    assert_eq!(
        texts("AttachedManagedPolicies/member/PolicyArn"),
        [managed.1]
    );
    assert_eq!(
        texts("InstanceProfileList/member/InstanceProfileName"),
        ["p"]
    );
    assert_eq!(texts("Tags/member/Key"), ["k"]);
    assert_eq!(
        all.count("GetAccountAuthorizationDetailsResult/Policies/member"),
        0
    );
    if iam.ends_for_moto("it answers without pages") {
        return;
    }
    let first = [("Filter.member.1", "Role"), ("MaxItems", "1")];
    let page = iam.ok("GetAccountAuthorizationDetails", &first).await;
    assert_eq!(page.count(member), 1);
    let marker = page
        .text("GetAccountAuthorizationDetailsResult/Marker")
        .expect("more to come");
    let all = iam
        .ok("GetAccountAuthorizationDetails", &[("Marker", &marker)])
        .await;
    assert_eq!(all.texts(&format!("{member}/RoleName")), ["s"]);
    let policies = "GetAccountAuthorizationDetailsResult/Policies/member/PolicyName";
    assert_eq!(
        all.texts(policies),
        ["ReadOnlyAccess"],
        "only AWS managed policies that are in use are listed"
    );
}

pub(crate) async fn the_account_summary_counts_the_resources(iam: &Iam) {
    iam.role("r").await;
    iam.role("s").await;
    iam.profile("p").await;
    let summary = iam.ok("GetAccountSummary", &[]).await;
    let entry = "GetAccountSummaryResult/SummaryMap/entry";
    let keys = summary.texts(&format!("{entry}/key"));
    let values = summary.texts(&format!("{entry}/value"));
    for (key, value) in [
        ("Roles", "2"),
        ("InstanceProfiles", "1"),
        ("RolesQuota", "1000"),
    ] {
        let place = keys.iter().position(|known| known == key);
        assert_eq!(
            place.map(|place| values[place].as_str()),
            Some(value),
            "{key}"
        );
    }
}

pub(crate) async fn the_caller_has_an_identity(iam: &Iam) {
    let identity = iam.ok("GetCallerIdentity", &[]).await;
    let text = |name: &str| identity.text(&format!("GetCallerIdentityResult/{name}"));
    assert_eq!(text("Account").as_deref(), Some("123456789012"));
    assert!(text("Arn").is_some_and(|arn| arn.starts_with("arn:aws:sts::123456789012:")));
    assert!(text("UserId").is_some_and(|id| id.starts_with('A') && id.len() > 12));
}

pub(crate) async fn a_role_can_be_assumed_only_by_a_principal_that_it_trusts(iam: &Iam) {
    let trust = EC2_TRUST.replace(
        r#""Service":"ec2.amazonaws.com""#,
        r#""AWS":"arn:aws:iam::123456789012:root""#,
    );
    iam.ok(
        "CreateRole",
        &[("RoleName", "mine"), ("AssumeRolePolicyDocument", &trust)],
    )
    .await;
    iam.role("ec2s").await;
    let arn = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let (mine, ec2s, absent) = (arn("mine"), arn("ec2s"), arn("absent"));
    let session = ("RoleSessionName", "session");
    let assumed = iam.ok("AssumeRole", &[("RoleArn", &mine), session]).await;
    let text = |name: &str| {
        assumed
            .text(&format!("AssumeRoleResult/{name}"))
            .unwrap_or_default()
    };
    assert_eq!(
        text("AssumedRoleUser/Arn"),
        "arn:aws:sts::123456789012:assumed-role/mine/session"
    );
    assert!(text("Credentials/AccessKeyId").starts_with("ASIA"));
    assert!(text("Credentials/SecretAccessKey").len() >= 40);
    assert!(text("Credentials/Expiration").ends_with('Z'));
    for arn in [ec2s, absent] {
        let moto = lenient("it lets anybody assume any role, even one that does not exist");
        let params = [("RoleArn", arn.as_str()), session];
        iam.rejected_but("AssumeRole", &params, (403, "AccessDenied"), moto)
            .await;
    }
    for (name, value) in [("DurationSeconds", "899"), ("DurationSeconds", "3601")] {
        let moto = lenient("it accepts any duration");
        let params = [("RoleArn", mine.as_str()), session, (name, value)];
        iam.rejected_but("AssumeRole", &params, (400, "ValidationError"), moto)
            .await;
    }
}
