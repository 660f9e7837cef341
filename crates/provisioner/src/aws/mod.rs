//! The gateway to AWS, and what is known about our account and our identity there.
//!
//! Nothing else in this crate can call AWS: the [`Gateway`] owns the client, and every call passes
//! the call budget.

mod budget;
pub(crate) mod capabilities;
pub(crate) mod gateway;
pub(crate) mod lessons;
pub(crate) mod optional;
pub(crate) mod other_accounts;
pub(crate) mod quota;
pub(crate) mod recent;

pub(crate) use budget::Urgency;
pub(crate) use capabilities::CapabilityDetector;
pub(crate) use gateway::{Gateway, Terms};
pub(crate) use optional::OptionalFeatures;
pub(crate) use other_accounts::OtherAccounts;
pub(crate) use quota::AccountQuota;
