//! What is checked: rules of IAM and STS that the sandbox models, and the service's work.
//!
//! A rule makes calls and records what it found. It asserts nothing by itself: the sandbox's answers
//! are what AWS's are compared with.

mod account;
mod boundaries;
mod delays;
mod denials;
mod documents;
mod names;
mod profiles;
mod roles;
mod secrets;
mod service;
mod simulation;
mod tags;
mod variables;

use std::pin::Pin;

use crate::probe::Probe;
use crate::trouble::Trouble;

type Checking<'p> = Pin<Box<dyn Future<Output = Result<(), Trouble>> + 'p>>;

/// A rule that is checked on both sides.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) check: for<'p> fn(&'p mut Probe) -> Checking<'p>,
}

macro_rules! rules {
    ($($name:literal => $check:path,)+) => {
        /// All rules, in the order in which they are checked.
        pub(crate) const RULES: &[Rule] = &[
            $(Rule { name: $name, check: |probe| Box::pin($check(probe)) },)+
        ];
    };
}

rules! {
    "identity of the caller" => account::identity,
    "protocol" => account::protocol,
    "account summary" => account::summary,
    "roles: create, read, delete" => roles::lifetime,
    "roles: what prevents a delete" => roles::conflicts,
    "roles: limits of parameters" => roles::limits,
    "roles: what lists show" => roles::lists,
    "names" => names::names,
    "paths" => names::paths,
    "instance profiles" => profiles::lifetime,
    "instance profiles: their role" => profiles::role,
    "tags: limits" => tags::limits,
    "tags: changes" => tags::changes,
    "trust policies" => documents::trust,
    "inline policies" => documents::inline,
    "inline policies: grammar" => documents::grammar,
    "inline policies: incomplete ARNs" => documents::incomplete_arns,
    "inline policies: size" => documents::size,
    "permissions boundaries" => boundaries::boundaries,
    "simulator" => simulation::decisions,
    "simulator: invalid requests" => simulation::invalid,
    "denials by layer" => denials::layers,
    "denials: passing and assuming" => denials::passing,
    "variables: tags of the principal" => variables::principal_tags,
    "delays of reads" => delays::delays,
    "service" => service::walk,
    "secrets" => secrets::secrets,
}
