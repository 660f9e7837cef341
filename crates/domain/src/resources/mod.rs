pub(crate) mod adoption;
pub(crate) mod arn;
pub(crate) mod desired;
pub(crate) mod drift;
pub(crate) mod names;
pub(crate) mod observed;
pub(crate) mod ownership;
pub(crate) mod plan;
pub(crate) mod proof;
pub(crate) mod step;
pub(crate) mod tags;

pub use adoption::{Claimed, NotAdoptable, claimed_by, spec_of};
pub use arn::{IamArn, IamResource};
pub use desired::{Desired, DesiredProfile, DesiredRole};
pub use drift::drift;
pub use names::{
    MAX_ROLE_NAME, Namespace, ProfileName, ResourceKind, ResourcePath, RoleName, RolePrefix,
    resource_name,
};
pub use observed::{InlinePolicies, Observed, ObservedProfile, ObservedRole};
pub use ownership::{Foreign, Ownership};
pub use plan::{Obstacle, Plan, Stage, plan, plan_repair};
pub use step::{Applied, CallKind, Step};
pub use tags::{OWNERSHIP_TAGS, TagKey, Tags};
