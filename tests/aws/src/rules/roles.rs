//! The life cycle of roles.

use crate::answer::Answer;
use crate::params::{EC2_TRUST, Params};
use crate::probe::{Ask, Probe};
use crate::trouble::Trouble;

/// A permissions policy.
pub(super) const READ_SECRETS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}"#;
const READ_ONLY: &str = "policy/ReadOnlyAccess";

/// Returns the names of the elements in a role, in the order of the alphabet.
fn members(answer: &Answer) -> String {
    let all = [
        "Path",
        "RoleName",
        "RoleId",
        "Arn",
        "CreateDate",
        "AssumeRolePolicyDocument",
        "Description",
        "MaxSessionDuration",
        "PermissionsBoundaryArn",
        "PermissionsBoundaryType",
    ];
    let present = all
        .iter()
        .filter(|name| answer.body.contains(&format!("<{name}>")));
    let mut present: Vec<&str> = present.copied().collect();
    if !answer.tags().is_empty() {
        present.push("Tags");
    }
    present.join(" ")
}

pub(super) async fn lifetime(probe: &mut Probe) -> Result<(), Trouble> {
    let name = probe.run.name("lifetime");
    let role = [("RoleName", name.as_str())];
    let create = Params::role(&probe.run, &name);
    for (what, action) in [
        ("read an absent role", "GetRole"),
        ("delete an absent role", "DeleteRole"),
    ] {
        probe.see(what, action, &role).await?;
    }
    let first = probe
        .ask(Ask::new("create", "CreateRole", &create).showing(members))
        .await?;
    probe.see("create again", "CreateRole", &create).await?;
    let other_case = create.clone().with("RoleName", &name.to_uppercase());
    probe
        .see("create with other letter case", "CreateRole", &other_case)
        .await?;
    probe
        .ask(Ask::new("read", "GetRole", &role).showing(members))
        .await?;
    let upper = name.to_uppercase();
    probe
        .see(
            "read with other letter case",
            "GetRole",
            &[("RoleName", upper.as_str())],
        )
        .await?;
    probe.see("delete", "DeleteRole", &role).await?;
    probe.see("read a deleted role", "GetRole", &role).await?;
    probe.see("delete again", "DeleteRole", &role).await?;
    let second = probe.must("CreateRole", &create).await?;
    let is_new = first.text("RoleId") != second.text("RoleId");
    probe.note(
        "the role that is created again has another id",
        &is_new.to_string(),
    );
    let id = first.text("RoleId").unwrap_or_default();
    let format = format!(
        "{} and {} characters",
        &id.get(..4).unwrap_or_default(),
        id.len()
    );
    probe.note("format of the id", &format);
    Ok(())
}

pub(super) async fn conflicts(probe: &mut Probe) -> Result<(), Trouble> {
    let (role, profile) = (
        probe.role("conflicts").await?,
        probe.profile("conflicts").await?,
    );
    let this = [("RoleName", role.as_str())];
    let inline = Params::from(&this).with("PolicyName", "inline");
    probe
        .must(
            "PutRolePolicy",
            &inline.clone().with("PolicyDocument", READ_SECRETS),
        )
        .await?;
    probe
        .see("with an inline policy", "DeleteRole", &this)
        .await?;
    probe.must("DeleteRolePolicy", &inline).await?;
    let partition = probe.account.endpoints.partition.as_str();
    let arn = format!("arn:{partition}:iam::aws:{READ_ONLY}");
    let attached = Params::from(&this).with("PolicyArn", &arn);
    probe.must("AttachRolePolicy", &attached).await?;
    probe
        .see("with an attached policy", "DeleteRole", &this)
        .await?;
    probe.must("DetachRolePolicy", &attached).await?;
    let member = Params::from(&this).with("InstanceProfileName", &profile);
    probe.must("AddRoleToInstanceProfile", &member).await?;
    probe
        .see("in an instance profile", "DeleteRole", &this)
        .await?;
    probe.must("RemoveRoleFromInstanceProfile", &member).await?;
    probe
        .see("when nothing is left", "DeleteRole", &this)
        .await?;
    Ok(())
}

pub(super) async fn limits(probe: &mut Probe) -> Result<(), Trouble> {
    let name = probe.run.name("limits");
    let role = Params::role(&probe.run, &name);
    let long = "d".repeat(1_001);
    for (what, parameter, value) in [
        ("the session is too short", "MaxSessionDuration", "3599"),
        ("the session is too long", "MaxSessionDuration", "43201"),
        ("the description is too long", "Description", long.as_str()),
        (
            "the description has other characters",
            "Description",
            "\u{2014}",
        ),
        (
            "the path of service-linked roles",
            "Path",
            "/aws-service-role/ec2.amazonaws.com/",
        ),
    ] {
        let bad = role.clone().with(parameter, value);
        probe.see(what, "CreateRole", &bad).await?;
    }
    let without = role.clone().without("AssumeRolePolicyDocument");
    probe.see("no trust policy", "CreateRole", &without).await?;
    probe
        .see("no name", "CreateRole", &role.clone().without("RoleName"))
        .await?;
    let most = role
        .with("MaxSessionDuration", "43200")
        .with("Description", "\u{fc}");
    probe.see("within the limits", "CreateRole", &most).await?;
    Ok(())
}

pub(super) async fn lists(probe: &mut Probe) -> Result<(), Trouble> {
    probe.role("list-a").await?;
    probe.role("list-b").await?;
    let path = probe.run.path();
    let ask = Ask::new(
        "listed roles by path",
        "ListRoles",
        &[("PathPrefix", path.as_str())],
    );
    probe
        .ask(ask.showing(|answer| {
            let names = answer.texts("RoleName");
            let ours = names.iter().filter(|name| name.contains("-list-"));
            let boundary = answer.body.contains("<PermissionsBoundary>");
            let ours = ours.count();
            let (tags, boundary) = (!answer.tags().is_empty(), boundary);
            format!("both {}, tags {tags}, boundary {boundary}", ours == 2)
        }))
        .await?;
    let one = Params::from(&[("PathPrefix", path.as_str()), ("MaxItems", "1")]);
    probe
        .ask(Ask::new("a page", "ListRoles", &one).showing(|answer| {
            let truncated = answer.text("IsTruncated").unwrap_or_default();
            let marker = answer.text("Marker").is_some();
            format!("truncated {truncated}, marker {marker}")
        }))
        .await?;
    let none = one.clone().with("MaxItems", "0");
    probe.see("a page of none", "ListRoles", &none).await?;
    let bad = one.with("PathPrefix", "no-slash");
    probe
        .see("a prefix without a slash", "ListRoles", &bad)
        .await?;
    let absent = probe.run.name("absent");
    for action in [
        "ListRolePolicies",
        "ListAttachedRolePolicies",
        "ListInstanceProfilesForRole",
        "ListRoleTags",
    ] {
        let what = format!("{action} of an absent role");
        probe
            .see(&what, action, &[("RoleName", absent.as_str())])
            .await?;
    }
    let update = [("RoleName", absent.as_str()), ("PolicyDocument", EC2_TRUST)];
    probe
        .see(
            "UpdateAssumeRolePolicy of an absent role",
            "UpdateAssumeRolePolicy",
            &update,
        )
        .await?;
    Ok(())
}
