mod account;
mod attached_policies;
mod boundaries;
mod inline_policies;
mod instance_profiles;
mod managed_policies;
mod policy_lists;
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

/// A valid request for one action of IAM or STS.
trait Operation: Sized {
    /// # Errors
    /// The error for a request that is invalid in every account.
    fn parse(params: &Params, cx: &Context<'_>) -> Result<Self, ApiError>;

    /// Returns every access that the caller must be allowed.
    fn accesses(&self, cx: &Context<'_>) -> Vec<Access>;

    /// Performs the action and returns the elements of the result; `None` if the answer has no
    /// result.
    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError>;
}

/// An action that the sandbox knows, and how it is answered.
#[derive(Clone, Copy)]
pub(crate) struct Action {
    pub(crate) service: Service,
    /// Whether the action only reads; a read may return an old state, if reads are stale.
    pub(crate) reads: bool,
    /// Whether the action creates a resource; a create always uses the current state.
    pub(crate) creates: bool,
    pub(crate) handle: Handle,
}

type Handle = fn(&Params, &mut Context<'_>) -> Result<Option<Xml>, ApiError>;

/// Checks in the order of IAM: first validation, then authorization, then existence and everything
/// else.
fn handle<O: Operation>(params: &Params, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
    let operation = O::parse(params, cx)?;
    authorize(cx, operation.accesses(cx))?;
    operation.run(cx)
}

/// Returns the action with this name; `None` if the sandbox does not have it.
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
        "DeletePolicy" => handle::<managed_policies::DeletePolicy>,
        "GetPolicy" => handle::<managed_policies::GetPolicy>,
        "ListPolicies" => handle::<policy_lists::ListPolicies>,
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
