//! Decides what a request for a role changes, given the cluster's newest binding.

use crate::account::{Region, Scope};
use crate::binding::drift::DriftKind;
use crate::binding::failure::Failure;
use crate::binding::lifecycle::stage::Lifecycle;
use crate::binding::permission::must_be_permitted;
use crate::binding::precondition::{Conditions, sent_before};
use crate::binding::record::Binding;
use crate::binding::rejection::Rejection;
use crate::cluster::limits::WrongField;
use crate::cluster::name::ClusterName;
use crate::cluster::request::{Defaults, RequestField, RoleRequest};
use crate::cluster::secret::Secrets;
use crate::cluster::spec::{CreateSpec, Mode, ModeSpec, PassThroughSpec, RoleSpec};
use crate::grant::kms_key::KmsKeyArn;
use crate::grant::role_policy::role_policy;
use crate::resources::tags::Tags;

/// What a request for a role changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// The cluster gets a new binding with this spec.
    New(RoleSpec),
    /// The live binding gets this spec.
    Change(Box<Binding>, RoleSpec),
    /// Nothing changes: the live binding has this spec already, or AWS is being brought to it.
    Unchanged(Box<Binding>),
    /// Nothing changes: this very request recorded the binding's current intent before.
    Repeated {
        /// The live binding.
        live: Box<Binding>,
        /// Whether the request recorded a new binding then.
        created: bool,
    },
}

/// Decides what a request for a role changes.
///
/// # Errors
/// When the request is rejected; the caller then writes nothing.
pub fn decide_put(
    cluster: &ClusterName,
    latest: Option<&Binding>,
    request: &RoleRequest,
    defaults: &Defaults,
    scope: &Scope,
    conditions: &Conditions,
) -> Result<Intent, Rejection> {
    if let Some((live, key)) = latest.zip(sent_before(latest, conditions))
        && live.lifecycle.wants_presence()
        && !is_rejected(live)
    {
        return Ok(Intent::Repeated {
            live: Box::new(live.clone()),
            created: key.created,
        });
    }
    conditions.must_hold(latest)?;
    let Some(live) = latest.filter(|binding| binding.is_live()) else {
        let spec = resolve_new(request, defaults, scope)?;
        check_policy(&spec, scope, cluster)?;
        return Ok(Intent::New(spec));
    };
    if let Lifecycle::Blocked { .. } = live.lifecycle {
        let blockers = live.last_error().map(Failure::obstacles);
        return Err(Rejection::TeardownBlocked {
            blockers: blockers.unwrap_or_default(),
        });
    }
    if !live.lifecycle.wants_presence() {
        return Err(Rejection::TeardownInProgress);
    }
    live.scope.must_be(scope)?;
    let spec = resolve_change(live, request, defaults)?;
    if spec == live.spec && !needs_another_attempt(live) {
        return Ok(Intent::Unchanged(Box::new(live.clone())));
    }
    check_policy(&spec, scope, cluster)?;
    Ok(Intent::Change(Box::new(live.clone()), spec))
}

// The spec is the same, but AWS does not match it: the intent was rejected, or a resource is gone.
fn needs_another_attempt(live: &Binding) -> bool {
    let gone = [
        DriftKind::RoleDeleted,
        DriftKind::ProfileDeleted,
        DriftKind::RoleRecreated,
        DriftKind::ProfileRecreated,
    ];
    is_rejected(live) || live.drift.iter().any(|drift| gone.contains(&drift.kind))
}

// The current intent was withdrawn.
fn is_rejected(live: &Binding) -> bool {
    live.last_error()
        .is_some_and(|failure| failure.generation == live.generation && failure.is_final())
}

fn check_policy(spec: &RoleSpec, scope: &Scope, cluster: &ClusterName) -> Result<(), Rejection> {
    match spec.mode {
        ModeSpec::Create(_) => role_policy(spec, scope, cluster)
            .map(drop)
            .map_err(Rejection::Policy),
        ModeSpec::PassThrough(_) => Ok(()),
    }
}

fn resolve_new(
    request: &RoleRequest,
    defaults: &Defaults,
    scope: &Scope,
) -> Result<RoleSpec, Rejection> {
    let region = request
        .region
        .as_ref()
        .or(defaults.region.as_ref())
        .cloned();
    let region = region.ok_or(Rejection::NotApplicable {
        field: RequestField::Region,
        rule: "is missing, and no default region is configured",
    })?;
    if region.partition() != Some(scope.partition) {
        return Err(Rejection::RegionOfOtherPartition {
            region,
            partition: scope.partition,
        });
    }
    must_be_permitted(request, None, defaults)?;
    let mode = match request.mode_of_new(defaults) {
        Mode::Create => {
            if request.iam_role.is_some() {
                let rule = "is allowed with mode pass_through only";
                return Err(Rejection::NotApplicable {
                    field: RequestField::IamRole,
                    rule,
                });
            }
            let named = request.permissions_boundary.as_ref();
            if let Some(arn) = named.filter(|arn| !defaults.allows_boundary(arn)) {
                return Err(Rejection::BoundaryNotAllowed(arn.clone()));
            }
            let boundary = named.or(defaults.permissions_boundary.as_ref());
            ModeSpec::Create(CreateSpec {
                permissions_boundary: boundary.cloned(),
            })
        }
        Mode::PassThrough => ModeSpec::PassThrough(resolve_pass_through(request, defaults, scope)?),
    };
    let tags = with_administrators(&defaults.tags, request.tags.as_ref())?;
    let kms_key = match &mode {
        ModeSpec::Create(_) => key_in(defaults.kms_key.as_ref(), &region)?,
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
        tags,
        administrator_tag_keys: defaults
            .tags
            .iter()
            .map(|(key, _)| key.to_owned())
            .collect(),
    })
}

fn with_administrators(administrators: &Tags, callers: Option<&Tags>) -> Result<Tags, Rejection> {
    let Some(callers) = callers else {
        return Ok(administrators.clone());
    };
    administrators.and(callers).map_err(|_| {
        let count = administrators.iter().count();
        Rejection::InvalidTags(vec![WrongField {
            field: "tags".to_owned(),
            rule: format!(
                "has too many entries: {} are allowed beside the administrator's {count}",
                Tags::MAX - count
            ),
        }])
    })
}

// A KMS key belongs to one region, and Secrets Manager uses a key of its own region.
fn key_in(key: Option<&KmsKeyArn>, region: &Region) -> Result<Option<KmsKeyArn>, Rejection> {
    let regional = key.map(|key| {
        key.in_region(region)
            .ok_or_else(|| Rejection::KeyOfOtherRegion {
                region: region.clone(),
                key_region: key.region(),
            })
    });
    regional.transpose()
}

fn resolve_pass_through(
    request: &RoleRequest,
    defaults: &Defaults,
    scope: &Scope,
) -> Result<PassThroughSpec, Rejection> {
    if request.permissions_boundary.is_some() {
        return Err(Rejection::NotApplicable {
            field: RequestField::PermissionsBoundary,
            rule: "is allowed with mode create only: a pass-through role is never changed",
        });
    }
    let wanted = request.iam_role.as_ref().or(defaults.iam_role.as_ref());
    let wanted = wanted.ok_or(Rejection::NotApplicable {
        field: RequestField::IamRole,
        rule: "is missing, and no default IAM role is configured",
    })?;
    // The administrator's own entry is used, never the caller's text.
    let entry = defaults
        .pass_through_role(wanted)
        .ok_or_else(|| Rejection::RoleNotAllowed(wanted.clone()))?;
    // IAM calls name a role without its account. A role of another account would be mistaken for
    // our own account's role of the same name.
    for role in [wanted, &entry.role] {
        let in_other_account = role.arn().is_some_and(|arn| {
            arn.account.as_ref() != Some(&scope.account) || arn.partition != scope.partition
        });
        if in_other_account {
            return Err(Rejection::RoleNotAllowed(wanted.clone()));
        }
    }
    Ok(PassThroughSpec {
        iam_role: entry.role,
        instance_profile: entry.instance_profile,
    })
}

fn resolve_change(
    live: &Binding,
    request: &RoleRequest,
    defaults: &Defaults,
) -> Result<RoleSpec, Rejection> {
    let spec = &live.spec;
    let fields = immutable_fields(live, request);
    if !fields.is_empty() {
        return Err(Rejection::ImmutableFields(fields));
    }
    must_be_permitted(request, Some(spec), defaults)?;
    let mut changed = spec.clone();
    if let Some(secrets) = &request.secrets {
        changed.secrets = secrets.clone();
    }
    if let Some(session_manager) = request.session_manager {
        changed.session_manager = session_manager;
    }
    if let Some(tags) = &request.tags {
        changed.tags = with_administrators(&spec.administrator_tags(), Some(tags))?;
    }
    Ok(changed)
}

/// Returns the fields by which a request differs from what a live binding keeps.
fn immutable_fields(live: &Binding, request: &RoleRequest) -> Vec<RequestField> {
    let spec = &live.spec;
    let differs = |is_different: bool, field| is_different.then_some(field);
    let (mode, region) = (request.mode, request.region.as_ref());
    let (prefix, role) = (request.role_prefix.as_ref(), request.iam_role.as_ref());
    let boundary = request.permissions_boundary.as_ref();
    let (other_role, other_boundary) = match &spec.mode {
        ModeSpec::Create(create) => (
            role.is_some(),
            boundary.is_some() && boundary != create.permissions_boundary.as_ref(),
        ),
        ModeSpec::PassThrough(pass) => (
            role.is_some_and(|role| !role.same_role(&pass.iam_role)),
            boundary.is_some(),
        ),
    };
    [
        differs(mode.is_some_and(|it| it != live.mode()), RequestField::Mode),
        differs(other_role, RequestField::IamRole),
        differs(
            region.is_some_and(|it| *it != spec.region),
            RequestField::Region,
        ),
        differs(
            prefix.is_some_and(|it| *it != spec.role_prefix),
            RequestField::RolePrefix,
        ),
        differs(other_boundary, RequestField::PermissionsBoundary),
    ]
    .into_iter()
    .flatten()
    .collect()
}
