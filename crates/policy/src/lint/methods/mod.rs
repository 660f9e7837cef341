//! The methods of privilege escalation that lint looks for, as data.
//!
//! A method is named as the field names it. Rhino Security Labs gave the first ones their names
//! ("AWS IAM Privilege Escalation – Methods and Mitigation"; Pacu and Cloudsplaining use these names
//! too); pathfinding.cloud numbers them and later ones by service. A method that neither lists has
//! a name of this crate in lower case, and AWS's documentation as its source.

mod compute;
mod data;
mod identity;
mod types;

pub(super) use types::{On, ROLE, Target};

/// A method of privilege escalation.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Method {
    /// The stable name, which is the [`rule`](super::Finding::rule) of its findings.
    pub id: &'static str,
    /// Other names of the same method.
    pub aliases: &'static [&'static str],
    /// A page that describes the method or the permission.
    pub source: &'static str,
    pub(super) needs: &'static [Need],
}

impl Method {
    /// Returns the actions that the method needs: one of each list.
    pub fn actions(&self) -> impl Iterator<Item = &'static [&'static str]> {
        self.needs.iter().map(|need| need.actions)
    }
}

/// A permission that a method needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// One of these actions is enough.
    pub(super) actions: &'static [&'static str],
    pub(super) on: On,
}

/// Returns every method that [`lint`](super::lint) looks for.
pub fn escalation_methods() -> impl Iterator<Item = &'static Method> {
    identity::METHODS
        .iter()
        .chain(compute::METHODS)
        .chain(data::METHODS)
}

const RHINO: &str =
    "https://rhinosecuritylabs.com/aws/aws-privilege-escalation-methods-mitigation/";

// These are macros because the results of functions can't be parts of a constant table.

/// A method under the name that Rhino Security Labs gave it, with its other names.
macro_rules! rhino {
    ($id:literal, $aliases:expr, $needs:expr $(,)?) => {
        Method {
            id: $id,
            aliases: $aliases,
            source: crate::lint::methods::RHINO,
            needs: $needs,
        }
    };
}

/// A method under its number at pathfinding.cloud.
macro_rules! pathfinding {
    ($id:literal, $needs:expr $(,)?) => {
        Method {
            id: $id,
            aliases: &[],
            source: concat!("https://pathfinding.cloud/paths/", $id),
            needs: $needs,
        }
    };
}

/// A method that neither lists.
macro_rules! own {
    ($id:literal, $source:expr, $needs:expr $(,)?) => {
        Method {
            id: $id,
            aliases: &[],
            source: $source,
            needs: $needs,
        }
    };
}

macro_rules! need {
    ($actions:expr, $on:expr) => {
        crate::lint::methods::Need {
            actions: $actions,
            on: $on,
        }
    };
}

/// The actions have to be allowed on any resource of the type, whatever its name.
macro_rules! every {
    ($actions:expr, $target:ident) => {
        need!($actions, crate::lint::methods::On::Every(&$target))
    };
}

/// As `every`, on users other than the caller: nobody gains anything from their own credentials.
macro_rules! every_other {
    ($actions:expr, $target:ident) => {
        need!($actions, crate::lint::methods::On::EveryOther(&$target))
    };
}

/// The actions have to be allowed on some resource.
macro_rules! some {
    ($actions:expr, $target:ident) => {
        need!($actions, crate::lint::methods::On::Some(&$target))
    };
}

/// A role has to be passed to the service.
macro_rules! pass {
    ($service:literal) => {
        need!(
            &["iam:PassRole"],
            crate::lint::methods::On::Passed($service)
        )
    };
}

use {every, every_other, need, own, pass, pathfinding, rhino, some};
