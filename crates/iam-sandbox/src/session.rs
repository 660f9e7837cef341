use std::sync::Arc;

use engine_roles_policy::{Context, Document, Kind};

use crate::account::Account;
use crate::layers::PolicyLayer;
use crate::role::Role;

/// A session of a role that `AssumeRole` returned.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The key of the role's name.
    pub(crate) role: String,
    /// The unique id of the role. A role that was created again under the name is another role.
    pub(crate) role_id: String,
    /// The session policy of the request, if there was one.
    pub(crate) policy: Option<Document>,
}

impl Session {
    fn role<'a>(&self, account: &'a Account) -> Option<&'a Arc<Role>> {
        let role = account.roles.current(&self.role);
        role.filter(|role| role.id == self.role_id)
    }

    /// Returns the policies of the layers that belong to a session, as they are now. A layer that is
    /// absent allows everything; a layer without policies allows nothing.
    pub(crate) fn layers(&self, account: &Account) -> Vec<(PolicyLayer, Vec<Document>)> {
        let role = self.role(account);
        let inline = role.into_iter().flat_map(|role| role.inline.values());
        let inline = inline.map(|policy| stored(&policy.document));
        let attached = role.into_iter().flat_map(|role| &role.attached);
        let attached = attached.filter_map(|arn| managed(arn, account));
        let mut layers = vec![(PolicyLayer::Identity, inline.chain(attached).collect())];
        if let Some(arn) = role.and_then(|role| role.boundary.as_ref()) {
            let boundary = managed(arn, account).into_iter().collect();
            layers.push((PolicyLayer::Boundary, boundary));
        }
        if let Some(policy) = &self.policy {
            layers.push((PolicyLayer::Session, vec![policy.clone()]));
        }
        layers
    }

    /// Adds the condition keys of the role's tags.
    pub(crate) fn with_tags(&self, account: &Account, context: Context) -> Context {
        let Some(role) = self.role(account) else {
            return context;
        };
        role.tags.iter().fold(context, |context, tag| {
            context.with(format!("aws:PrincipalTag/{}", tag.key), &tag.value)
        })
    }
}

fn managed(arn: &str, account: &Account) -> Option<Document> {
    let policy = account.current_policy(arn);
    policy.map(|policy| stored(&policy.document))
}

fn stored(document: &str) -> Document {
    Document::parse(Kind::Identity, document).expect("a stored policy is valid")
}
