pub(crate) mod limits;
pub(crate) mod name;
pub(crate) mod request;
pub(crate) mod secret;
pub(crate) mod spec;

pub use limits::{Limits, Permitted, WrongField};
pub use name::ClusterName;
pub use request::{Defaults, RequestField, RoleRequest};
pub use secret::{SecretName, Secrets};
pub use spec::{CreateSpec, Mode, ModeSpec, PassThroughSpec, RoleReference, RoleSpec};
