//! The one checker: what the service did, from outside, against what it promises.
//!
//! 1. No role or instance profile under our path without a live binding.
//! 2. Every active binding's role, policy, trust, boundary, tags and profile exactly as meant.
//! 3. Every acknowledged request is in the database.
//! 4. Exactly one audit event for every change of state.
//! 5. Every change at IAM has an intent that was recorded before it.
//! 6. Nothing that isn't ours was touched.
//!
//! What is meant is worked out here once more, from the contract and not by the product's code.
//! Only the names are the product's own: [`engine_roles_domain::resources::resource_name`].

mod contents;
mod history;
mod intents;
mod meant;
mod ownership;
mod promises;

use chrono::{DateTime, Utc};
use engine_roles_iam_sandbox::Call;
use serde_json::Value;

use crate::Installation;
use crate::client::Acknowledged;
use crate::database::{BindingRow, ClusterRow, EventRow};

/// What is looked at, read once.
pub struct Checker {
    bindings: Vec<Named>,
    clusters: Vec<ClusterRow>,
    events: Vec<EventRow>,
    roles: Vec<Value>,
    profiles: Vec<Value>,
    /// The service's own changes at IAM.
    mutations: Vec<Mutation>,
    acknowledged: Vec<Acknowledged>,
    /// When each event was written by the machine's clock, in the order of `events`.
    written: Vec<DateTime<Utc>>,
    quiet: bool,
}

/// A binding and the name of all that is made for it.
struct Named {
    row: BindingRow,
    name: String,
}

/// A call that changes something, and the latest that it can have reached IAM.
struct Mutation {
    call: Call,
    at: DateTime<Utc>,
}

impl Checker {
    /// Reads the database, then AWS. The log of calls must be whole.
    pub async fn read(installation: &Installation) -> Self {
        let mutations = installation.mutations(0).into_iter().map(|call| Mutation {
            at: installation.time_of(&call),
            call,
        });
        let mutations = mutations.collect();
        let state = installation.sandbox.state();
        let list = |kind: &str| state[kind].as_array().cloned().unwrap_or_default();
        let bindings = installation.database.bindings().await.into_iter();
        let bindings = bindings.map(|row| Named {
            name: meant::name(&row),
            row,
        });
        let events = installation.database.events().await;
        let written = events
            .iter()
            .map(|event| installation.database.real_time(event.at));
        Self {
            written: written.collect(),
            bindings: bindings.collect(),
            clusters: installation.database.clusters().await,
            events,
            roles: list("roles"),
            profiles: list("instance_profiles"),
            mutations,
            acknowledged: installation.acknowledged().all(),
            quiet: false,
        }
    }

    /// As [`Checker::read`], of a service that has come to rest: nothing may be on its way.
    pub async fn read_at_rest(installation: &Installation) -> Self {
        Self {
            quiet: true,
            ..Self::read(installation).await
        }
    }

    /// All that is wrong, each in a sentence.
    pub fn breaches(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        self.check_ownership(&mut breaches);
        self.check_contents(&mut breaches);
        self.check_promises(&mut breaches);
        self.check_history(&mut breaches);
        self.check_intents(&mut breaches);
        breaches
    }

    fn binding_named(&self, name: &str) -> Option<&BindingRow> {
        let found = self.bindings.iter().find(|binding| binding.name == name);
        found.map(|binding| &binding.row)
    }

    fn events_of(&self, binding: &BindingRow) -> impl Iterator<Item = &EventRow> {
        let id = binding.id;
        self.events
            .iter()
            .filter(move |event| event.binding_id == id)
    }
}

impl Installation {
    /// Checks that nothing is lost, forgotten, made twice or touched that is not ours.
    ///
    /// # Panics
    /// With all that is wrong.
    pub async fn assert_sound(&self) {
        let breaches = Checker::read(self).await.breaches();
        assert!(
            breaches.is_empty(),
            "{} breaches:\n{}",
            breaches.len(),
            breaches.join("\n")
        );
    }

    /// What is wrong now that all is at rest.
    pub async fn breaches_at_rest(&self) -> Vec<String> {
        Checker::read_at_rest(self).await.breaches()
    }

    /// Brings all to rest and checks it.
    ///
    /// # Panics
    /// With all that is wrong.
    pub async fn assert_sound_at_rest(&self, what: &str) {
        self.comes_to_rest().await;
        let breaches = self.breaches_at_rest().await;
        assert!(
            breaches.is_empty(),
            "{what}: {} breaches:\n{}",
            breaches.len(),
            breaches.join("\n")
        );
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
