//! Whether the administrator's instance profile contains the listed role.

use crate::prepared::attestation::{Attestation, Finding, FindingCode, Fitness, worse};
use crate::prepared::held::{HeldRole, ProfileContents};
use crate::prepared::role::PassThroughRole;

impl Attestation {
    /// Returns the attestation of an entry of the administrator's list, with what was found in the entry's
    /// instance profile. `held` is what IAM returned about the entry.
    #[must_use]
    pub fn through_profile(mut self, entry: &PassThroughRole, held: &HeldRole) -> Self {
        if let Some((fitness, finding)) = profile_finding(entry, held) {
            self.fitness = worse(self.fitness, fitness);
            self.findings.insert(0, finding);
        }
        self
    }
}

/// Compares what was read of the entry's instance profile with the entry. Returns a finding where an
/// engine does not get the listed role through it, or where that is not known.
fn profile_finding(entry: &PassThroughRole, held: &HeldRole) -> Option<(Fitness, Finding)> {
    let wanted = entry.instance_profile.as_ref()?;
    let role = &entry.role;
    let read = held.profile.as_ref();
    let read = read.filter(|profile| profile.name == *wanted);
    let (fitness, code, detail) = match read.map(|profile| &profile.contents) {
        Some(ProfileContents::Role(contained)) if contained.same_role(role) => return None,
        Some(ProfileContents::Role(contained)) => (
            Fitness::Unfit,
            FindingCode::ProfileContainsAnotherRole,
            format!("instance profile {wanted} contains role {contained}, not {role}"),
        ),
        Some(ProfileContents::Nothing) => (
            Fitness::Unfit,
            FindingCode::ProfileEmpty,
            format!("instance profile {wanted} contains no role"),
        ),
        Some(ProfileContents::Absent) => (
            Fitness::Unfit,
            FindingCode::ProfileAbsent,
            format!("instance profile {wanted} does not exist"),
        ),
        Some(ProfileContents::Unread(reason)) => (
            Fitness::Indeterminate,
            FindingCode::ProfileUnread,
            format!("it is not known which role instance profile {wanted} contains: {reason}"),
        ),
        None => (
            Fitness::Indeterminate,
            FindingCode::ProfileUnread,
            format!("instance profile {wanted} was not read from IAM yet"),
        ),
    };
    Some((fitness, Finding { code, detail }))
}
