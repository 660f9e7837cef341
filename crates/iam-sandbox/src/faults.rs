use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::wire::Params;

/// A fault, which makes calls fail or hang. `POST /_sandbox/faults` takes a list of faults.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The action that the fault affects, or `*` for every action.
    pub action: String,
    /// Whether the fault happens before or after the call's effect.
    pub when: When,
    /// How the call fails.
    #[serde(rename = "do")]
    pub effect: Effect,
    /// The number of calls that the fault affects.
    #[serde(default = "once")]
    pub times: u64,
    /// The number of matching calls that pass before the first affected one.
    #[serde(default)]
    pub skip: u64,
    /// Limits the fault to calls with these parameters.
    #[serde(default, rename = "match", skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// The probability, from 0 to 1, that a matching call is affected; the random choice follows
    /// from the sandbox's seed.
    #[serde(default = "certain")]
    pub chance: f64,
}

/// Whether a call that a fault affects has its effect.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The fault comes first, and the call has no effect. With a hang, the effect happens when the
    /// hang ends, as a late write.
    Before,
    /// The call has its effect, then the fault comes.
    After,
}

/// How a fault changes the answer of a call.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// This error code, with the status that AWS gives it.
    Error(String),
    /// The connection is reset without an answer.
    Reset,
    /// The answer is delayed by this number of milliseconds of the sandbox's clock.
    HangMs(u64),
}

fn once() -> u64 {
    1
}

fn certain() -> f64 {
    1.0
}

/// The faults that are set; matching calls use them up.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    pub(crate) fn set(&self) -> &[Fault] {
        &self.0
    }

    /// Returns the fault that affects this call: the first one that matches and neither skips the
    /// call nor is used up.
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
