//! What this service's identity may do, and which permissions each feature lacks.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use engine_roles_domain::account::Scope;
use engine_roles_domain::cluster::{Defaults, RoleReference};
use engine_roles_domain::identity::{
    Feature, FeatureReport, Need, Recommendation, Standing, Status, needs, recommend, report,
    standings_by_documents,
};
use engine_roles_domain::prepared::HeldRole;
use engine_roles_domain::resources::RoleName;
use engine_roles_iam::{Caller, CallerError, ErrorKind, IamError};
use engine_roles_store::Store;
use tokio::sync::Mutex;
use tracing::info;

use crate::aws::gateway::{Gateway, Terms};
use crate::requests::verdicts::on_blocking_thread;
use crate::settings::ProbeMode;

/// How long a detection is reused.
const FRESH: Duration = Duration::from_mins(5);
/// How long a caller waits for the account's call budget.
const BUDGET_WAIT: Duration = Duration::from_secs(10);
/// A role that no account has. When AWS answers a read of it that the role does not exist, the read is
/// allowed.
const PROBE_ROLE: &str = "engine-roles-probe-0000000000000000";

/// Why nothing is known about a permission that no ordinary call has needed yet.
const PROBES_ARE_OFF: &str = "probes are off (ENGINE_ROLES_PROBES=off), and no call of the last hour has shown whether AWS \
     allows the action";

/// How it was detected what an identity may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// IAM's policy simulator evaluated the permissions.
    Simulated,
    /// This service evaluated the identity's policies.
    Evaluated,
    /// Read calls were tried.
    Probed,
    /// AWS allowed or denied an earlier ordinary call.
    Remembered,
}

impl FoundBy {
    /// Returns the word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Evaluated => "evaluated",
            Self::Probed => "probed",
            Self::Remembered => "remembered",
        }
    }
}

/// What this service's identity may do.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// The ARN of the identity; none when STS does not answer.
    pub identity: Option<String>,
    /// How it was detected.
    pub found_by: Vec<FoundBy>,
    /// When it was detected.
    pub found_at: DateTime<Utc>,
    /// The report about each feature.
    pub features: Vec<FeatureReport>,
    /// What the administrator should do.
    pub recommendation: Recommendation,
}

/// Detects what this service's identity may do, without changing anything.
pub(crate) struct CapabilityDetector {
    store: Store,
    gateway: Arc<Gateway>,
    defaults: Arc<Defaults>,
    probes: ProbeMode,
    last: Mutex<Option<(Instant, Arc<Detection>)>>,
}

/// The result of a detection, without what ordinary calls have shown since.
#[derive(Debug)]
struct Detection {
    scope: Scope,
    /// The ARN of this service's identity; none when STS did not answer.
    identity: Option<String>,
    /// The ARN of the role or user whose policies apply to the identity.
    principal: Option<String>,
    /// When the detection began.
    since: Instant,
    found_by: Vec<FoundBy>,
    found_at: DateTime<Utc>,
    standings: BTreeMap<Need, Standing>,
}

impl CapabilityDetector {
    pub(crate) fn new(
        store: Store,
        gateway: Arc<Gateway>,
        defaults: Arc<Defaults>,
        probes: ProbeMode,
    ) -> Self {
        Self {
            store,
            gateway,
            defaults,
            probes,
            last: Mutex::default(),
        }
    }

    /// Returns what our identity may do. A detection is reused for five minutes; a permission that AWS
    /// allowed or denied in an ordinary call since then takes precedence at once.
    pub(crate) async fn capabilities(&self) -> Result<Capabilities, CallerError> {
        let detection = self.detection().await?;
        Ok(self.assemble(&detection))
    }

    /// Logs which permissions the service lacks.
    pub(crate) async fn report(&self) -> Result<(), CallerError> {
        let found = self.capabilities().await?;
        let missing = found.features.iter();
        for report in missing.filter(|report| report.status == Status::Missing) {
            let feature = report.feature.as_str();
            let missing = report.missing.join(", ");
            info!(
                feature,
                missing, "identity of the service lacks permissions for a feature"
            );
        }
        info!(
            identity = found.identity.as_deref().unwrap_or("unknown"),
            advice = found.recommendation.advice,
            "capabilities detected"
        );
        Ok(())
    }

    /// Returns this service's own role, if a detection found that its identity is a role.
    pub(crate) fn own_role(&self) -> Option<RoleReference> {
        let last = self.last.try_lock().ok()?;
        let (_, detection) = last.as_ref()?;
        RoleReference::parse(detection.principal.as_deref()?).ok()
    }

    async fn detection(&self) -> Result<Arc<Detection>, CallerError> {
        // Callers that ask during a detection wait for its result.
        let mut last = self.last.lock().await;
        if let Some((at, detection)) = &*last
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(detection));
        }
        let detection = Arc::new(Box::pin(self.detect()).await?);
        *last = Some((Instant::now(), Arc::clone(&detection)));
        Ok(detection)
    }

    async fn detect(&self) -> Result<Detection, CallerError> {
        let since = Instant::now();
        let known = self.gateway.known_account();
        let (caller, unknown) = match (self.gateway.caller().await, &known) {
            (Ok(caller), _) => (Some(caller), String::new()),
            (Err(error), Some(_)) => (None, error.to_string()),
            (Err(error), None) => return Err(error),
        };
        let scope = caller.as_ref().map(|caller| caller.scope.clone()).or(known);
        let scope = scope.ok_or(CallerError::Unreadable)?;
        let terms = Terms::interactive(&scope.account, BUDGET_WAIT);
        let needs = self.needs(&scope).into_iter();
        let needs: Vec<Need> = needs.flat_map(|(_, needs)| needs).collect();
        let mut found_by = Vec::new();
        let mut principal = None;
        let known = match &caller {
            Some(caller) if self.probes == ProbeMode::Off => {
                principal = Some(caller.principal_arn());
                Err(PROBES_ARE_OFF.to_owned())
            }
            None if self.probes == ProbeMode::Off => Err(PROBES_ARE_OFF.to_owned()),
            Some(caller) => {
                let own = self.own_policies(caller, terms).await;
                let shown = own.as_ref().ok().and_then(Option::as_ref);
                let arn = shown.and_then(|own| own.role.arn.clone());
                let arn = arn.unwrap_or_else(|| caller.principal_arn());
                principal = Some(arn.clone());
                Box::pin(self.by_policies(caller, &arn, own, &needs, terms)).await
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
        if self.probes == ProbeMode::On && self.probe(terms, &mut standings).await {
            found_by.push(FoundBy::Probed);
        }
        Ok(Detection {
            identity: caller.map(|caller| caller.arn),
            principal,
            since,
            found_by,
            found_at: Utc::now(),
            standings,
            scope,
        })
    }

    async fn own_policies(
        &self,
        caller: &Caller,
        terms: Terms<'_>,
    ) -> Result<Option<HeldRole>, String> {
        let name = caller.role_name();
        let name = name.ok_or_else(|| "this service's identity is not a role".to_owned())?;
        let held = self.gateway.held_role(&name, None, terms).await;
        held.map_err(|error| why(&error))
    }

    fn needs(&self, scope: &Scope) -> Vec<(Feature, Vec<Need>)> {
        let namespace = self.store.namespace();
        let of = |feature| needs(feature, namespace, scope, &self.defaults);
        Feature::ALL.map(|feature| (feature, of(feature))).into()
    }

    /// Asks IAM's policy simulator, or else evaluates the policies of our own role. When neither
    /// works, returns why.
    async fn by_policies(
        &self,
        caller: &Caller,
        principal: &str,
        own: Result<Option<HeldRole>, String>,
        needs: &[Need],
        terms: Terms<'_>,
    ) -> Result<(FoundBy, Vec<Standing>), String> {
        let simulator_error = match self.gateway.simulate(principal, needs, terms).await {
            Ok(standings) => return Ok((FoundBy::Simulated, standings)),
            Err(error) => why(&error),
        };
        match own {
            Ok(Some(own)) => {
                let (scope, needs) = (caller.scope.clone(), needs.to_vec());
                let standings =
                    on_blocking_thread(move || standings_by_documents(&own, &scope, &needs));
                Ok((FoundBy::Evaluated, standings.await))
            }
            Ok(None) => Err(format!(
                "{simulator_error}; IAM did not find this service's own role"
            )),
            Err(unread) => Err(format!(
                "{simulator_error}; this service's own role could not be read: {unread}"
            )),
        }
    }

    /// Tries the read calls about which nothing is known yet. Returns whether any was tried.
    async fn probe(&self, terms: Terms<'_>, standings: &mut BTreeMap<Need, Standing>) -> bool {
        let created = self.store.some_created_role(terms.account).await;
        let created = created.ok().flatten();
        let unknown: Vec<Need> = standings
            .iter()
            .filter(|(_, standing)| matches!(standing, Standing::Unknown(_)))
            .map(|(need, _)| need.clone())
            .collect();
        let mut probed = false;
        for need in unknown {
            let ours = need.resource.len() > 1 && need.resource.ends_with('*');
            let named = need.resource.rsplit('/').next().filter(|_| !ours);
            let name = named.or(created.as_deref()).unwrap_or(PROBE_ROLE);
            let Ok(name) = RoleName::parse(name).or_else(|_| RoleName::parse(PROBE_ROLE)) else {
                continue;
            };
            let Some(standing) = self.gateway.try_read(need.action, &name, terms).await else {
                continue;
            };
            probed = true;
            let standing = match standing {
                // A role that does not exist has no path, so a policy that allows the call by path
                // denies it too.
                Standing::Denied(_) if ours && name.as_str() == PROBE_ROLE => Standing::Unknown(
                    "AWS denies the call for a role that does not exist, which shows nothing about \
                     roles under our path; allow iam:SimulatePrincipalPolicy on the service's own role"
                        .to_owned(),
                ),
                standing => standing,
            };
            let unreachable = matches!(&standing, Standing::Unknown(_)) && !ours;
            standings.insert(need, standing);
            if unreachable {
                // IAM can't be reached; the other calls would only fail as slowly.
                break;
            }
        }
        probed
    }

    fn assemble(&self, detection: &Detection) -> Capabilities {
        let is_remembered = Cell::new(false);
        let standing = |need: &Need| {
            let detected = detection.standings.get(need).cloned();
            let detected = detected
                .unwrap_or_else(|| Standing::Unknown("the permission was not checked".to_owned()));
            let is_unknown = matches!(detected, Standing::Unknown(_));
            // An answer to an ordinary call takes precedence if it is newer than the detection, or
            // if the detection found nothing out.
            match self.gateway.learned_permissions().about(need) {
                Some(learned) if learned.at >= detection.since || is_unknown => {
                    is_remembered.set(true);
                    learned.standing
                }
                _ => detected,
            }
        };
        let needs = self.needs(&detection.scope).into_iter();
        let features: Vec<FeatureReport> = needs
            .map(|(feature, needs)| report(feature, &needs, standing))
            .collect();
        let remembered = is_remembered.get().then_some(FoundBy::Remembered);
        Capabilities {
            identity: detection.identity.clone(),
            found_by: detection
                .found_by
                .iter()
                .copied()
                .chain(remembered)
                .collect(),
            found_at: detection.found_at,
            recommendation: recommend(&features),
            features,
        }
    }
}

fn why(error: &IamError) -> String {
    match (error.kind, &error.missing_permission) {
        (ErrorKind::Denied, Some(permission)) => format!("AWS denies {permission}"),
        _ => error.describe(),
    }
}
