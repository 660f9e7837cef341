//! The points at which a test kills the service: every call to IAM in every scenario.

use engine_roles_client::Error;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, role};
use crate::installation::PAST_A_LEASE;
use crate::installation::is_read;
use crate::polling::eventually;
use crate::random::Random;
use crate::{Client, Installation};

/// The role that the administrator has prepared for [`Scenario::PassThrough`].
pub const PREPARED_ROLE: &str = "prepared-for-engines";

/// A request that a test sends, with the state before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Creates a role.
    Create,
    /// Changes the secrets and tags of a role.
    Update,
    /// Creates an instance profile for a prepared role.
    PassThrough,
    /// Tears down a created role.
    TearDown,
    /// Tears down an instance profile with a prepared role.
    TearDownPassThrough,
}

impl Scenario {
    pub const ALL: [Self; 5] = [
        Self::Create,
        Self::Update,
        Self::PassThrough,
        Self::TearDown,
        Self::TearDownPassThrough,
    ];

    /// Sets up the state before the request.
    pub async fn prepare(self, client: &Client, cluster: &str) {
        let body = match self {
            Self::Create | Self::PassThrough => return,
            Self::Update | Self::TearDown => json!({"tags": {"team": "x", "old": "1"}}),
            Self::TearDownPassThrough => passed(),
        };
        client
            .waiting_longest()
            .put(cluster, body)
            .await
            .expect(201);
    }

    /// Sends the request.
    ///
    /// # Panics
    /// When no answer arrives.
    pub async fn request(self, client: &Client, cluster: &str) -> Answer {
        let answer = self.try_request(client, cluster).await;
        answer.expect("the service answers")
    }

    /// Sends the request to a service that may end before it answers.
    ///
    /// # Errors
    /// When no answer arrives.
    pub async fn try_request(self, client: &Client, cluster: &str) -> Result<Answer, Error> {
        let body = match self {
            Self::Create => json!({"tags": {"team": "x"}}),
            Self::Update => json!({"secrets": ["one", "two"], "tags": {"team": "y"}}),
            Self::PassThrough => passed(),
            Self::TearDown | Self::TearDownPassThrough => {
                let request = client.request(Method::DELETE, &role(cluster));
                return client.try_send(request).await;
            }
        };
        let request = client.request(Method::PUT, &role(cluster)).json(&body);
        client.try_send(request).await
    }

    /// The state of the binding after the request succeeded.
    pub fn final_state(self) -> &'static str {
        match self {
            Self::Create | Self::Update | Self::PassThrough => "active",
            Self::TearDown | Self::TearDownPassThrough => "deleted",
        }
    }

    /// Checks the binding after the request.
    ///
    /// # Panics
    /// When the binding is not as requested.
    pub async fn assert_done(self, installation: &Installation, cluster: &str, what: &str) {
        let binding = installation.database.binding(cluster).await;
        let binding = binding.unwrap_or_else(|| panic!("{what}: no binding exists"));
        assert_eq!(
            binding.state,
            self.final_state(),
            "{what}: {:?}",
            binding.last_error
        );
        match self {
            Self::Create => assert_eq!(binding.spec["tags"], json!({"team": "x"}), "{what}"),
            Self::Update => {
                assert_eq!(binding.spec["secrets"], json!(["one", "two"]), "{what}");
                assert_eq!(binding.spec["tags"], json!({"team": "y"}), "{what}");
            }
            Self::PassThrough => assert_eq!(binding.mode, "pass_through", "{what}"),
            Self::TearDown | Self::TearDownPassThrough => {
                assert!(binding.receipt.is_some(), "{what}");
            }
        }
    }
}

fn passed() -> Value {
    json!({"mode": "pass_through", "iam_role": PREPARED_ROLE})
}

/// What happens to the call during which the service is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// The call never arrives.
    Lost,
    /// The call arrives after the restart, within the consistency window.
    Late,
    /// The call takes effect, and its answer is lost.
    Unanswered,
}

impl CallOutcome {
    pub const ALL: [Self; 3] = [Self::Lost, Self::Late, Self::Unanswered];

    fn fault(self, action: &str, skip: usize) -> Value {
        const AGE: u64 = 1_000_000_000_000;
        let (when, hang) = match self {
            Self::Lost => ("before", AGE),
            // The service is killed at the beginning of a lease of 60 seconds, so that the lease
            // has expired when the call arrives.
            Self::Late => ("before", 100_000),
            Self::Unanswered => ("after", AGE),
        };
        json!([{"action": action, "when": when, "do": {"hang_ms": hang}, "skip": skip}])
    }
}

/// A point at which the service is killed.
#[derive(Clone, Debug)]
pub struct KillPoint {
    pub scenario: Scenario,
    /// The call's name, and how many calls of that name precede it.
    pub call: (String, usize),
    pub outcome: CallOutcome,
    /// The call of the recovery at which the service is killed again, if any.
    pub again: Option<(usize, CallOutcome)>,
}

/// Runs a scenario without faults, and returns a kill point for every call and outcome.
pub async fn record_kill_points(installation: &Installation, scenario: Scenario) -> Vec<KillPoint> {
    let cluster = format!("recording-{scenario:?}");
    scenario.prepare(&installation.client(), &cluster).await;
    installation.becomes_idle().await;
    let since = installation.mark();
    let answer = scenario
        .request(&installation.client().waiting_longest(), &cluster)
        .await;
    assert!(answer.status < 202, "{scenario:?}: {}", answer.text);
    let calls = installation.iam_calls(since);
    installation.becomes_idle().await;
    let mut points = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        let before = calls[..place]
            .iter()
            .filter(|other| other.action == call.action)
            .count();
        // A read has no effect, so that it makes no difference whether it arrives late.
        let outcomes: &[CallOutcome] = if is_read(call) {
            &[CallOutcome::Unanswered]
        } else {
            &CallOutcome::ALL
        };
        points.extend(outcomes.iter().map(|outcome| KillPoint {
            scenario,
            call: (call.action.clone(), before),
            outcome: *outcome,
            again: None,
        }));
    }
    points
}

/// Combines each kill point with each call and outcome of the recovery for a second kill.
pub fn with_second_kills(points: &[KillPoint], calls: usize) -> Vec<KillPoint> {
    let again = points.iter().flat_map(|point| {
        let places = (0..calls).flat_map(|call| CallOutcome::ALL.map(|outcome| (call, outcome)));
        places.map(|place| KillPoint {
            again: Some(place),
            ..point.clone()
        })
    });
    again.collect()
}

/// Returns all points when `ENGINE_ROLES_ALL_KILL_POINTS` is 1, otherwise a random sample.
pub fn all_or_sample<T>(points: Vec<T>, random: &mut Random, most: usize) -> Vec<T> {
    if std::env::var_os("ENGINE_ROLES_ALL_KILL_POINTS").is_some_and(|value| value == "1") {
        return points;
    }
    random.sample(points, most)
}

/// Kills the service at a point, starts it again, and checks that it reaches the requested state.
///
/// # Panics
/// When it does not reach that state.
pub async fn kill_at(installation: &mut Installation, point: &KillPoint, cluster: &str) {
    let what = format!("{point:?}");
    point
        .scenario
        .prepare(&installation.client(), cluster)
        .await;
    installation.becomes_idle().await;
    let since = installation.mark();
    let (action, before) = &point.call;
    installation.set_faults(point.outcome.fault(action, *before));
    let answer = point
        .scenario
        .request(&installation.client().without_waiting(), cluster)
        .await;
    assert!(answer.status <= 202, "{what}: {}", answer.text);
    eventually(&format!("{what}: the call has started"), async || {
        let calls = installation.iam_calls(since);
        let same = calls.iter().filter(|call| call.action == *action).count();
        (same > *before).then_some(())
    })
    .await;
    installation.replicas[0].kill().await;
    installation.set_faults(json!([]));
    installation.restart(0).await;
    if let Some((call, outcome)) = point.again {
        let since = installation.mark();
        installation.set_faults(outcome.fault("*", call));
        installation.advance(PAST_A_LEASE).await;
        let what = format!("{what}: the recovery has started");
        let has_started = async || {
            if installation.iam_calls(since).len() > call {
                return Some(());
            }
            let binding = installation.database.binding(cluster).await?;
            let is_done =
                binding.state == point.scenario.final_state() && binding.lease_until.is_none();
            is_done.then_some(())
        };
        installation.in_time_until(&what, has_started).await;
        installation.replicas[0].kill().await;
        installation.set_faults(json!([]));
        installation.restart(0).await;
    }
    installation.advance(PAST_A_LEASE).await;
    installation.assert_sound_when_idle(&what).await;
    point
        .scenario
        .assert_done(installation, cluster, &what)
        .await;
}
