//! What authentication tells the audit log: requests that were not accepted, reads of the log, and sessions of
//! the console that began.
//!
//! Strangers, or keys that may only read, cause these events, so that their number is limited: denials are
//! combined in memory into one event for each address, key and reason within a minute, the reads of a key into
//! one event per hour, and its sessions into one event for each address and hour.
//! The addresses of one IPv6 network of 64 bits count as one, as for the limits of rates.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use engine_roles_domain::audit::{Actor, Cause, DenialReason, InstallationEvent};
use engine_roles_domain::caller::{Caller, KeyId};
use engine_roles_store::Store;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::auth::rate_limits::network;

/// How often denials are written.
const WRITE_EVERY: Duration = Duration::from_mins(1);
/// How many events of a minute name the address of requests without a known key, and as many that of requests
/// with one. Of further addresses, those that sent the fewest requests are combined into one event for each
/// key and reason.
const MOST_NAMED: usize = 20;
/// From how many addresses sessions of one key have an event of their own within an hour. Those from further
/// addresses are combined into one event.
const MOST_PLACES: usize = 20;
/// How many keys have an event of their own for their combined addresses.
const MOST_KEYS: usize = 100;
/// How long a write may take.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// Whose requests one event combines. The address is none where several are combined, and actor and key are
/// none where the request had no known key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sender {
    reason: DenialReason,
    source: Option<IpAddr>,
    actor: Option<String>,
    key: Option<KeyId>,
}

/// How many requests of a sender were not accepted, and when.
#[derive(Clone, Copy, Debug)]
struct Count {
    requests: u64,
    first_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
}

#[derive(Debug, Default)]
struct Noted {
    denials: BTreeMap<Sender, Count>,
    /// The hour to which `readers` and `places` belong.
    hour: DateTime<Utc>,
    /// Whose reads of the log have an event in this hour.
    readers: BTreeSet<String>,
    /// From where sessions of each key have an event in this hour.
    places: BTreeMap<String, BTreeSet<Place>>,
    /// Reads and sessions whose event is not written yet.
    due: Vec<(Cause, InstallationEvent)>,
}

/// From where sessions of a key began that share an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// The address is not known.
    Unknown,
    /// This address.
    Named(IpAddr),
    /// All addresses beyond [`MOST_PLACES`].
    Others,
}

/// Collects events about requests, and writes them outside of the requests.
pub(super) struct AuditNotes {
    store: Store,
    noted: Mutex<Noted>,
    has_due: Notify,
    /// Held while events are written, so that whoever writes last waits for those that are being written.
    writing: AsyncMutex<()>,
}

impl AuditNotes {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            noted: Mutex::default(),
            writing: AsyncMutex::default(),
            has_due: Notify::new(),
        }
    }

    /// Notes a request that was not accepted. `caller` is the owner of its key, where there is one.
    pub(super) fn denied(
        &self,
        reason: DenialReason,
        source: Option<IpAddr>,
        caller: Option<&Caller>,
    ) {
        let sender = Sender {
            reason,
            source: source.map(network),
            actor: caller.map(|caller| caller.actor.0.clone()),
            key: caller.and_then(|caller| caller.key),
        };
        let now = Utc::now();
        self.noted().count(sender, Count::one(now));
    }

    /// Notes a read of the audit log.
    pub(super) fn log_read(&self, caller: &Caller, cause: Cause) {
        self.at_once(|noted| noted.log_read(caller, cause));
    }

    /// Notes that the holder of a key got a session of the console.
    pub(super) fn signed_in(&self, caller: &Caller, cause: Cause) {
        self.at_once(|noted| noted.signed_in(caller, cause));
    }

    /// Notes an event, and has it written at once where it is a new one.
    fn at_once(&self, note: impl FnOnce(&mut Noted) -> bool) {
        let mut noted = self.noted();
        noted.begin_hour(Utc::now());
        let is_new = note(&mut noted);
        drop(noted);
        if is_new {
            self.has_due.notify_one();
        }
    }

    /// Writes what is noted until `stop` is cancelled: reads and sessions at once, denials every minute. A
    /// write that has begun is completed, because its events are nowhere else.
    pub(super) async fn keep_up(&self, stop: CancellationToken) {
        let mut denials = tokio::time::interval(WRITE_EVERY);
        denials.tick().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.has_due.notified() => {
                    let _one_at_a_time = self.writing.lock().await;
                    self.write_due().await;
                }
                _ = denials.tick() => self.write_all().await,
            }
        }
    }

    /// Writes everything that is noted. What can't be written is kept for the next time.
    pub(super) async fn write_all(&self) {
        let _one_at_a_time = self.writing.lock().await;
        self.write_due().await;
        let denials = std::mem::take(&mut self.noted().denials);
        let events: Vec<_> = denials
            .iter()
            .map(|(sender, count)| event(sender, *count))
            .collect();
        if !self.write(&events).await {
            let mut noted = self.noted();
            for (sender, count) in denials {
                noted.count(sender, count);
            }
        }
    }

    async fn write_due(&self) {
        let due = std::mem::take(&mut self.noted().due);
        if !self.write(&due).await {
            let mut noted = self.noted();
            let newer = std::mem::replace(&mut noted.due, due);
            noted.due.extend(newer);
        }
    }

    /// Writes events. Returns false where the database did not answer.
    async fn write(&self, events: &[(Cause, InstallationEvent)]) -> bool {
        let written = tokio::time::timeout(WRITE_LIMIT, self.store.append_events(events));
        match written.await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "denied requests, reads and sign-ins could not be added to the audit log; they are kept"
                );
                false
            }
            Err(_) => {
                warn!(
                    "denied requests, reads and sign-ins could not be added to the audit log in time; they are kept"
                );
                false
            }
        }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    /// Forgets what belongs to another hour than this time does.
    fn begin_hour(&mut self, now: DateTime<Utc>) {
        let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
        if self.hour != hour {
            self.hour = hour;
            self.readers.clear();
            self.places.clear();
        }
    }

    /// Returns whether the read is the first one of its key in this hour.
    fn log_read(&mut self, caller: &Caller, cause: Cause) -> bool {
        let is_new = self.readers.insert(caller.identity());
        if is_new {
            let event = InstallationEvent::LogRead { hour: self.hour };
            self.due.push((cause, event));
        }
        is_new
    }

    /// Returns whether the session is the first one of its key and address in this hour.
    fn signed_in(&mut self, caller: &Caller, cause: Cause) -> bool {
        let places = self.places.entry(caller.identity()).or_default();
        let place = cause
            .source
            .map_or(Place::Unknown, |source| Place::Named(network(source)));
        let has_room = places.len() < MOST_PLACES || places.contains(&place);
        let place = if has_room { place } else { Place::Others };
        let is_new = places.insert(place);
        if is_new {
            let combined = place == Place::Others;
            let event = InstallationEvent::SignedIn {
                hour: self.hour,
                combined,
            };
            let source = cause.source.filter(|_| !combined);
            self.due.push((Cause { source, ..cause }, event));
        }
        is_new
    }

    /// Counts denials of a sender. Where the minute has enough named senders of its kind, the one that sent the
    /// fewest requests is combined with others, so that whoever sends many is named, whatever came first.
    fn count(&mut self, sender: Sender, count: Count) {
        if !self.denials.contains_key(&sender) && sender.source.is_some() {
            let is_of_kind =
                |one: &Sender| one.source.is_some() && one.has_key() == sender.has_key();
            let named = self.denials.iter().filter(|(one, _)| is_of_kind(one));
            let least = named
                .clone()
                .min_by_key(|(_, count)| (count.requests, count.last_at));
            if named.count() >= MOST_NAMED
                && let Some(least) = least.map(|(least, _)| least.clone())
                && let Some(count) = self.denials.remove(&least)
            {
                self.combine(least, count);
            }
        }
        self.add(sender, count);
    }

    /// Counts denials of a sender without its address.
    fn combine(&mut self, sender: Sender, count: Count) {
        let has_key = sender.has_key();
        let combined = Sender {
            source: None,
            ..sender
        };
        let mut all = self.denials.keys();
        let has_room = all.clone().filter(|one| one.source.is_none()).count() < MOST_KEYS;
        let has_room = has_room || all.any(|one| *one == combined);
        let combined = if has_key && has_room {
            combined
        } else {
            combined.reason.into()
        };
        self.add(combined, count);
    }

    fn add(&mut self, sender: Sender, count: Count) {
        let counted = self.denials.entry(sender);
        counted.and_modify(|all| all.add(count)).or_insert(count);
    }
}

impl Sender {
    /// Returns whether the requests had a known key. The identity of a denied login is known, too, but
    /// whoever has an account at AWS can choose its name.
    fn has_key(&self) -> bool {
        self.actor.is_some() && self.reason != DenialReason::AwsLogin
    }
}

impl From<DenialReason> for Sender {
    fn from(reason: DenialReason) -> Self {
        Self {
            reason,
            source: None,
            actor: None,
            key: None,
        }
    }
}

impl Count {
    fn one(at: DateTime<Utc>) -> Self {
        Self {
            requests: 1,
            first_at: at,
            last_at: at,
        }
    }

    fn add(&mut self, more: Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.first_at = self.first_at.min(more.first_at);
        self.last_at = self.last_at.max(more.last_at);
    }
}

fn event(sender: &Sender, count: Count) -> (Cause, InstallationEvent) {
    let actor = sender.actor.as_deref().unwrap_or("anonymous");
    let cause = Cause {
        key: sender.key,
        source: sender.source,
        ..Cause::without_request(Actor(actor.to_owned()))
    };
    let event = InstallationEvent::Denied {
        reason: sender.reason,
        requests: count.requests,
        combined: sender.source.is_none(),
        first_at: count.first_at,
        last_at: count.last_at,
    };
    (cause, event)
}

#[cfg(test)]
mod tests {
    use engine_roles_domain::resources::Namespace;
    use engine_roles_store::StoreConfig;

    use super::*;

    fn sender(number: u8, actor: Option<&str>) -> Sender {
        Sender {
            reason: DenialReason::Scope,
            source: Some(IpAddr::from([192, 0, 2, number])),
            actor: actor.map(str::to_owned),
            key: None,
        }
    }

    fn one() -> Count {
        Count::one(DateTime::UNIX_EPOCH)
    }

    #[tokio::test]
    async fn a_write_that_has_begun_when_the_service_stops_loses_no_event() {
        // Nothing listens on port 1.
        let config = StoreConfig {
            max_connections: 1,
            acquire_timeout: Duration::from_millis(100),
            lease: Duration::from_secs(30),
            consistency_window: Duration::from_mins(1),
            ..StoreConfig::new("postgres://nobody@127.0.0.1:1/nothing")
        };
        let namespace = Namespace::parse("test").expect("a namespace");
        let notes = AuditNotes::new(Store::new(&config, namespace).expect("a store"));
        let actor = Actor("anna".to_owned());
        let caller = Caller::unlimited(actor.clone());
        notes.log_read(&caller, Cause::without_request(actor));
        let stop = CancellationToken::new();
        let has_begun = async {
            while !notes.noted().due.is_empty() {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        futures::join!(notes.keep_up(stop.clone()), has_begun);
        assert_eq!(notes.noted().due.len(), 1);
    }

    #[test]
    fn denials_of_one_sender_are_one_event() {
        let mut noted = Noted::default();
        let later = DateTime::UNIX_EPOCH + TimeDelta::seconds(7);
        noted.count(sender(1, None), one());
        noted.count(sender(1, None), Count::one(later));
        noted.count(sender(1, Some("a key")), one());
        assert_eq!(noted.denials.len(), 2);
        let count = noted.denials[&sender(1, None)];
        assert_eq!((count.requests, count.first_at), (2, DateTime::UNIX_EPOCH));
        assert_eq!(count.last_at, later);
        let (cause, _) = event(&sender(1, Some("a key")), count);
        assert_eq!(cause.actor.0, "a key");
    }

    #[test]
    fn of_many_addresses_those_that_send_most_are_named() {
        let mut noted = Noted::default();
        for number in 0..100 {
            noted.count(sender(number, None), one());
        }
        for _ in 0..3 {
            noted.count(sender(200, None), one());
        }
        for number in 100..200 {
            noted.count(sender(number, None), one());
        }
        let combined = Sender::from(DenialReason::Scope);
        assert_eq!(noted.denials.len(), MOST_NAMED + 1);
        assert_eq!(noted.denials[&sender(200, None)].requests, 3);
        assert_eq!(noted.denials[&combined].requests, 200 - 19);
        let (cause, event) = event(&combined, one());
        assert_eq!((cause.actor.0.as_str(), cause.source), ("anonymous", None));
        assert!(matches!(
            event,
            InstallationEvent::Denied { combined: true, .. }
        ));
    }

    #[test]
    fn sessions_of_a_key_are_one_event_for_each_address_and_hour() {
        let caller = Caller::unlimited(Actor("anna".to_owned()));
        let from = |number: u8| Cause {
            source: Some(IpAddr::from([192, 0, 2, number])),
            ..Cause::without_request(Actor("anna".to_owned()))
        };
        let mut noted = Noted::default();
        let first = DateTime::UNIX_EPOCH;
        noted.begin_hour(first + TimeDelta::minutes(1));
        assert!(noted.signed_in(&caller, from(1)));
        noted.begin_hour(first + TimeDelta::minutes(59));
        assert!(!noted.signed_in(&caller, from(1)));
        assert!(noted.signed_in(&caller, from(2)));
        // From then on, the addresses are combined.
        for number in 3..=200 {
            let is_new = noted.signed_in(&caller, from(number));
            assert_eq!(is_new, number <= 21, "{number}");
        }
        assert!(!noted.signed_in(&caller, from(2)));
        let other = Caller::unlimited(Actor("bert".to_owned()));
        assert!(noted.signed_in(&other, from(1)));
        let named = |(cause, event): &(Cause, InstallationEvent)| match event {
            InstallationEvent::SignedIn { hour, combined } => {
                assert_eq!((*hour, *combined), (first, cause.source.is_none()));
                cause.source.is_some()
            }
            other => panic!("{other:?}"),
        };
        let count = noted.due.iter().filter(|one| named(one)).count();
        assert_eq!((count, noted.due.len()), (MOST_PLACES + 1, MOST_PLACES + 2));
        noted.begin_hour(first + TimeDelta::minutes(61));
        assert!(noted.signed_in(&caller, from(1)));
    }

    #[test]
    fn a_key_is_named_however_many_addresses_it_has() {
        let mut noted = Noted::default();
        for number in 0..200 {
            noted.count(sender(number, None), one());
            noted.count(sender(number, Some("a key")), one());
        }
        let of_key = Sender {
            source: None,
            ..sender(0, Some("a key"))
        };
        assert_eq!(noted.denials[&of_key].requests, 200 - 20);
        assert_eq!(noted.denials.len(), 2 * (MOST_NAMED + 1));
        let (cause, _) = event(&of_key, one());
        assert_eq!(cause.actor.0, "a key");
    }
}
