//! The settings that limit what requests may ask for.

use clap::{ArgAction, Args};
use engine_roles_domain::account::Region;
use engine_roles_domain::cluster::{Defaults, Limits, Mode, Permitted};
use engine_roles_domain::resources::TagKey;

use crate::config_error::{ConfigError, ConfigErrors, invalid_in};
use crate::list::list;

const MODES: &str = "--allowed-modes";
const REGIONS: &str = "--allowed-regions";
const TAG_KEYS: &str = "--allowed-tag-keys";

/// The flags that limit what requests may ask for. They apply to new values: what a live binding has
/// already stays permitted.
#[derive(Clone, Debug, Args)]
pub struct LimitArgs {
    /// Modes that a request may ask for, `create` and `pass_through`, separated by commas
    /// [default: both]
    #[arg(long, env = "ENGINE_ROLES_ALLOWED_MODES")]
    allowed_modes: Option<String>,
    /// Regions that a request may name, separated by commas [default: all of the account's partition]
    #[arg(long, env = "ENGINE_ROLES_ALLOWED_REGIONS")]
    allowed_regions: Option<String>,
    /// Whether a request may ask for Session Manager: `true` or `false`
    #[arg(
        long,
        env = "ENGINE_ROLES_ALLOW_SESSION_MANAGER",
        default_value_t = true,
        value_name = "BOOL",
        action = ArgAction::Set
    )]
    allow_session_manager: bool,
    /// Keys of the tags that a request may have, separated by commas; letter case is ignored
    /// [default: all]
    #[arg(long, env = "ENGINE_ROLES_ALLOWED_TAG_KEYS")]
    allowed_tag_keys: Option<String>,
}

impl LimitArgs {
    /// Returns whether requests may ask for no other mode than `pass_through`.
    pub(crate) fn permits_only_pass_through(&self) -> bool {
        let mut modes = list(self.allowed_modes.as_deref()).peekable();
        modes.peek().is_some() && modes.all(|mode| mode == Mode::PassThrough.as_str())
    }

    /// Reads the limits; `None` when a value breaks its rule, or a list is empty.
    pub(crate) fn limits(&self, errors: &mut ConfigErrors) -> Option<Limits> {
        let mode = |text: &str| {
            text.parse().map_err(|_| ConfigError::Form {
                flag: MODES,
                rule: "must be create, pass_through or both, separated by a comma",
            })
        };
        let region = |text: &str| invalid_in(REGIONS, Region::parse_supported(text));
        let tag_key = |text: &str| invalid_in(TAG_KEYS, TagKey::parse(text));
        let modes = errors.note(permitted(MODES, self.allowed_modes.as_deref(), mode));
        let regions = errors.note(permitted(REGIONS, self.allowed_regions.as_deref(), region));
        let tag_keys = self.allowed_tag_keys.as_deref();
        let tag_keys = errors.note(permitted(TAG_KEYS, tag_keys, tag_key));
        Some(Limits {
            modes: modes?,
            regions: regions?,
            session_manager: self.allow_session_manager,
            tag_keys: tag_keys?,
        })
    }
}

fn permitted<T>(
    flag: &'static str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, ConfigError>,
) -> Result<Permitted<T>, ConfigError> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Ok(Permitted::All);
    };
    let values: Vec<T> = list(Some(text)).map(parse).collect::<Result<_, _>>()?;
    if values.is_empty() {
        let rule = "must name at least one value";
        return Err(ConfigError::Form { flag, rule });
    }
    Ok(Permitted::Only(values))
}

/// Checks that the administrator's settings do not contradict the administrator's limits.
///
/// # Errors
/// Names both settings.
pub(crate) fn check(defaults: &Defaults) -> Result<(), ConfigError> {
    let limits = &defaults.limits;
    let contradicts = |flag, value: &dyn ToString, limit, rule| {
        let value = value.to_string();
        Err(ConfigError::Contradiction {
            flag,
            value,
            limit,
            rule,
        })
    };
    check_region(defaults)?;
    if let Some(role) = &defaults.iam_role
        && !limits.modes.permits(&Mode::PassThrough)
    {
        let rule = "does not permit mode pass_through";
        return contradicts("--default-iam-role", role, MODES, rule);
    }
    if !limits.modes.permits(&Mode::Create) && defaults.listed_roles().is_empty() {
        return Err(ConfigError::Form {
            flag: MODES,
            rule: "permits mode pass_through only, so that --default-iam-role or --pass-through-roles \
                   must name a role",
        });
    }
    if let Permitted::Only(keys) = &limits.tag_keys
        && let Some(key) = defaults.tags.keys().find(|key| keys.contains(key))
    {
        let rule =
            "permits requests to have this key, which they can't use beside the administrator's";
        return contradicts("--resource-tags", &key, TAG_KEYS, rule);
    }
    Ok(())
}

/// Checks that the limits permit the default region, which may be the region of the AWS SDK.
///
/// # Errors
/// Names the region and the limit.
pub(crate) fn check_region(defaults: &Defaults) -> Result<(), ConfigError> {
    let region = defaults.region.as_ref();
    match region.filter(|region| !defaults.limits.regions.permits(region)) {
        Some(region) => Err(ConfigError::Contradiction {
            flag: "--default-region",
            value: region.to_string(),
            limit: REGIONS,
            rule: "does not permit this region, which is the region of requests that name none",
        }),
        None => Ok(()),
    }
}
