pub(crate) mod attestation;
pub(crate) mod held;
pub(crate) mod role;

pub use attestation::{Attestation, Finding, FindingCode, Fitness, Purpose, Width, attest};
pub use held::{HeldPolicy, HeldRole, PolicyName};
pub use role::PassThroughRole;
