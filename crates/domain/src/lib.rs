//! The words of the problem: clusters, roles, bindings, and the plan from what is to what should be.
//!
//! The wall exists so that every decision can be read and tested without a network, a database or
//! a clock: all that comes from outside comes in as an argument, and a value that exists is valid.

mod adoption;
mod arn;
mod attestation;
mod binding;
mod boundary;
mod capability;
mod catalogue;
mod cluster;
mod decision;
mod desired;
mod drift;
mod event;
mod held;
mod invalid;
mod key_access;
mod kms_key;
mod names;
mod needs;
mod observed;
mod ownership;
mod plan;
mod reach;
mod region;
mod request;
mod role_policy;
mod secret;
mod spec;
mod step;
mod tags;
mod verdict;

pub use adoption::{Claimed, NotAdoptable, claimed_by, spec_of};
pub use arn::{IamArn, IamResource};
pub use attestation::{Attestation, Finding, FindingCode, Fitness, Purpose, Width, attest};
pub use binding::{
    Binding, BindingId, Drift, DriftKind, Failure, FailureCode, Generation, Mode, ProfileRecord,
    Receipt, RoleRecord, State, UnknownWord,
};
pub use boundary::BoundaryArn;
pub use capability::{
    FeatureReport, Recommendation, Standing, Status, recommend, report, standing_by_documents,
    statements_to_add,
};
pub use catalogue::{CATALOGUE, CatalogueError, Placeholders, PolicyTemplate};
pub use cluster::ClusterName;
pub use decision::{
    Deletion, DeletionRefusal, IfMatch, Intent, PutRefusal, decide_delete, decide_put,
};
pub use desired::{Desired, DesiredProfile, DesiredRole};
pub use drift::drift;
pub use event::{Actor, Event, EventAction, SequencedEvent};
pub use held::{HeldPolicy, HeldRole, PolicyName};
pub use invalid::{Invalid, InvalidKind};
pub use kms_key::KmsKeyArn;
pub use names::{
    MAX_ROLE_NAME, Namespace, ProfileName, ResourcePath, RoleName, RolePrefix, resource_name,
};
pub use needs::{Conditions, Feature, Need, PASSED_TO, needs, role_arn};
pub use observed::{InlinePolicies, Observed, ObservedProfile, ObservedRole};
pub use ownership::{Foreign, Ownership};
pub use plan::{Obstacle, Plan, Stage, plan, plan_repair};
pub use reach::{Access, AreaAccess, Reach, SecretAccess, WideGrant, reach};
pub use region::{AccountId, Partition, Region, Scope};
pub use request::{Defaults, PassThroughRole, RoleRequest};
pub use role_policy::{
    INLINE_POLICY_LIMIT, INLINE_POLICY_NAME, RolePolicyError, SecretWarning, as_written,
    role_policy, secret_warnings, trust_policy,
};
pub use secret::{SecretName, Secrets};
pub use spec::{CreateSpec, ModeSpec, PassThroughSpec, RoleReference, RoleSpec};
pub use step::Step;
pub use tags::{OWNERSHIP_TAGS, Tags};
pub use verdict::{Verdict, verdict};
