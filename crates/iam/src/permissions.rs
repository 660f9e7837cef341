//! Finds out which permissions our own identity has, without changing anything.

use std::collections::BTreeMap;

use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EntityType, EvaluationResult, PolicyEvaluationDecisionType,
};
use engine_roles_domain::grant::INLINE_POLICY_NAME;
use engine_roles_domain::identity::{DeniedBy, DenyingLayer, Need, Standing};
use engine_roles_domain::resources::{CallKind, RoleName};

use crate::gate::{Gate, GatedIam};
use crate::pages::{Page, all_pages};
use crate::{ErrorKind, IamError};

impl<G: Gate> GatedIam<'_, G> {
    /// Asks IAM's policy simulator which needs a principal has the permissions for. Makes one call
    /// for all needs with the same resource and condition keys. The results are in the order of the
    /// needs.
    ///
    /// # Errors
    /// When a call fails, also when AWS denies the simulator itself.
    pub async fn simulate(
        &self,
        principal: &str,
        needs: &[Need],
    ) -> Result<Vec<Standing>, IamError> {
        let mut groups: BTreeMap<(String, &BTreeMap<String, String>), Vec<&Need>> = BTreeMap::new();
        for need in needs {
            let group = groups.entry((need.sample(), &need.keys)).or_default();
            group.push(need);
        }
        let mut decided = BTreeMap::new();
        for ((resource, keys), group) in groups {
            let mut actions: Vec<String> =
                group.iter().map(|need| need.action.to_owned()).collect();
            actions.sort();
            actions.dedup();
            for (action, standing) in self
                .simulate_at(principal, &resource, keys, actions)
                .await?
            {
                let same = group
                    .iter()
                    .filter(|need| need.action.eq_ignore_ascii_case(&action));
                decided.extend(same.map(|need| (*need, standing.clone())));
            }
        }
        let no_result =
            || Standing::Unknown("IAM's policy simulator returned no result".to_owned());
        let standings = needs.iter();
        let standings = standings.map(|need| decided.get(need).cloned().unwrap_or_else(no_result));
        Ok(standings.collect())
    }

    async fn simulate_at(
        &self,
        principal: &str,
        resource: &str,
        keys: &BTreeMap<String, String>,
        actions: Vec<String>,
    ) -> Result<Vec<(String, Standing)>, IamError> {
        let action = "SimulatePrincipalPolicy";
        let entries = keys.iter().map(|(key, value)| {
            ContextEntry::builder()
                .context_key_name(key)
                .context_key_values(value)
                .context_key_type(match key.as_str() {
                    "aws:TagKeys" => ContextKeyTypeEnum::StringList,
                    _ => ContextKeyTypeEnum::String,
                })
                .build()
        });
        let request = self
            .iam
            .client()
            .simulate_principal_policy()
            .policy_source_arn(principal)
            .set_action_names(Some(actions))
            .resource_arns(resource)
            .set_context_entries(Some(entries.collect()));
        all_pages(|marker| {
            let request = request.clone().set_marker(marker);
            async move {
                let page = self
                    .call(action, CallKind::Read, principal, request.send())
                    .await?;
                let results = page.evaluation_results.into_iter().flatten();
                let standings = results.map(|result| {
                    let standing = standing(&result);
                    (result.eval_action_name, standing)
                });
                Ok(Page::new(standings, page.is_truncated, page.marker))
            }
        })
        .await
    }

    /// Makes a read call to find out whether it is allowed. The answer that the resource does not
    /// exist means that the call is allowed. None for an action that is not one of this service's
    /// reads.
    pub async fn try_read(&self, action: &str, name: &RoleName) -> Option<Standing> {
        let name = name.as_str();
        let target = format!("role {name}");
        let read = CallKind::Read;
        let outcome = match action {
            "iam:GetRole" => {
                let request = self.iam.client().get_role().role_name(name);
                self.call("GetRole", read, &target, request.send())
                    .await
                    .map(drop)
            }
            "iam:GetRolePolicy" => {
                let request = self.iam.client().get_role_policy().role_name(name);
                let request = request.policy_name(INLINE_POLICY_NAME);
                self.call("GetRolePolicy", read, &target, request.send())
                    .await
                    .map(drop)
            }
            "iam:ListRolePolicies" => {
                let request = self.iam.client().list_role_policies().role_name(name);
                self.call("ListRolePolicies", read, &target, request.send())
                    .await
                    .map(drop)
            }
            "iam:ListAttachedRolePolicies" => {
                let request = self
                    .iam
                    .client()
                    .list_attached_role_policies()
                    .role_name(name);
                self.call("ListAttachedRolePolicies", read, &target, request.send())
                    .await
                    .map(drop)
            }
            "iam:ListInstanceProfilesForRole" => {
                let request = self
                    .iam
                    .client()
                    .list_instance_profiles_for_role()
                    .role_name(name);
                self.call("ListInstanceProfilesForRole", read, &target, request.send())
                    .await
                    .map(drop)
            }
            "iam:GetInstanceProfile" => {
                let request = self
                    .iam
                    .client()
                    .get_instance_profile()
                    .instance_profile_name(name);
                self.call("GetInstanceProfile", read, &target, request.send())
                    .await
                    .map(drop)
            }
            "iam:ListRoles" => {
                let request = self.iam.client().list_roles().max_items(1);
                self.call("ListRoles", read, "the account", request.send())
                    .await
                    .map(drop)
            }
            "iam:ListInstanceProfiles" => {
                let request = self.iam.client().list_instance_profiles().max_items(1);
                self.call("ListInstanceProfiles", read, "the account", request.send())
                    .await
                    .map(drop)
            }
            "iam:GetAccountSummary" => self.quota_usage().await.map(drop),
            "iam:GetAccountAuthorizationDetails" => {
                let request = self.iam.client().get_account_authorization_details();
                let request = request.filter(EntityType::Role).max_items(1);
                self.call(
                    "GetAccountAuthorizationDetails",
                    read,
                    "the account",
                    request.send(),
                )
                .await
                .map(drop)
            }
            _ => return None,
        };
        Some(match outcome {
            Ok(()) => Standing::Allowed,
            Err(error) => match error.kind {
                ErrorKind::Absent => Standing::Allowed,
                ErrorKind::Denied => Standing::Denied(error.denied_by.map(|by| *by)),
                _ => Standing::Unknown(error.describe()),
            },
        })
    }
}

fn standing(result: &EvaluationResult) -> Standing {
    match result.eval_decision {
        PolicyEvaluationDecisionType::Allowed => Standing::Allowed,
        _ if !result.missing_context_values().is_empty() => {
            let missing = result.missing_context_values().join(", ");
            Standing::Unknown(format!(
                "the decision depends on condition keys without a known value: {missing}"
            ))
        }
        // The simulator reports a denial under any service control policy with a condition, although
        // AWS may allow the call. Source: IAM User Guide, "IAM policy testing with the policy
        // simulator".
        _ if result
            .organizations_decision_detail()
            .is_some_and(|detail| !detail.allowed_by_organizations()) =>
        {
            Standing::Unknown(
                "IAM's policy simulator reports a denial by the organization's service control policies, whose \
                 conditions it does not evaluate"
                    .to_owned(),
            )
        }
        ref decision => {
            let detail = result.permissions_boundary_decision_detail();
            let is_by_boundary =
                detail.is_some_and(|detail| !detail.allowed_by_permissions_boundary());
            let by_boundary = DeniedBy {
                layer: DenyingLayer::PermissionsBoundary,
                explicit: *decision == PolicyEvaluationDecisionType::ExplicitDeny,
                policy: None,
            };
            Standing::Denied(is_by_boundary.then_some(by_boundary))
        }
    }
}
