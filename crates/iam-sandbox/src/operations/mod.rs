mod account;
mod attached_policies;
mod boundaries;
mod inline_policies;
mod instance_profiles;
mod managed_policies;
mod profile_roles;
mod roles;
mod simulation;
mod sts;
mod tagging;

use crate::authorization::{Access, authorize};
use crate::context::Context;
use crate::errors::ApiError;
use crate::service::Service;
use crate::wire::Params;
use crate::xml::Xml;

/// One action of IAM or STS. Its request is valid where it exists.
trait Operation: Sized {
    /// # Errors
    /// What IAM answers to a request that is wrong whatever the account holds.
    fn parse(params: &Params, cx: &Context<'_>) -> Result<Self, ApiError>;

    /// What the caller must be allowed to do.
    fn accesses(&self, cx: &Context<'_>) -> Vec<Access>;

    /// Does it; the elements of the result, or `None` where the answer has none.
    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError>;
}

/// How an action is answered.
#[derive(Clone, Copy)]
pub(crate) struct Action {
    pub(crate) service: Service,
    /// Reads answer from the past, if reads are stale.
    pub(crate) reads: bool,
    /// What makes something looks at what is there, never at the past.
    pub(crate) creates: bool,
    pub(crate) handle: Handle,
}

type Handle = fn(&Params, &mut Context<'_>) -> Result<Option<Xml>, ApiError>;

/// Validation, then authorization, then existence and all else: IAM's order.
fn handle<O: Operation>(params: &Params, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
    let operation = O::parse(params, cx)?;
    authorize(cx, operation.accesses(cx))?;
    operation.run(cx)
}

/// The action of that name, if it is one that the sandbox knows.
pub(crate) fn find(name: &str) -> Option<Action> {
    let handle: Handle = match name {
        "CreateRole" => handle::<roles::CreateRole>,
        "GetRole" => handle::<roles::GetRole>,
        "DeleteRole" => handle::<roles::DeleteRole>,
        "ListRoles" => handle::<roles::ListRoles>,
        "UpdateAssumeRolePolicy" => handle::<roles::UpdateAssumeRolePolicy>,
        "TagRole" => handle::<tagging::TagRole>,
        "UntagRole" => handle::<tagging::UntagRole>,
        "ListRoleTags" => handle::<tagging::ListRoleTags>,
        "TagInstanceProfile" => handle::<tagging::TagInstanceProfile>,
        "UntagInstanceProfile" => handle::<tagging::UntagInstanceProfile>,
        "PutRolePermissionsBoundary" => handle::<boundaries::PutRolePermissionsBoundary>,
        "DeleteRolePermissionsBoundary" => handle::<boundaries::DeleteRolePermissionsBoundary>,
        "PutRolePolicy" => handle::<inline_policies::PutRolePolicy>,
        "GetRolePolicy" => handle::<inline_policies::GetRolePolicy>,
        "DeleteRolePolicy" => handle::<inline_policies::DeleteRolePolicy>,
        "ListRolePolicies" => handle::<inline_policies::ListRolePolicies>,
        "AttachRolePolicy" => handle::<attached_policies::AttachRolePolicy>,
        "DetachRolePolicy" => handle::<attached_policies::DetachRolePolicy>,
        "ListAttachedRolePolicies" => handle::<attached_policies::ListAttachedRolePolicies>,
        "CreatePolicy" => handle::<managed_policies::CreatePolicy>,
        "GetPolicy" => handle::<managed_policies::GetPolicy>,
        "GetPolicyVersion" => handle::<managed_policies::GetPolicyVersion>,
        "CreateInstanceProfile" => handle::<instance_profiles::CreateInstanceProfile>,
        "GetInstanceProfile" => handle::<instance_profiles::GetInstanceProfile>,
        "DeleteInstanceProfile" => handle::<instance_profiles::DeleteInstanceProfile>,
        "ListInstanceProfiles" => handle::<instance_profiles::ListInstanceProfiles>,
        "ListInstanceProfilesForRole" => handle::<instance_profiles::ListInstanceProfilesForRole>,
        "AddRoleToInstanceProfile" => handle::<profile_roles::AddRoleToInstanceProfile>,
        "RemoveRoleFromInstanceProfile" => handle::<profile_roles::RemoveRoleFromInstanceProfile>,
        "GetAccountSummary" => handle::<account::GetAccountSummary>,
        "GetAccountAuthorizationDetails" => handle::<account::GetAccountAuthorizationDetails>,
        "SimulatePrincipalPolicy" => handle::<simulation::SimulatePrincipalPolicy>,
        "GetCallerIdentity" => handle::<sts::GetCallerIdentity>,
        "AssumeRole" => handle::<sts::AssumeRole>,
        _ => return None,
    };
    let service = match name {
        "GetCallerIdentity" | "AssumeRole" => Service::Sts,
        _ => Service::Iam,
    };
    let reads = ["Get", "List", "Simulate"];
    let reads = reads.iter().any(|verb| name.starts_with(verb));
    Some(Action {
        service,
        reads,
        creates: name.starts_with("Create"),
        handle,
    })
}
