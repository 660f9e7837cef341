//! A typed client of the HTTP interface.
//!
//! The boundary exists so that every caller of the service (the command line, tests, other
//! programs) uses the types of `engine-roles-contract`, as the service does, and so that no caller
//! has to know paths, headers or the form of errors.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use engine_roles_client::{ApiKey, Client};
//! use engine_roles_contract::RoleRequest;
//!
//! let key = ApiKey::new("the key")?;
//! let client = Client::builder("http://127.0.0.1:3283").api_key(key).build()?;
//! let role = client.role("one").wait(Duration::from_mins(1));
//! let answer = role.put(&RoleRequest::default()).await?;
//! println!("{} (pending: {})", answer.body.cluster, answer.is_pending());
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod answer;
mod client;
mod conditions;
mod error;
mod key;

pub use answer::{Answer, Received};
pub use client::{BuildError, Client, ClientBuilder, ClusterRole};
pub use conditions::{EntityTag, InvalidEntityTag};
pub use error::{Error, TlsTrouble};
pub use key::{ApiKey, InvalidApiKey};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
