pub(crate) mod attestation;
pub(crate) mod held;
mod profile;
pub(crate) mod role;

pub use attestation::{Attestation, Finding, FindingCode, Fitness, Purpose, Width, attest};
pub use held::{HeldPolicy, HeldProfile, HeldRole, PolicyName, ProfileContents};
pub use role::PassThroughRole;
