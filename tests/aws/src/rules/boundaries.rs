//! Permissions boundaries, and managed policies that are used as boundaries.

use crate::params::Params;
use crate::probe::{Ask, Probe};
use crate::rules::roles::READ_SECRETS;
use crate::trouble::Trouble;

pub(super) async fn boundaries(probe: &mut Probe) -> Result<(), Trouble> {
    let absent = probe.own_arn("policy", &probe.run.name("absent"));
    let name = probe.run.name("bounded");
    let with = |arn: &str| Params::role(&probe.run, &name).with("PermissionsBoundary", arn);
    let absent_policy = with(&absent);
    let bad = with("arn:aws:iam::123:policy/boundary");
    let short = with("boundary");
    probe
        .see("create, absent policy", "CreateRole", &absent_policy)
        .await?;
    probe
        .see("create, no ARN of a policy", "CreateRole", &bad)
        .await?;
    probe
        .see("create, text that is too short", "CreateRole", &short)
        .await?;
    let role = probe.role("unbounded").await?;
    let this = [("RoleName", role.as_str())];
    let put = |arn: &str| Params::from(&this).with("PermissionsBoundary", arn);
    let (action, undo) = (
        "PutRolePermissionsBoundary",
        "DeleteRolePermissionsBoundary",
    );
    probe.see("delete where there is none", undo, &this).await?;
    probe
        .see("put an absent policy", action, put(&absent))
        .await?;
    probe
        .see(
            "put no ARN of a policy",
            action,
            put("arn:aws:iam::123:policy/boundary"),
        )
        .await?;
    let boundary = probe.policy("boundary", READ_SECRETS).await?;
    probe.see("put", action, put(&boundary)).await?;
    let read = Ask::new("read", "GetRole", &this);
    probe
        .ask(read.showing(|answer| answer.text("PermissionsBoundaryArn").unwrap_or_default()))
        .await?;
    let policy = [("PolicyArn", boundary.as_str())];
    probe
        .see(
            "delete a policy that is a boundary",
            "DeletePolicy",
            &policy,
        )
        .await?;
    probe.see("delete", undo, &this).await?;
    let attached = Params::from(&this).with("PolicyArn", &boundary);
    probe.see("attach", "AttachRolePolicy", &attached).await?;
    probe
        .see("attach again", "AttachRolePolicy", &attached)
        .await?;
    let other = Params::from(&this).with("PolicyArn", &absent);
    probe
        .see("attach an absent policy", "AttachRolePolicy", &other)
        .await?;
    probe
        .see("detach an absent policy", "DetachRolePolicy", &other)
        .await?;
    let again = Params::policy(&probe.run, &probe.run.name("boundary"), READ_SECRETS);
    probe
        .see("create the policy again", "CreatePolicy", &again)
        .await?;
    probe
        .see("delete a policy that is attached", "DeletePolicy", &policy)
        .await?;
    probe.see("detach", "DetachRolePolicy", &attached).await?;
    probe
        .see("detach again", "DetachRolePolicy", &attached)
        .await?;
    probe
        .see("delete the policy", "DeletePolicy", &policy)
        .await?;
    probe
        .see("delete the policy again", "DeletePolicy", &policy)
        .await?;
    probe
        .see("read a deleted policy", "GetPolicy", &policy)
        .await?;
    Ok(())
}
