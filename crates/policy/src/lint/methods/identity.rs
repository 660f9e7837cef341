//! Methods that work through IAM and STS alone, or through the policy of a resource.

use super::types::{BUCKET, GROUP, KEY, POLICY, PROFILE, ROLE, SECRET, USER};
use super::{Method, every, every_other, need, own, pass, pathfinding, rhino, some};

const BOUNDARIES: &str =
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html";

#[rustfmt::skip]
pub(super) const METHODS: &[Method] = &[
    rhino!("CreateNewPolicyVersion", &["iam-001"], &[every!(&["iam:CreatePolicyVersion"], POLICY)]),
    rhino!("SetExistingDefaultPolicyVersion", &[], &[every!(&["iam:SetDefaultPolicyVersion"], POLICY)]),
    rhino!("CreateAccessKey", &["iam-002"], &[every_other!(&["iam:CreateAccessKey"], USER)]),
    pathfinding!("iam-003", &[every_other!(&["iam:CreateAccessKey"], USER), some!(&["iam:DeleteAccessKey"], USER)]),
    rhino!("CreateLoginProfile", &["iam-004"], &[every_other!(&["iam:CreateLoginProfile"], USER)]),
    rhino!("UpdateLoginProfile", &["iam-006"], &[every_other!(&["iam:UpdateLoginProfile"], USER)]),
    rhino!("AttachUserPolicy", &["iam-008"], &[every!(&["iam:AttachUserPolicy"], USER)]),
    rhino!("AttachGroupPolicy", &["iam-010"], &[every!(&["iam:AttachGroupPolicy"], GROUP)]),
    rhino!("AttachRolePolicy", &["iam-009"], &[every!(&["iam:AttachRolePolicy"], ROLE)]),
    rhino!("PutUserPolicy", &["iam-007"], &[every!(&["iam:PutUserPolicy"], USER)]),
    rhino!("PutGroupPolicy", &["iam-011"], &[every!(&["iam:PutGroupPolicy"], GROUP)]),
    rhino!("PutRolePolicy", &["iam-005"], &[every!(&["iam:PutRolePolicy"], ROLE)]),
    rhino!("AddUserToGroup", &["iam-013"], &[every!(&["iam:AddUserToGroup"], GROUP)]),
    // A trust policy that names the caller is enough: an identity of the same account needs no
    // permission of its own to assume the role.
    pathfinding!("iam-012", &[every!(&["iam:UpdateAssumeRolePolicy"], ROLE)]),
    rhino!("UpdateRolePolicyToAssumeIt", &[], &[every!(&["iam:UpdateAssumeRolePolicy"], ROLE), some!(&["sts:AssumeRole"], ROLE)]),
    pathfinding!("iam-014", &[every!(&["iam:AttachRolePolicy"], ROLE), some!(&["sts:AssumeRole"], ROLE)]),
    pathfinding!("iam-015", &[every_other!(&["iam:AttachUserPolicy"], USER), some!(&["iam:CreateAccessKey"], USER)]),
    pathfinding!("iam-016", &[every!(&["iam:CreatePolicyVersion"], POLICY), some!(&["sts:AssumeRole"], ROLE)]),
    pathfinding!("iam-017", &[every!(&["iam:PutRolePolicy"], ROLE), some!(&["sts:AssumeRole"], ROLE)]),
    pathfinding!("iam-018", &[every_other!(&["iam:PutUserPolicy"], USER), some!(&["iam:CreateAccessKey"], USER)]),
    pathfinding!("iam-019", &[every!(&["iam:AttachRolePolicy"], ROLE), some!(&["iam:UpdateAssumeRolePolicy"], ROLE)]),
    pathfinding!("iam-020", &[every!(&["iam:CreatePolicyVersion"], POLICY), some!(&["iam:UpdateAssumeRolePolicy"], ROLE)]),
    pathfinding!("iam-021", &[every!(&["iam:PutRolePolicy"], ROLE), some!(&["iam:UpdateAssumeRolePolicy"], ROLE)]),
    pathfinding!("sts-001", &[every!(&["sts:AssumeRole"], ROLE)]),
    own!("change-role-permissions-boundary", BOUNDARIES,
        &[every!(&["iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"], ROLE)]),
    own!("change-user-permissions-boundary", BOUNDARIES,
        &[every!(&["iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"], USER)]),
    own!("swap-role-of-instance-profile",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_switch-role-ec2_instance-profiles.html",
        &[pass!("ec2.amazonaws.com"), some!(&["iam:AddRoleToInstanceProfile"], PROFILE), some!(&["iam:RemoveRoleFromInstanceProfile"], PROFILE)]),
    own!("put-key-policy", "https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html",
        &[every!(&["kms:PutKeyPolicy"], KEY)]),
    own!("put-bucket-policy", "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html",
        &[every!(&["s3:PutBucketPolicy"], BUCKET)]),
    own!("put-secret-policy", "https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_resource-policies.html",
        &[every!(&["secretsmanager:PutResourcePolicy"], SECRET)]),
];
