//! Accounts of the size that IAM's quotas allow.

use std::collections::BTreeSet;

use engine_roles_iam_sandbox::{Quotas, SandboxConfig};

use crate::wire::{Caller, EC2_TRUST, READ_SECRETS, sandbox};

const ROLES: usize = 5_000;

/// Creates the roles, each with a policy and a profile, many at the same time.
async fn fill(iam: &Caller) {
    let workers = (0..20).map(|worker| {
        let iam = iam.clone();
        tokio::spawn(async move {
            for n in (worker..ROLES).step_by(20) {
                let name = format!("role-{n:04}");
                let path = ("Path", "/many/");
                let role = [
                    ("RoleName", name.as_str()),
                    ("AssumeRolePolicyDocument", EC2_TRUST),
                    path,
                ];
                iam.call("CreateRole", &role).await.ok();
                let policy = [
                    ("RoleName", name.as_str()),
                    ("PolicyName", "p"),
                    ("PolicyDocument", READ_SECRETS),
                ];
                iam.call("PutRolePolicy", &policy).await.ok();
                let profile = [("InstanceProfileName", name.as_str()), path];
                iam.call("CreateInstanceProfile", &profile).await.ok();
                let pair = [("InstanceProfileName", name.as_str()), ("RoleName", &name)];
                iam.call("AddRoleToInstanceProfile", &pair).await.ok();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("a worker does not panic");
    }
}

/// Returns all values at a path from all pages, and the number of pages.
async fn pages(
    iam: &Caller,
    action: &str,
    params: &[(&str, &str)],
    path: &str,
) -> (Vec<String>, usize) {
    let (mut values, mut count) = (Vec::new(), 0);
    let mut marker = None::<String>;
    loop {
        let mut params = params.to_vec();
        params.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let page = iam.call(action, &params).await.ok();
        values.extend(page.texts(path));
        count += 1;
        marker = page.text(&format!("{action}Result/Marker"));
        let truncated = page.text(&format!("{action}Result/IsTruncated"));
        assert_eq!(truncated.as_deref() == Some("true"), marker.is_some());
        if marker.is_none() {
            return (values, count);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_roles_can_be_created_and_listed_in_tens_of_calls() {
    let quotas = Quotas {
        roles: ROLES,
        instance_profiles: ROLES,
        ..Quotas::default()
    };
    let (_sandbox, iam) = sandbox(SandboxConfig {
        quotas,
        stale_reads: std::time::Duration::from_nanos(1),
        ..SandboxConfig::default()
    })
    .await;
    fill(&iam).await;

    let params = [("PathPrefix", "/many/"), ("MaxItems", "1000")];
    let path = "ListRolesResult/Roles/member/RoleName";
    let (names, calls) = pages(&iam, "ListRoles", &params, path).await;
    assert_eq!((names.len(), calls), (ROLES, 5));
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), ROLES);

    let params = [("Filter.member.1", "Role")];
    let detail = "GetAccountAuthorizationDetailsResult/RoleDetailList/member";
    let action = "GetAccountAuthorizationDetails";
    let profile = format!("{detail}/InstanceProfileList/member/InstanceProfileName");
    let (profiles, calls) = pages(&iam, action, &params, &profile).await;
    assert_eq!((profiles, calls), (names, ROLES / 100));
}
