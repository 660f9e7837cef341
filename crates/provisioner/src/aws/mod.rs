//! The gateway to AWS, and what is known about the account and this service's identity.
//!
//! Nothing else in this crate can call AWS: the [`Gateway`] owns the client, and the call budget admits
//! every call to IAM.

pub(crate) mod account;
mod budget;
pub(crate) mod call_history;
mod call_trail;
pub(crate) mod capabilities;
pub(crate) mod gateway;
pub(crate) mod learned_permissions;
mod logins;
pub(crate) mod optional;
pub(crate) mod other_accounts;
pub(crate) mod quota;
pub(crate) mod recent;

pub use account::NotConfirmed;
pub(crate) use budget::Urgency;
pub(crate) use call_trail::CallTrail;
pub(crate) use capabilities::CapabilityDetector;
pub(crate) use gateway::{Gateway, Terms};
pub use logins::LoginError;
pub(crate) use optional::OptionalFeatures;
pub(crate) use other_accounts::OtherAccounts;
pub(crate) use quota::AccountQuota;
