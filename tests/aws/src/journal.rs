//! What a run may have created.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::params::Params;

/// A kind of resource that the suite creates in IAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    InstanceProfile,
    Role,
    Policy,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::InstanceProfile => "instance profile",
            Self::Policy => "policy",
        }
    }
}

/// The resources whose creation was requested, in whatever way the calls ended: lists of IAM lag, so
/// they may not show a new resource yet.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<BTreeSet<(Kind, String)>>);

impl Journal {
    /// Records a call that is about to be sent, if it creates a resource.
    pub(crate) fn about_to(&self, action: &str, params: &Params) {
        let (kind, parameter) = match action {
            "CreateRole" => (Kind::Role, "RoleName"),
            "CreateInstanceProfile" => (Kind::InstanceProfile, "InstanceProfileName"),
            "CreatePolicy" => (Kind::Policy, "PolicyName"),
            _ => return,
        };
        // IAM ignores the letter case of names.
        let name = params.get(parameter).map(str::to_lowercase);
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert((kind, name));
        }
    }

    pub(crate) fn all(&self) -> BTreeSet<(Kind, String)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }
}
