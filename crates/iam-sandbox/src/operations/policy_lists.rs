use super::Operation;
use crate::authorization::Access;
use crate::context::Context;
use crate::errors::ApiError;
use crate::managed_policy::Uses;
use crate::names;
use crate::pages::PageRequest;
use crate::wire::Params;
use crate::xml::Xml;

/// Lists the policies of the account. Those of AWS are left out, as with the scope `Local`.
pub(super) struct ListPolicies {
    prefix: String,
    page: PageRequest,
}

impl Operation for ListPolicies {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        if params.get("Scope").map(String::as_str) != Some("Local") {
            return Err(ApiError::invalid("The sandbox lists only the scope Local."));
        }
        Ok(Self {
            prefix: names::path_prefix(params)?,
            page: PageRequest::parse(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let arn = cx.account.arn("policy", &self.prefix, "");
        vec![Access::new("iam:ListPolicies", &arn)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let uses = cx.account.uses_at(cx.view);
        let policies = cx.account.policies.all_at(cx.view, self.page.after());
        let page = self
            .page
            .cut(policies.filter(|(_, policy)| policy.path.starts_with(&self.prefix)));
        let unused = Uses {
            attachments: 0,
            boundaries: 0,
        };
        let xml = page.to_xml("Policies", |xml, policy| {
            policy.write(xml, uses.get(&policy.arn).copied().unwrap_or(unused));
        });
        Ok(Some(xml))
    }
}
