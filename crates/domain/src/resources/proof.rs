//! Applies the proof of ownership to observed resources.

use crate::binding::record::Binding;
use crate::resources::observed::{ObservedProfile, ObservedRole};
use crate::resources::ownership::Ownership;

/// Proves that a role belongs to the binding.
///
/// # Errors
/// Why the role does not belong to the binding, in words.
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

/// Proves that an instance profile belongs to the binding.
///
/// # Errors
/// Why the instance profile does not belong to the binding, in words.
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

// Without tags (a resource taken from our own record, or listed without its tags), the unique id
// that IAM returned for our create call is the proof.
fn prove_by_id(id: &str, recorded: Option<&str>) -> Result<(), String> {
    if recorded == Some(id) {
        Ok(())
    } else {
        Err(format!("its unique id {id} is not the recorded one"))
    }
}
