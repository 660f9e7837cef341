use chrono::TimeDelta;
use engine_roles_policy::{Document, Kind, Principal, Request, evaluate_trust};

use super::Operation;
use crate::authorization::Access;
use crate::caller::Caller;
use crate::context::Context;
use crate::documents;
use crate::errors::ApiError;
use crate::names::{self, Name};
use crate::role::Role;
use crate::session::Session;
use crate::wire::Params;
use crate::xml::Xml;

pub(super) struct GetCallerIdentity;

impl Operation for GetCallerIdentity {
    fn parse(_: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self)
    }

    /// The action needs no permission, and no policy can deny it.
    fn accesses(&self, _: &Context<'_>) -> Vec<Access> {
        Vec::new()
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let mut xml = Xml::default();
        xml.text("Arn", &cx.caller.arn)
            .text("UserId", &cx.caller.user_id)
            .text("Account", &cx.caller.account);
        Ok(Some(xml))
    }
}

pub(super) struct AssumeRole {
    arn: String,
    session: Name,
    seconds: u32,
    /// The session policy.
    policy: Option<Document>,
}

impl AssumeRole {
    fn access(&self) -> Access {
        Access::new("sts:AssumeRole", &self.arn)
    }
}

impl Operation for AssumeRole {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        let arn = params.required("RoleArn")?;
        names::length(arn, "roleArn", 20, 2_048)?;
        let seconds = params.number("DurationSeconds", 900, 43_200)?;
        let policy = documents::session(params, "Policy")?;
        Ok(Self {
            arn: arn.to_owned(),
            session: names::session_name(params)?,
            seconds: seconds.unwrap_or(3_600),
            policy,
        })
    }

    fn accesses(&self, _: &Context<'_>) -> Vec<Access> {
        vec![self.access()]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let name = self.arn.rsplit('/').next().unwrap_or_default();
        let role = cx.account.roles.current(&name.to_ascii_lowercase());
        let role = role.filter(|role| role.arn == self.arn && trusts(role, cx));
        let Some(role) = role.cloned() else {
            // AWS returns the same error for a role that does not exist and for a role that does
            // not trust the caller.
            let Caller { arn, .. } = &cx.caller;
            return Err(ApiError::new(
                "AccessDenied",
                format!(
                    "User: {arn} is not authorized to perform: sts:AssumeRole on resource: {}",
                    self.arn
                ),
            ));
        };
        if self.seconds > role.max_session_duration {
            return Err(ApiError::invalid(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let session = self.session.as_str();
        let (partition, account) = (&cx.account.partition, &cx.account.id);
        let assumed = Caller {
            account: account.clone(),
            arn: format!(
                "arn:{partition}:sts::{account}:assumed-role/{}/{session}",
                role.name
            ),
            role_arn: role.arn.clone(),
            user_id: format!("{}:{session}", role.id),
            session: Some(Session {
                role: role.name.to_ascii_lowercase(),
                role_id: role.id.clone(),
                policy: self.policy,
            }),
        };
        let access_key = cx.unique_id("ASIA")[..20].to_owned();
        let (secret, token) = (cx.random(40), cx.random(120));
        let expiration = cx.date + TimeDelta::seconds(i64::from(self.seconds));
        let mut xml = Xml::default();
        xml.element("Credentials", |xml| {
            xml.text("AccessKeyId", &access_key)
                .text("SecretAccessKey", secret)
                .text("SessionToken", token)
                .date("Expiration", expiration);
        })
        .element("AssumedRoleUser", |xml| {
            xml.text("AssumedRoleId", &assumed.user_id)
                .text("Arn", &assumed.arn);
        });
        cx.sessions.insert(access_key, assumed);
        Ok(Some(xml))
    }
}

/// Whether a role's trust policy allows the caller to assume the role. The answer is no if the
/// decision depends on condition keys that the sandbox does not have.
fn trusts(role: &Role, cx: &Context<'_>) -> bool {
    let document = Document::parse(Kind::Trust, &role.trust);
    let document = document.expect("a stored trust policy is valid");
    let (caller, context) = (&cx.caller, cx.caller.context(cx.region));
    let request = Request::assume_role(Principal::aws(&caller.arn)).in_context(context);
    evaluate_trust(&request, &document).is_allowed()
}
