//! Where a service can be killed: at every call to IAM, in everything that it does.

use engine_roles_client::Error;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, role};
use crate::installation::PAST_A_LEASE;
use crate::installation::is_read;
use crate::polling::eventually;
use crate::random::Random;
use crate::{Client, Installation};

/// The role that the administrator has prepared for [`Story::PassThrough`].
pub const PREPARED_ROLE: &str = "prepared-for-engines";

/// All that a service is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// A role of its own.
    Create,
    /// Other secrets and tags.
    Update,
    /// A profile around a prepared role.
    PassThrough,
    /// The end of a role of its own.
    TearDown,
    /// The end of such a profile.
    TearDownPassThrough,
}

impl Story {
    pub const ALL: [Self; 5] = [
        Self::Create,
        Self::Update,
        Self::PassThrough,
        Self::TearDown,
        Self::TearDownPassThrough,
    ];

    /// What has to be before it can begin.
    pub async fn prepare(self, client: &Client, cluster: &str) {
        let body = match self {
            Self::Create | Self::PassThrough => return,
            Self::Update | Self::TearDown => json!({"tags": {"team": "x", "old": "1"}}),
            Self::TearDownPassThrough => passed(),
        };
        client.patient().put(cluster, body).await.expect(201);
    }

    /// # Panics
    /// When there is no answer.
    pub async fn ask(self, client: &Client, cluster: &str) -> Answer {
        let answer = self.try_ask(client, cluster).await;
        answer.expect("the service answers what it is asked")
    }

    /// What is asked for, of a service that may be gone before it answers.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn try_ask(self, client: &Client, cluster: &str) -> Result<Answer, Error> {
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

    pub fn ends(self) -> &'static str {
        match self {
            Self::Create | Self::Update | Self::PassThrough => "active",
            Self::TearDown | Self::TearDownPassThrough => "deleted",
        }
    }

    /// Checks what is at the end.
    ///
    /// # Panics
    /// When it is something else than was asked for.
    pub async fn assert_done(self, installation: &Installation, cluster: &str, what: &str) {
        let binding = installation.database.binding(cluster).await;
        let binding = binding.unwrap_or_else(|| panic!("{what}: there is no binding"));
        assert_eq!(
            binding.state,
            self.ends(),
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

/// What becomes of the call in whose middle the service is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives after another replica has taken over, within the consistency window.
    Late,
    /// It was carried out, and nobody hears the answer.
    Unheard,
}

impl Fate {
    pub const ALL: [Self; 3] = [Self::Lost, Self::Late, Self::Unheard];

    fn fault(self, action: &str, skip: usize) -> Value {
        const AGE: u64 = 1_000_000_000_000;
        let (when, hang) = match self {
            Self::Lost => ("before", AGE),
            // Sent in the first moment of a lease of 60 seconds, which is when its holder is
            // killed here, it is still on its way when that has run out.
            Self::Late => ("before", 100_000),
            Self::Unheard => ("after", AGE),
        };
        json!([{"action": action, "when": when, "do": {"hang_ms": hang}, "skip": skip}])
    }
}

/// A place to be killed at.
#[derive(Clone, Debug)]
pub struct KillPoint {
    pub story: Story,
    /// Its call, and how many of that name came before it.
    pub call: (String, usize),
    pub fate: Fate,
    /// At which call of the recovery the service is killed again, if it is.
    pub again: Option<(usize, Fate)>,
}

/// Every call of a story that goes well, from a rehearsal.
pub async fn rehearse(installation: &Installation, story: Story) -> Vec<KillPoint> {
    let cluster = format!("rehearsal-{story:?}");
    story.prepare(&installation.client(), &cluster).await;
    installation.comes_to_rest().await;
    let since = installation.mark();
    let answer = story.ask(&installation.client().patient(), &cluster).await;
    assert!(answer.status < 202, "{story:?}: {}", answer.text);
    let calls = installation.iam_calls(since);
    installation.comes_to_rest().await;
    let mut points = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        let before = calls[..place]
            .iter()
            .filter(|other| other.action == call.action)
            .count();
        // A read has no effect that could be late.
        let fates: &[Fate] = if is_read(call) {
            &[Fate::Unheard]
        } else {
            &Fate::ALL
        };
        points.extend(fates.iter().map(|fate| KillPoint {
            story,
            call: (call.action.clone(), before),
            fate: *fate,
            again: None,
        }));
    }
    points
}

/// The points of one kill, and for each of them the points of a second one.
pub fn with_second_kills(points: &[KillPoint], calls: usize) -> Vec<KillPoint> {
    let again = points.iter().flat_map(|point| {
        let places = (0..calls).flat_map(|call| Fate::ALL.map(|fate| (call, fate)));
        places.map(|place| KillPoint {
            again: Some(place),
            ..point.clone()
        })
    });
    again.collect()
}

/// All of these, or a sample by the random.
pub fn all_or_some<T>(points: Vec<T>, random: &mut Random, most: usize) -> Vec<T> {
    if std::env::var_os("ENGINE_ROLES_ALL_KILL_POINTS").is_some_and(|value| value == "1") {
        return points;
    }
    random.sample(points, most)
}

/// Kills the service at a point, starts it again, and sees to it that all comes to what was
/// asked for.
///
/// # Panics
/// When it does not.
pub async fn kill_at(installation: &mut Installation, point: &KillPoint, cluster: &str) {
    let what = format!("{point:?}");
    point.story.prepare(&installation.client(), cluster).await;
    installation.comes_to_rest().await;
    let since = installation.mark();
    let (action, before) = &point.call;
    installation.set_faults(point.fate.fault(action, *before));
    let answer = point
        .story
        .ask(&installation.client().in_no_hurry(), cluster)
        .await;
    assert!(answer.status <= 202, "{what}: {}", answer.text);
    eventually(&format!("{what}: the call is on its way"), async || {
        let calls = installation.iam_calls(since);
        let same = calls.iter().filter(|call| call.action == *action).count();
        (same > *before).then_some(())
    })
    .await;
    installation.replicas[0].kill().await;
    installation.set_faults(json!([]));
    installation.restart(0).await;
    if let Some((call, fate)) = point.again {
        let since = installation.mark();
        installation.set_faults(fate.fault("*", call));
        installation.advance(PAST_A_LEASE).await;
        eventually(&format!("{what}: the recovery is under way"), async || {
            if installation.iam_calls(since).len() > call {
                return Some(());
            }
            let binding = installation.database.binding(cluster).await?;
            let over = binding.state == point.story.ends() && binding.lease_until.is_none();
            over.then_some(())
        })
        .await;
        installation.replicas[0].kill().await;
        installation.set_faults(json!([]));
        installation.restart(0).await;
    }
    installation.advance(PAST_A_LEASE).await;
    installation.assert_sound_at_rest(&what).await;
    point.story.assert_done(installation, cluster, &what).await;
}
