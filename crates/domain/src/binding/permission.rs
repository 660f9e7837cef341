//! Checks a request against what the administrator permits.

use crate::binding::rejection::Rejection;
use crate::cluster::limits::WrongField;
use crate::cluster::request::{Defaults, RoleRequest};
use crate::cluster::spec::RoleSpec;
use crate::resources::tags::{TagKey, Tags};

/// Checks that the administrator permits what the request asks for. `kept` is the spec of the
/// cluster's live binding: what it has already stays permitted, whatever the settings say now.
///
/// # Errors
/// Names each field that breaks a rule.
pub(crate) fn must_be_permitted(
    request: &RoleRequest,
    kept: Option<&RoleSpec>,
    defaults: &Defaults,
) -> Result<(), Rejection> {
    let invalid = administrators_tags(request, kept, defaults);
    if !invalid.is_empty() {
        return Err(Rejection::InvalidTags(invalid));
    }
    let forbidden = not_permitted(request, kept, defaults);
    if !forbidden.is_empty() {
        return Err(Rejection::NotPermitted(forbidden));
    }
    Ok(())
}

/// Returns the tags of a request that have a key of the administrator's tags, as AWS compares keys.
fn administrators_tags(
    request: &RoleRequest,
    kept: Option<&RoleSpec>,
    defaults: &Defaults,
) -> Vec<WrongField> {
    let configured = defaults.tags.keys();
    let of_binding = kept.map(RoleSpec::administrator_tags);
    let of_binding = of_binding.iter().flat_map(Tags::keys);
    // A live binding that was requested without the administrator's tag may have this key of its own.
    let reserved: Vec<TagKey> = configured.chain(of_binding).collect();
    new_tags(request, kept)
        .into_iter()
        .filter(|key| reserved.contains(&TagKey::of(key)))
        .map(|key| WrongField {
            field: format!("tags.{key}"),
            rule:
                "has a key of the administrator's tags, which a request can't set; letter case is \
                   ignored"
                    .to_owned(),
        })
        .collect()
}

/// Returns what a request asks for that the administrator's limits forbid. A live
/// binding's mode and region can't change.
fn not_permitted(
    request: &RoleRequest,
    kept: Option<&RoleSpec>,
    defaults: &Defaults,
) -> Vec<WrongField> {
    let limits = &defaults.limits;
    let mut found = Vec::new();
    let mut forbid = |field: &str, rule: String| {
        found.push(WrongField {
            field: field.to_owned(),
            rule,
        });
    };
    if kept.is_none() {
        let mode = request.mode_of_new(defaults);
        if !limits.modes.permits(&mode) {
            let is_implied = request.mode.is_none() && request.iam_role.is_some();
            let field = if is_implied { "iam_role" } else { "mode" };
            let permitted = limits.modes.in_words();
            forbid(
                field,
                format!("asks for mode {mode}; the administrator permits {permitted}"),
            );
        }
        let region = request.region.as_ref().or(defaults.region.as_ref());
        if let Some(region) = region.filter(|region| !limits.regions.permits(region)) {
            let permitted = limits.regions.in_words();
            forbid(
                "region",
                format!("is {region}; the administrator permits {permitted}"),
            );
        }
    }
    let has_session_manager = kept.is_some_and(|spec| spec.session_manager);
    let wants_session_manager = request.session_manager == Some(true) && !has_session_manager;
    if wants_session_manager && !limits.session_manager {
        let rule = "is true; the administrator does not permit Session Manager";
        forbid("session_manager", rule.to_owned());
    }
    for key in new_tags(request, kept) {
        if !limits.tag_keys.permits(&TagKey::of(key)) {
            let permitted = limits.tag_keys.in_words();
            forbid(
                &format!("tags.{key}"),
                format!("has another key than those that the administrator permits: {permitted}"),
            );
        }
    }
    found
}

/// Returns the keys of a request's tags, without the tags that the live binding has already with the
/// same value.
fn new_tags<'a>(request: &'a RoleRequest, kept: Option<&RoleSpec>) -> Vec<&'a str> {
    let kept = kept.map(RoleSpec::caller_tags).unwrap_or_default();
    let wanted = request.tags.iter().flat_map(Tags::iter);
    wanted
        .filter(|(key, value)| kept.get(key) != Some(*value))
        .map(|(key, _)| key)
        .collect()
}
