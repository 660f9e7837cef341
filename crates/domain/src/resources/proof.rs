//! The proof of ownership, applied to what was observed.

use crate::binding::record::Binding;
use crate::resources::observed::{ObservedProfile, ObservedRole};
use crate::resources::ownership::Ownership;

/// Proves that a role is the binding's own.
///
/// # Errors
/// The reason why it is not.
pub(crate) fn prove_role(binding: &Binding, found: &ObservedRole) -> Result<(), String> {
    let recorded = binding.role.as_ref().and_then(|role| role.id.as_deref());
    let path = found.record.path.as_deref().unwrap_or_default();
    let id = found.record.id.as_deref().unwrap_or_default();
    let Some(tags) = &found.tags else {
        return prove_by_id(id, recorded);
    };
    let proof = Ownership::of(binding).prove(path, tags, id, recorded);
    proof.map_err(|foreign| foreign.to_string())
}

/// Proves that an instance profile is the binding's own.
///
/// # Errors
/// The reason why it is not.
pub(crate) fn prove_profile(binding: &Binding, found: &ObservedProfile) -> Result<(), String> {
    let recorded = binding.profile.as_ref().filter(|profile| profile.managed);
    let recorded = recorded.and_then(|profile| profile.id.as_deref());
    let id = found.record.id.as_deref().unwrap_or_default();
    let Some(tags) = &found.tags else {
        return prove_by_id(id, recorded);
    };
    let proof = Ownership::of(binding).prove(&found.path, tags, id, recorded);
    proof.map_err(|foreign| foreign.to_string())
}

// A resource that is presumed from our own record, or that was listed without its tags, is ours by
// the unique id that IAM gave in its answer to our create.
fn prove_by_id(id: &str, recorded: Option<&str>) -> Result<(), String> {
    if recorded == Some(id) {
        Ok(())
    } else {
        Err(format!("its unique id {id} is not recorded"))
    }
}
