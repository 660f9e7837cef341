//! What this service's identity may do, and what is missing for which feature.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use engine_roles_domain::account::Scope;
use engine_roles_domain::cluster::RoleReference;
use engine_roles_domain::identity::{
    Feature, FeatureReport, Need, Recommendation, Standing, Status, needs, recommend, report,
    standing_by_documents,
};
use engine_roles_domain::prepared::HeldRole;
use engine_roles_domain::resources::RoleName;
use engine_roles_iam::{Caller, CallerError, ErrorKind, IamError};
use tokio::sync::Mutex;
use tracing::info;

use crate::Provisioner;
use crate::service::Inner;

/// For how long an answer is given again.
const FRESH: Duration = Duration::from_mins(5);
/// A role that nobody has, to read: an answer that it is not there shows that reading is allowed.
const NOBODYS_ROLE: &str = "engine-roles-probe-0000000000000000";

/// What this service's identity may do.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// The ARN of the identity; none where the account is configured and STS does not say.
    pub identity: Option<String>,
    /// How it was found: `simulated` by IAM, `evaluated` from the identity's own policies,
    /// `probed` by reads that change nothing, `remembered` from earlier work.
    pub found_by: Vec<&'static str>,
    /// When.
    pub found_at: DateTime<Utc>,
    /// By feature.
    pub features: Vec<FeatureReport>,
    /// What the administrator had best do.
    pub recommendation: Recommendation,
}

/// What was found last, without what work has shown since.
#[derive(Debug, Default)]
pub(crate) struct Found {
    last: Mutex<Option<(Instant, Arc<Ground>)>>,
}

#[derive(Debug)]
pub(crate) struct Ground {
    scope: Scope,
    /// Who we are; none where STS did not say.
    identity: Option<String>,
    /// The ARN of the role or user whose policies count.
    principal: Option<String>,
    /// When the look began.
    since: Instant,
    found_by: Vec<&'static str>,
    found_at: DateTime<Utc>,
    standings: BTreeMap<Need, Standing>,
}

impl Provisioner {
    /// What this service's identity may do, found without changing anything. What was looked up
    /// is good for five minutes; what AWS allowed or refused in the course of work counts at once.
    ///
    /// # Errors
    /// When STS does not say who we are.
    pub async fn capabilities(&self) -> Result<Capabilities, CallerError> {
        let ground = self.inner.ground().await?;
        Ok(self.inner.assemble(&ground))
    }
}

impl Inner {
    /// What is known without work's lessons, looked up where it is old.
    pub(crate) async fn ground(&self) -> Result<Arc<Ground>, CallerError> {
        // Whoever comes while somebody looks waits for what is found.
        let mut last = self.found.last.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(Box::pin(self.look()).await?);
        *last = Some((Instant::now(), Arc::clone(&found)));
        Ok(found)
    }

    /// Says in the log what is missing of what the service lives by.
    pub(crate) fn tell(&self, ground: &Ground) {
        let found = self.assemble(ground);
        for report in found
            .features
            .iter()
            .filter(|report| report.status == Status::Missing)
        {
            let feature = report.feature.as_str();
            let missing = report.missing.join(", ");
            info!(
                feature,
                missing, "this identity lacks permissions for a feature"
            );
        }
        info!(
            identity = found.identity.as_deref().unwrap_or("unknown"),
            advice = found.recommendation.advice,
            "looked at what this identity may do"
        );
    }

    /// Our own role, where it was found out lately that we are one.
    pub(crate) fn own_role(&self) -> Option<RoleReference> {
        let last = self.found.last.try_lock().ok()?;
        let (_, ground) = last.as_ref()?;
        RoleReference::parse(ground.principal.as_deref()?).ok()
    }

    async fn look(&self) -> Result<Ground, CallerError> {
        let since = Instant::now();
        let (caller, unknown) = match (self.iam.caller().await, self.scope.known()) {
            (Ok(caller), _) => (Some(caller), String::new()),
            (Err(error), Some(_)) => (None, error.to_string()),
            (Err(error), None) => return Err(error),
        };
        let scope = caller.as_ref().map(|caller| &caller.scope);
        let scope = scope.or(self.scope.known()).cloned();
        let scope = scope.ok_or(CallerError::Unreadable)?;
        let needs = self.needs(&scope).into_iter();
        let needs: Vec<Need> = needs.flat_map(|(_, needs)| needs).collect();
        let mut found_by = Vec::new();
        let mut principal = None;
        let known = match &caller {
            Some(caller) => {
                let own = self.own_policies(caller).await;
                let shown = own.as_ref().ok().and_then(Option::as_ref);
                let arn = shown.and_then(|own| own.role.arn.clone());
                let arn = arn.unwrap_or_else(|| caller.principal_arn());
                principal = Some(arn.clone());
                Box::pin(self.by_policies(caller, &arn, own, &needs)).await
            }
            None => Err(unknown),
        };
        let mut standings: BTreeMap<Need, Standing> = match known {
            Ok((how, found)) => {
                found_by.push(how);
                needs.into_iter().zip(found).collect()
            }
            Err(reason) => {
                let unknown = |need| (need, Standing::Unknown(reason.clone()));
                needs.into_iter().map(unknown).collect()
            }
        };
        if self.probe(&scope, &mut standings).await {
            found_by.push("probed");
        }
        Ok(Ground {
            scope,
            identity: caller.map(|caller| caller.arn),
            principal,
            since,
            found_by,
            found_at: Utc::now(),
            standings,
        })
    }

    async fn own_policies(&self, caller: &Caller) -> Result<Option<HeldRole>, String> {
        match caller.role_name() {
            Some(name) => self.iam.held_role(&name).await.map_err(|error| why(&error)),
            None => Err("the identity is not a role".to_owned()),
        }
    }

    fn needs(&self, scope: &Scope) -> Vec<(Feature, Vec<Need>)> {
        let namespace = self.store.namespace();
        let of = |feature| needs(feature, namespace, scope, &self.settings.defaults);
        Feature::ALL.map(|feature| (feature, of(feature))).into()
    }

    /// By IAM's simulator, or else by the policies of our own role; or why neither can be asked.
    async fn by_policies(
        &self,
        caller: &Caller,
        principal: &str,
        own: Result<Option<HeldRole>, String>,
        needs: &[Need],
    ) -> Result<(&'static str, Vec<Standing>), String> {
        let refused = match self.iam.simulate(principal, needs).await {
            Ok(standings) => return Ok(("simulated", standings)),
            Err(error) => why(&error),
        };
        match own {
            Ok(Some(own)) => {
                let standings = needs
                    .iter()
                    .map(|need| standing_by_documents(&own, &caller.scope, need));
                Ok(("evaluated", standings.collect()))
            }
            Ok(None) => Err(format!(
                "{refused}; IAM does not show the identity's own role"
            )),
            Err(unread) => Err(format!("{refused}; its own role: {unread}")),
        }
    }

    /// Tries the reads of which nothing is known yet. Whether there were any.
    async fn probe(&self, scope: &Scope, standings: &mut BTreeMap<Need, Standing>) -> bool {
        let made = self.store.some_created_role(&scope.account).await;
        let made = made.ok().flatten();
        let unknown: Vec<Need> = standings
            .iter()
            .filter(|(_, standing)| matches!(standing, Standing::Unknown(_)))
            .map(|(need, _)| need.clone())
            .collect();
        let mut probed = false;
        for need in unknown {
            let ours = need.resource.len() > 1 && need.resource.ends_with('*');
            let named = need.resource.rsplit('/').next().filter(|_| !ours);
            let name = named.or(made.as_deref()).unwrap_or(NOBODYS_ROLE);
            let Ok(name) = RoleName::parse(name).or_else(|_| RoleName::parse(NOBODYS_ROLE)) else {
                continue;
            };
            let Some(standing) = self.iam.try_read(need.action, &name).await else {
                continue;
            };
            probed = true;
            let standing = match standing {
                // What is not there has no path, so a policy that goes by paths refuses it too.
                Standing::Refused if ours && name.as_str() == NOBODYS_ROLE => Standing::Unknown(
                    "it is refused for a role that is not there, which tells nothing of those \
                     under a path; allow iam:SimulatePrincipalPolicy on the service's own role"
                        .to_owned(),
                ),
                standing => standing,
            };
            let unreachable = matches!(&standing, Standing::Unknown(_)) && !ours;
            standings.insert(need, standing);
            if unreachable {
                // IAM is away; the others would only take as long.
                break;
            }
        }
        probed
    }

    fn assemble(&self, ground: &Ground) -> Capabilities {
        let remembered = Cell::new(false);
        let standing = |need: &Need| {
            let looked = ground.standings.get(need).cloned();
            let looked =
                looked.unwrap_or_else(|| Standing::Unknown("it was not looked at".to_owned()));
            let is_unknown = matches!(looked, Standing::Unknown(_));
            // What work has shown since counts more than what was looked up, and what it showed
            // before counts where nothing could be.
            match self.permissions.met(need) {
                Some((allowed, at)) if at >= ground.since || is_unknown => {
                    remembered.set(true);
                    if allowed {
                        Standing::Allowed
                    } else {
                        Standing::Refused
                    }
                }
                _ => looked,
            }
        };
        let needs = self.needs(&ground.scope).into_iter();
        let features: Vec<FeatureReport> = needs
            .map(|(feature, needs)| report(feature, &needs, standing))
            .collect();
        let remembered = remembered.get().then_some("remembered");
        Capabilities {
            identity: ground.identity.clone(),
            found_by: ground.found_by.iter().copied().chain(remembered).collect(),
            found_at: ground.found_at,
            recommendation: recommend(&features),
            features,
        }
    }
}

fn why(error: &IamError) -> String {
    match (error.kind, &error.missing_permission) {
        (ErrorKind::Denied, Some(permission)) => format!("{permission} is refused"),
        _ => error.describe(),
    }
}
