//! Reads the spec of an orphan back from AWS. Orphans exist after the database was restored to an
//! older state: no binding accounts for roles that were created since.

use std::collections::{BTreeMap, BTreeSet};

use engine_roles_policy::{Document, Kind, Statement};

use crate::account::Region;
use crate::binding::id::BindingId;
use crate::cluster::name::ClusterName;
use crate::cluster::secret::{SecretName, Secrets};
use crate::cluster::spec::{CreateSpec, ModeSpec, RoleSpec};
use crate::grant::boundary::BoundaryArn;
use crate::grant::kms_key::KmsKeyArn;
use crate::grant::secrets::READ_SECRET;
use crate::invalid::Invalid;
use crate::resources::names::{Namespace, RolePrefix, resource_name};
use crate::resources::observed::{InlinePolicies, ObservedRole};
use crate::resources::tags::{OWNERSHIP_TAGS, Tags};

/// Why an orphan can't be adopted.
#[derive(Debug, thiserror::Error)]
pub enum NotAdoptable {
    /// The resource is not this installation's.
    #[error("the resource is not ours: {0}")]
    Foreign(String),
    /// The role's inline policy is not one that this service writes.
    #[error("the role's inline policy is not one that this service writes: {0}")]
    Unreadable(&'static str),
    /// A name, an ARN or a tag of the resource breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// The incarnation that a resource belongs to by its tags, proved by its name. The name contains a
/// hash of namespace and binding id, so tags that were copied to another resource are no proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The cluster that the tags name.
    pub cluster: ClusterName,
    /// The incarnation of the cluster's role.
    pub binding: BindingId,
    /// The part of the resource's name before the cluster's name.
    pub prefix: RolePrefix,
}

/// Reads from a resource's name, path and tags which incarnation the resource belongs to.
///
/// # Errors
/// When the path or the tags are not this installation's, or when the tags don't match the name.
pub fn claimed_by(
    namespace: &Namespace,
    name: &str,
    path: &str,
    tags: &BTreeMap<String, String>,
) -> Result<Claimed, NotAdoptable> {
    let foreign = |reason: &str| NotAdoptable::Foreign(reason.to_owned());
    if path != namespace.path().as_str() {
        return Err(foreign("its path is not this installation's"));
    }
    let tag = |key: &str| tags.get(key).map(String::as_str);
    if tag(OWNERSHIP_TAGS[1]) != Some(namespace.as_str()) {
        return Err(foreign("its namespace tag is missing or has another value"));
    }
    let cluster = ClusterName::parse(tag(OWNERSHIP_TAGS[2]).unwrap_or_default())?;
    let binding = tag(OWNERSHIP_TAGS[3])
        .and_then(|id| id.parse().ok())
        .map(BindingId);
    let binding = binding.ok_or_else(|| foreign("its binding id tag is missing or not a UUID"))?;
    let prefixes = (0..=RolePrefix::MAX).filter_map(|length| name.get(..length));
    let prefix = prefixes
        .filter_map(|text| RolePrefix::parse(text).ok())
        .find(|prefix| resource_name(prefix, &cluster, namespace, binding).as_str() == name);
    let prefix = prefix.ok_or_else(|| foreign("its name does not match its tags"))?;
    Ok(Claimed {
        cluster,
        binding,
        prefix,
    })
}

/// Reads the spec back from a created role: secrets, region, KMS key and Session Manager from its
/// inline policy, the rest from the role. Tags that equal one of the administrator's present tags
/// count as the administrator's, all others as the caller's.
///
/// # Errors
/// When the policy is not one that this service writes for this cluster.
pub fn spec_of(
    claimed: &Claimed,
    role: &ObservedRole,
    administrators: &Tags,
) -> Result<RoleSpec, NotAdoptable> {
    let own = match &role.inline {
        InlinePolicies::Own(own) | InlinePolicies::Listed { own, .. } => own.as_deref(),
        InlinePolicies::Unread => None,
    };
    let document = own.and_then(|text| Document::read(Kind::Identity, text).ok());
    let document = document.ok_or(NotAdoptable::Unreadable("it is missing or can't be read"))?;
    if document.not_understood().next().is_some() {
        return Err(NotAdoptable::Unreadable("a part of it is not understood"));
    }
    let mut names = BTreeSet::new();
    let (mut all, mut region, mut session_manager) = (false, None, false);
    let mut kms_key = None;
    for statement in document.statements() {
        let does = |wanted: &str| {
            let mut actions = statement.actions.patterns().iter();
            actions.any(|action| action.eq_ignore_ascii_case(wanted))
        };
        if does("kms:Decrypt") {
            kms_key = Some(only_key(statement)?);
            continue;
        }
        if !does(READ_SECRET) {
            session_manager = true;
            continue;
        }
        for arn in statement
            .resources
            .iter()
            .flat_map(engine_roles_policy::Scope::patterns)
        {
            let mut fields = arn.splitn(7, ':').skip(3);
            region = fields.next().map(Region::parse).transpose()?;
            let rest = fields.nth(2).unwrap_or_default();
            let own = format!("compute-engine/{}/", claimed.cluster);
            match rest.strip_prefix(&own) {
                Some("*") => all = true,
                Some(secret) => {
                    let secret = secret
                        .strip_suffix("-??????")
                        .ok_or(NotAdoptable::Unreadable("a secret's ARN has another form"))?;
                    names.insert(SecretName::parse(secret)?);
                }
                None => {
                    return Err(NotAdoptable::Unreadable(
                        "it allows another cluster's secrets",
                    ));
                }
            }
        }
    }
    let region: Region = region.ok_or(NotAdoptable::Unreadable("it allows no secret"))?;
    if kms_key
        .as_ref()
        .is_some_and(|key: &KmsKeyArn| key.region() != region)
    {
        return Err(NotAdoptable::Unreadable("its KMS key is in another region"));
    }
    let tags = role.tags.iter().flatten();
    let tags = tags.filter(|(key, _)| !OWNERSHIP_TAGS.contains(&key.as_str()));
    let tags = Tags::new(tags.map(|(key, value)| (key.clone(), value.clone())))?;
    let boundary = role
        .boundary
        .as_deref()
        .map(BoundaryArn::parse)
        .transpose()?;
    Ok(RoleSpec {
        mode: ModeSpec::Create(CreateSpec {
            permissions_boundary: boundary,
        }),
        secrets: if all {
            Secrets::All
        } else {
            Secrets::named(names)?
        },
        session_manager,
        region,
        kms_key,
        role_prefix: claimed.prefix.clone(),
        administrator_tag_keys: tags
            .iter()
            .filter(|(key, value)| administrators.get(key) == Some(*value))
            .map(|(key, _)| key.to_owned())
            .collect(),
        tags,
    })
}

fn only_key(statement: &Statement) -> Result<KmsKeyArn, NotAdoptable> {
    let resources = statement.resources.as_ref();
    match resources.map(engine_roles_policy::Scope::patterns) {
        Some([key]) => Ok(KmsKeyArn::parse(key)?),
        _ => Err(NotAdoptable::Unreadable(
            "a statement does not name exactly one KMS key",
        )),
    }
}
