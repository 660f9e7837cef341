//! What a request means for a cluster, given what is recorded of it. Pure: the store calls it
//! inside the transaction that writes the outcome.

use crate::account::{Region, Scope};
use crate::binding::drift::DriftKind;
use crate::binding::id::Generation;
use crate::binding::record::Binding;
use crate::binding::state::State;
use crate::cluster::name::ClusterName;
use crate::cluster::request::{Defaults, RoleRequest};
use crate::cluster::secret::Secrets;
use crate::cluster::spec::{CreateSpec, Mode, ModeSpec, PassThroughSpec, RoleReference, RoleSpec};
use crate::grant::boundary::BoundaryArn;
use crate::grant::error::RolePolicyError;
use crate::grant::kms_key::KmsKeyArn;
use crate::grant::role_policy::role_policy;

/// What a PUT means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A new life with this spec.
    New(RoleSpec),
    /// The live binding shall become this.
    Change(RoleSpec),
    /// The live binding is, or is on its way to, what is asked.
    Unchanged,
}

/// Why a PUT changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum PutRefusal {
    /// `If-Match` names another generation.
    #[error("the binding's generation is {}, not the one that If-Match names", .current.map_or_else(|| "none".to_owned(), |g| g.to_string()))]
    PreconditionFailed {
        /// The generation that is; none where there is no binding.
        current: Option<Generation>,
    },
    /// The cluster's role is being removed.
    #[error("the cluster's role is being removed; provision it again when that is done")]
    TeardownInProgress,
    /// A field that can't change once something has been made.
    #[error("{field} can't change once something has been made; tear the role down first")]
    ImmutableField {
        /// The field.
        field: &'static str,
    },
    /// A field that has no meaning in this mode.
    #[error("{field} {rule}")]
    NotApplicable {
        /// The field.
        field: &'static str,
        /// Why.
        rule: &'static str,
    },
    /// The region belongs to another partition than the account.
    #[error("the region {region} is not of the partition {partition}")]
    RegionOfOtherPartition {
        /// The region.
        region: String,
        /// The account's partition.
        partition: &'static str,
    },
    /// The secrets' key is in another region, and has no replicas.
    #[error(
        "the secrets' KMS key is in {key_region}, and is no multi-Region key: {region} has none"
    )]
    KeyOfOtherRegion {
        /// The region that is asked for.
        region: Region,
        /// The key's.
        key_region: Region,
    },
    /// The role is not on the administrator's list.
    #[error("the role {0} is not on the administrator's list of pass-through roles")]
    RoleNotAllowed(RoleReference),
    /// The boundary is not one that the administrator allows.
    #[error("the permissions boundary {0} is not one that the administrator allows")]
    BoundaryNotAllowed(BoundaryArn),
    /// The policy can't be written.
    #[error("the role's policy can't be written")]
    Policy(#[source] RolePolicyError),
    /// The administrator's role does not serve.
    #[error("the role {role} does not serve: {reasons}")]
    RoleUnfit {
        /// The role.
        role: RoleReference,
        /// Why not.
        reasons: String,
    },
    /// The live binding was made in another account.
    #[error("the cluster's role was made in account {made}, and this service now works in {now}")]
    OtherAccount {
        /// Where the live binding was made.
        made: Scope,
        /// Where this service works now.
        now: Scope,
    },
}

/// Decides what a PUT means.
///
/// # Errors
/// When the request may not be carried out; nothing is then to be written.
pub fn decide_put(
    cluster: &ClusterName,
    latest: Option<&Binding>,
    request: &RoleRequest,
    defaults: &Defaults,
    scope: &Scope,
    if_match: Option<IfMatch>,
) -> Result<Intent, PutRefusal> {
    check_precondition(latest, if_match)?;
    let Some(live) = latest.filter(|binding| binding.live) else {
        let spec = resolve_new(request, defaults, scope)?;
        check_policy(&spec, scope, cluster)?;
        return Ok(Intent::New(spec));
    };
    if !live.wants_presence() {
        return Err(PutRefusal::TeardownInProgress);
    }
    if live.scope != *scope {
        return Err(PutRefusal::OtherAccount {
            made: live.scope.clone(),
            now: scope.clone(),
        });
    }
    let spec = resolve_change(live, request)?;
    if spec == live.spec && !wants_another_try(live) {
        return Ok(Intent::Unchanged);
    }
    check_policy(&spec, scope, cluster)?;
    Ok(Intent::Change(spec))
}

// What was refused, or is gone at AWS, is not as it should be, though the spec is the same.
fn wants_another_try(live: &Binding) -> bool {
    let refused = live.last_error.as_ref().is_some_and(|failure| {
        failure.generation == live.generation && failure.next_attempt_at.is_none()
    });
    let gone = [
        DriftKind::RoleDeleted,
        DriftKind::ProfileDeleted,
        DriftKind::RoleRecreated,
        DriftKind::ProfileRecreated,
    ];
    refused || live.drift.iter().any(|drift| gone.contains(&drift.kind))
}

/// The generation that a caller's `If-Match` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: there is a binding.
    Any,
    /// `"N"`: it has this generation.
    Generation(Generation),
}

fn check_precondition(
    latest: Option<&Binding>,
    if_match: Option<IfMatch>,
) -> Result<(), PutRefusal> {
    let current = latest.map(|binding| binding.generation);
    let holds = match if_match {
        None => true,
        Some(IfMatch::Any) => current.is_some(),
        Some(IfMatch::Generation(generation)) => current == Some(generation),
    };
    if holds {
        Ok(())
    } else {
        Err(PutRefusal::PreconditionFailed { current })
    }
}

fn check_policy(spec: &RoleSpec, scope: &Scope, cluster: &ClusterName) -> Result<(), PutRefusal> {
    match spec.mode {
        ModeSpec::Create(_) => role_policy(spec, scope, cluster)
            .map(drop)
            .map_err(PutRefusal::Policy),
        ModeSpec::PassThrough(_) => Ok(()),
    }
}

fn resolve_new(
    request: &RoleRequest,
    defaults: &Defaults,
    scope: &Scope,
) -> Result<RoleSpec, PutRefusal> {
    let passes = request.iam_role.is_some() || defaults.iam_role.is_some();
    let implied = if passes {
        Mode::PassThrough
    } else {
        Mode::Create
    };
    let mode = match request.mode.unwrap_or(implied) {
        Mode::Create => {
            if request.iam_role.is_some() {
                let rule = "goes with mode pass_through only";
                return Err(PutRefusal::NotApplicable {
                    field: "iam_role",
                    rule,
                });
            }
            let named = request.permissions_boundary.as_ref();
            if let Some(arn) = named.filter(|arn| !defaults.allows_boundary(arn)) {
                return Err(PutRefusal::BoundaryNotAllowed(arn.clone()));
            }
            let boundary = named.or(defaults.permissions_boundary.as_ref());
            ModeSpec::Create(CreateSpec {
                permissions_boundary: boundary.cloned(),
            })
        }
        Mode::PassThrough => ModeSpec::PassThrough(resolve_pass_through(request, defaults, scope)?),
    };
    let region = request
        .region
        .as_ref()
        .or(defaults.region.as_ref())
        .cloned();
    let region = region.ok_or(PutRefusal::NotApplicable {
        field: "region",
        rule: "is missing, and no default region is configured",
    })?;
    if region.partition() != Some(scope.partition) {
        return Err(PutRefusal::RegionOfOtherPartition {
            region: region.to_string(),
            partition: scope.partition.as_str(),
        });
    }
    let kms_key = match &mode {
        ModeSpec::Create(_) => key_of(defaults.kms_key.as_ref(), &region)?,
        ModeSpec::PassThrough(_) => None,
    };
    Ok(RoleSpec {
        mode,
        kms_key,
        secrets: request.secrets.clone().unwrap_or(Secrets::All),
        session_manager: request.session_manager.unwrap_or(false),
        region,
        role_prefix: request
            .role_prefix
            .as_ref()
            .unwrap_or(&defaults.role_prefix)
            .clone(),
        tags: request.tags.as_ref().unwrap_or(&defaults.tags).clone(),
    })
}

// KMS keys are of one region, and Secrets Manager uses the key that stands in its own.
fn key_of(key: Option<&KmsKeyArn>, region: &Region) -> Result<Option<KmsKeyArn>, PutRefusal> {
    let here = key.map(|key| {
        key.in_region(region)
            .ok_or_else(|| PutRefusal::KeyOfOtherRegion {
                region: region.clone(),
                key_region: key.region(),
            })
    });
    here.transpose()
}

fn resolve_pass_through(
    request: &RoleRequest,
    defaults: &Defaults,
    scope: &Scope,
) -> Result<PassThroughSpec, PutRefusal> {
    if request.permissions_boundary.is_some() {
        return Err(PutRefusal::NotApplicable {
            field: "permissions_boundary",
            rule: "goes with mode create only: a passed role is never written to",
        });
    }
    let wanted = request.iam_role.as_ref().or(defaults.iam_role.as_ref());
    let wanted = wanted.ok_or(PutRefusal::NotApplicable {
        field: "iam_role",
        rule: "is missing, and no default IAM role is configured",
    })?;
    // What is used is the administrator's own entry, never the caller's text.
    let entry = defaults
        .pass_through_role(wanted)
        .ok_or_else(|| PutRefusal::RoleNotAllowed(wanted.clone()))?;
    // IAM takes the role by its name alone, so one of another account would become our own
    // account's role of that name.
    for role in [wanted, &entry.role] {
        let elsewhere = role.arn().is_some_and(|arn| {
            arn.account.as_ref() != Some(&scope.account) || arn.partition != scope.partition
        });
        if elsewhere {
            return Err(PutRefusal::RoleNotAllowed(wanted.clone()));
        }
    }
    Ok(PassThroughSpec {
        iam_role: entry.role,
        instance_profile: entry.instance_profile,
    })
}

fn resolve_change(live: &Binding, request: &RoleRequest) -> Result<RoleSpec, PutRefusal> {
    let spec = &live.spec;
    let immutable = |field| Err(PutRefusal::ImmutableField { field });
    if request.mode.is_some_and(|mode| mode != live.mode()) {
        return immutable("mode");
    }
    if request
        .region
        .as_ref()
        .is_some_and(|region| *region != spec.region)
    {
        return immutable("region");
    }
    if request
        .role_prefix
        .as_ref()
        .is_some_and(|prefix| *prefix != spec.role_prefix)
    {
        return immutable("role_prefix");
    }
    match &spec.mode {
        ModeSpec::Create(create) => {
            if request.iam_role.is_some() {
                return immutable("iam_role");
            }
            let wanted = request.permissions_boundary.as_ref();
            if wanted.is_some() && wanted != create.permissions_boundary.as_ref() {
                return immutable("permissions_boundary");
            }
        }
        ModeSpec::PassThrough(pass) => {
            if request
                .iam_role
                .as_ref()
                .is_some_and(|role| !role.same_role(&pass.iam_role))
            {
                return immutable("iam_role");
            }
            if request.permissions_boundary.is_some() {
                return immutable("permissions_boundary");
            }
        }
    }
    let mut changed = spec.clone();
    if let Some(secrets) = &request.secrets {
        changed.secrets = secrets.clone();
    }
    if let Some(session_manager) = request.session_manager {
        changed.session_manager = session_manager;
    }
    if let Some(tags) = &request.tags {
        changed.tags = tags.clone();
    }
    Ok(changed)
}

/// What a DELETE means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The live binding shall go.
    Begin,
    /// It is going, or it is blocked: look again now.
    Continue,
    /// Nothing was made: the record alone is closed.
    Close,
    /// It is gone.
    Done,
}

/// Why a DELETE changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum DeletionRefusal {
    /// There never was a binding.
    #[error("the cluster never had a role")]
    NotFound,
    /// `If-Match` names another generation.
    #[error("the binding's generation is {current}, not the one that If-Match names")]
    PreconditionFailed {
        /// The generation that is.
        current: Generation,
    },
    /// The live binding was made in another account.
    #[error("the cluster's role was made in account {made}, and this service now works in {now}")]
    OtherAccount {
        /// Where the live binding was made.
        made: Scope,
        /// Where this service works now.
        now: Scope,
    },
}

/// Decides what a DELETE means.
///
/// # Errors
/// When the request may not be carried out; nothing is then to be written.
pub fn decide_delete(
    latest: Option<&Binding>,
    scope: Option<&Scope>,
    if_match: Option<IfMatch>,
) -> Result<Deletion, DeletionRefusal> {
    let binding = latest.ok_or(DeletionRefusal::NotFound)?;
    check_precondition(latest, if_match).map_err(|_| DeletionRefusal::PreconditionFailed {
        current: binding.generation,
    })?;
    if !binding.live {
        let closed = binding.state == State::Deleted;
        return Ok(if closed {
            Deletion::Done
        } else {
            Deletion::Close
        });
    }
    if let Some(now) = scope.filter(|scope| **scope != binding.scope) {
        return Err(DeletionRefusal::OtherAccount {
            made: binding.scope.clone(),
            now: now.clone(),
        });
    }
    Ok(match binding.state {
        State::Deleting | State::Blocked => Deletion::Continue,
        State::Provisioning | State::Active | State::Failed | State::Deleted => Deletion::Begin,
    })
}
