//! The policy documents of `policies/`, and how they are filled in for an administrator.

pub(crate) mod error;
pub(crate) mod filling;
pub(crate) mod placeholders;
pub(crate) mod template;

pub use error::CatalogueError;
pub use placeholders::Placeholders;
pub use template::{CATALOGUE, PolicyTemplate};
