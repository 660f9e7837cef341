//! Checks what the service did against what it promises, from the database and the sandbox.
//!
//! 1. Every role and instance profile under our path has a live binding.
//! 2. Role, policy, trust, boundary, tags and profile of every active binding are as requested.
//! 3. Every acknowledged request is in the database.
//! 4. Every change of state has exactly one audit event.
//! 5. Every change at IAM has an intent that was recorded before it.
//! 6. No resource of others was changed.
//! 7. What the database keeps for lists and counts agrees with the bindings.
//!
//! The expected resources are derived here from the documentation, not with the product's code,
//! except for their names: [`engine_roles_domain::resources::resource_name`].

mod contents;
mod expected;
mod history;
mod intents;
mod kept;
mod ownership;
mod promises;

use chrono::{DateTime, Utc};
use engine_roles_iam_sandbox::Call;
use serde_json::Value;

use crate::Installation;
use crate::client::Acknowledged;
use crate::database::{BindingRow, ClusterRow, EventRow};

/// A snapshot of the database and the sandbox.
pub struct Checker {
    bindings: Vec<Named>,
    clusters: Vec<ClusterRow>,
    events: Vec<EventRow>,
    roles: Vec<Value>,
    profiles: Vec<Value>,
    /// The service's calls to IAM that change something.
    mutations: Vec<Mutation>,
    acknowledged: Vec<Acknowledged>,
    /// When each event was written, by the machine's clock, in the order of `events`.
    written: Vec<DateTime<Utc>>,
    /// What the database keeps for lists and counts, where it differs from the bindings.
    differences: Vec<String>,
    /// Whether the service is idle, so that every live binding must be active.
    idle: bool,
}

/// A binding and the name of its resources.
struct Named {
    row: BindingRow,
    name: String,
}

/// A call that changes something, and the latest time at which it can have reached IAM.
struct Mutation {
    call: Call,
    at: DateTime<Utc>,
}

impl Checker {
    /// Reads the sandbox's log of calls, then the database. The sandbox must have kept all calls.
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
            name: expected::name(&row),
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
            differences: kept::differences(&installation.database).await,
            idle: false,
        }
    }

    /// As [`Checker::read`], for an idle service: no binding may be in progress.
    pub async fn read_when_idle(installation: &Installation) -> Self {
        Self {
            idle: true,
            ..Self::read(installation).await
        }
    }

    /// All breaches, each as one line that starts with the number of the promise.
    pub fn breaches(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        self.check_ownership(&mut breaches);
        self.check_contents(&mut breaches);
        self.check_promises(&mut breaches);
        self.check_history(&mut breaches);
        self.check_intents(&mut breaches);
        self.check_kept(&mut breaches);
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
    /// Runs the checker.
    ///
    /// # Panics
    /// When the checker finds breaches.
    pub async fn assert_sound(&self) {
        let breaches = Checker::read(self).await.breaches();
        assert!(
            breaches.is_empty(),
            "{} breaches:\n{}",
            breaches.len(),
            breaches.join("\n")
        );
    }

    /// Returns the checker's findings for an idle service.
    pub async fn breaches_when_idle(&self) -> Vec<String> {
        Checker::read_when_idle(self).await.breaches()
    }

    /// Waits until the service is idle, and runs the checker.
    ///
    /// # Panics
    /// When the checker finds breaches.
    pub async fn assert_sound_when_idle(&self, what: &str) {
        self.becomes_idle().await;
        let breaches = self.breaches_when_idle().await;
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
