use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::wire::Params;

/// Makes calls fail: what `POST /_sandbox/faults` takes a list of.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The action, or `*` for each.
    pub action: String,
    /// Before or after the call's effect.
    pub when: When,
    /// What goes wrong.
    #[serde(rename = "do")]
    pub effect: Effect,
    /// How many calls it hits.
    #[serde(default = "once")]
    pub times: u64,
    /// How many calls it lets pass first.
    #[serde(default)]
    pub skip: u64,
    /// Only calls with these parameters.
    #[serde(default, rename = "match", skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// How likely a call that it could hit is hit, from 0 to 1, by the sandbox's seed.
    #[serde(default = "certain")]
    pub chance: f64,
}

/// Whether the effect of a call that a fault hits happens.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// It does not; with a hang, it happens when the hang ends, as a late write.
    Before,
    /// It has happened.
    After,
}

/// What the caller sees of a fault.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// This error code, with the status that AWS gives it.
    Error(String),
    /// The connection breaks without an answer.
    Reset,
    /// Silence for so many milliseconds of the sandbox's clock, then the answer.
    HangMs(u64),
}

fn once() -> u64 {
    1
}

fn certain() -> f64 {
    1.0
}

/// The faults that are set, used up as calls come in.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    pub(crate) fn set(&self) -> &[Fault] {
        &self.0
    }

    /// The fault that hits this call: the first one that fits and is neither waiting nor used up.
    pub(crate) fn take(
        &mut self,
        action: &str,
        params: &Params,
        rng: &mut StdRng,
    ) -> Option<(When, Effect)> {
        self.0.iter_mut().find_map(|fault| {
            let fits = (fault.action == "*" || fault.action == action)
                && fault
                    .params
                    .iter()
                    .all(|(name, value)| params.get(name) == Some(value));
            if !fits || fault.times == 0 {
                return None;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                return None;
            }
            if fault.chance < 1.0 && !rng.random_bool(fault.chance.max(0.0)) {
                return None;
            }
            fault.times -= 1;
            Some((fault.when, fault.effect.clone()))
        })
    }
}
