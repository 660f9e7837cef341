//! Constructs the parts of the application, and lists its background tasks.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use engine_roles_iam::Iam;
use engine_roles_store::Store;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit_log::{Checkpoints, Extender, LastState, Proofs};
use crate::aws::{AccountQuota, CapabilityDetector, Gateway, OptionalFeatures, OtherAccounts};
use crate::convergence::Converger;
use crate::heartbeat::Heartbeat;
use crate::requests::access::ReadAccess;
use crate::requests::attestation::Attestor;
use crate::requests::follow::Follower;
use crate::requests::orphans::ResolveOrphans;
use crate::requests::plan::PlanRequest;
use crate::requests::provision::Provision;
use crate::requests::read::ReadRecords;
use crate::requests::record::Recorder;
use crate::requests::teardown::TearDown;
use crate::requests::verdicts::Verdicts;
use crate::settings::Settings;
use crate::tasks::{
    AddCountChanges, AttestPreparedRoles, ConfirmAccount, CountOtherAccounts, DetectCapabilities,
    ExtendAuditTree, FirstRun, LastReadiness, Liveness, MaintainAudit, ReadCounts, ReadQuota,
    ReadReadiness, ReceiveNotifications, Reconcile, Registration, SequenceAudit, SweepDrift,
    SweepOrphans, SweepTurns,
};
use crate::waiting::Waiting;

/// How often the changes of the counts of bindings are added to the counts. Until then, a reader of
/// the counts adds them up.
const COUNTS_INTERVAL: Duration = Duration::from_secs(30);
/// How often the database's readiness is read; four times within the age up to which a reading counts.
const READINESS_INTERVAL: Duration = Duration::from_millis(500);
/// How often bindings are counted for the metrics.
const COUNTS_READING_INTERVAL: Duration = Duration::from_secs(10);
/// The heartbeat is raised at least once in this time, so that it stays fresh.
const SLOWEST_HEARTBEAT: Duration = Duration::from_secs(1);
const FASTEST_HEARTBEAT: Duration = Duration::from_millis(10);
/// How often a task that the heartbeat wakes runs without it; often enough for the reconciler to count
/// as alive.
const RARELY: Duration = Duration::from_secs(45);
/// An account task runs once per this many heartbeats.
const HEARTBEATS_PER_RUN: u32 = 60;
/// The task that maintains the audit log asks once per this many heartbeats whether it is due.
const HEARTBEATS_PER_AUDIT_RUN: u32 = 60;

/// The parts of the provisioner; each holds only what it needs.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) settings: Settings,
    pub(crate) optional: Arc<OptionalFeatures>,
    pub(crate) other_accounts: Arc<OtherAccounts>,
    pub(crate) quota: Arc<AccountQuota>,
    pub(crate) detector: Arc<CapabilityDetector>,
    pub(crate) attestor: Arc<Attestor>,
    pub(crate) converger: Arc<Converger>,
    pub(crate) liveness: Arc<Liveness>,
    pub(crate) readiness: Arc<LastReadiness>,
    pub(crate) audit_log: Arc<LastState>,
    pub(crate) proofs: Proofs,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) provision: Provision,
    pub(crate) teardown: TearDown,
    pub(crate) plan: PlanRequest,
    pub(crate) access: ReadAccess,
    pub(crate) records: ReadRecords,
    pub(crate) orphans: ResolveOrphans,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the service is about to stop.
    pub(crate) stop_announced: CancellationToken,
    /// Cancelled when the service stops.
    pub(crate) stop: CancellationToken,
}

impl Parts {
    /// Constructs every part from the parts that it needs. Starts nothing.
    pub(crate) fn assemble(store: Store, iam: Iam, settings: Settings) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let defaults = Arc::new(settings.defaults.clone());
        let gateway = Arc::new(Gateway::new(
            iam,
            store.clone(),
            settings.call_limits,
            settings.scope.clone(),
        ));
        let optional = Arc::new(OptionalFeatures::default());
        let quota = Arc::new(AccountQuota::new(
            Arc::clone(&gateway),
            Arc::clone(&optional),
        ));
        let other_accounts = Arc::new(OtherAccounts::new(store.clone()));
        let waiting = Arc::new(Waiting::new(stop.clone()));
        let attestor = Arc::new(Attestor {
            store: store.clone(),
            gateway: Arc::clone(&gateway),
            defaults: Arc::clone(&defaults),
            mode: settings.attestation,
            freshness: settings.reconcile_interval * 2,
            next_reads: std::sync::Mutex::default(),
            seen: std::sync::Mutex::default(),
            verdicts: Verdicts::default(),
        });
        let converger = Arc::new(Converger {
            store: store.clone(),
            gateway: Arc::clone(&gateway),
            quota: Arc::clone(&quota),
            waiting: Arc::clone(&waiting),
            drift: settings.drift,
            check_interval: settings.reconcile_interval,
            stop: stop.clone(),
        });
        let recorder = Arc::new(Recorder::new(Arc::clone(&converger), tasks.clone()));
        let follower = Follower::new(store.clone(), Arc::clone(&waiting), recorder);
        let follower = Arc::new(follower);
        let heartbeat = heartbeat(&store, &gateway, &settings);
        Self {
            provision: Provision {
                store: store.clone(),
                gateway: Arc::clone(&gateway),
                quota: Arc::clone(&quota),
                other_accounts: Arc::clone(&other_accounts),
                attestor: Arc::clone(&attestor),
                follower: Arc::clone(&follower),
                defaults: Arc::clone(&defaults),
            },
            teardown: TearDown {
                store: store.clone(),
                gateway: Arc::clone(&gateway),
                follower,
            },
            plan: PlanRequest {
                store: store.clone(),
                gateway: Arc::clone(&gateway),
                attestor: Arc::clone(&attestor),
                defaults: Arc::clone(&defaults),
            },
            access: ReadAccess {
                store: store.clone(),
                gateway: Arc::clone(&gateway),
            },
            records: ReadRecords {
                store: store.clone(),
                waiting,
                audit_head: Arc::clone(&heartbeat.audit_head),
            },
            orphans: ResolveOrphans {
                store: store.clone(),
                gateway: Arc::clone(&gateway),
                converger: Arc::clone(&converger),
                defaults: Arc::clone(&defaults),
            },
            detector: Arc::new(CapabilityDetector::new(
                store.clone(),
                Arc::clone(&gateway),
                defaults,
                settings.probes,
            )),
            proofs: Proofs {
                store: store.clone(),
                signing: settings.audit_signing.clone(),
            },
            store,
            gateway,
            settings,
            optional,
            other_accounts,
            quota,
            attestor,
            converger,
            liveness: Arc::default(),
            readiness: Arc::default(),
            audit_log: Arc::default(),
            heartbeat,
            tasks,
            stop_announced: CancellationToken::new(),
            stop,
        }
    }

    /// Returns the tasks that read the database for `/readyz` and `/metrics`.
    pub(crate) fn readings(&self) -> Vec<Registration> {
        let readiness = ReadReadiness {
            store: self.store.clone(),
            last: Arc::clone(&self.readiness),
            stop: self.stop.clone(),
        };
        let counts = ReadCounts {
            store: self.store.clone(),
            stop: self.stop.clone(),
        };
        vec![
            Registration::every(READINESS_INTERVAL, readiness),
            Registration::every(COUNTS_READING_INTERVAL, counts),
        ]
    }

    /// Returns all background tasks, each with its interval and its wake-up signal.
    pub(crate) fn tasks(&self) -> Vec<Registration> {
        let settings = &self.settings;
        let store = || self.store.clone();
        let gateway = || Arc::clone(&self.gateway);
        let account_interval = settings
            .reconcile_interval
            .min(heartbeat_interval(settings) * HEARTBEATS_PER_RUN);
        let work_due = &self.heartbeat.work_due;
        let turns = Arc::new(SweepTurns {
            store: store(),
            other_accounts: Arc::clone(&self.other_accounts),
        });
        let reconcile = Reconcile {
            store: store(),
            converger: Arc::clone(&self.converger),
            liveness: Arc::clone(&self.liveness),
            slots: Arc::new(Semaphore::new(settings.reconcile_slots)),
            tasks: self.tasks.clone(),
        };
        let notifications = ReceiveNotifications {
            store: store(),
            work_left: Arc::clone(work_due),
            stop: self.stop.clone(),
        };
        let confirm_account = ConfirmAccount {
            gateway: gateway(),
            other_accounts: Arc::clone(&self.other_accounts),
            attempts: 0.into(),
            last: tokio::sync::Mutex::default(),
        };
        let capabilities = DetectCapabilities {
            gateway: gateway(),
            detector: Arc::clone(&self.detector),
        };
        let count_other_accounts = CountOtherAccounts {
            gateway: gateway(),
            other_accounts: Arc::clone(&self.other_accounts),
        };
        let quota = ReadQuota {
            gateway: gateway(),
            quota: Arc::clone(&self.quota),
            other_accounts: Arc::clone(&self.other_accounts),
            first_run: FirstRun::default(),
        };
        let attestation = AttestPreparedRoles {
            gateway: gateway(),
            attestor: Arc::clone(&self.attestor),
            turns: Arc::clone(&turns),
            interval: settings.reconcile_interval,
            first_run: FirstRun::default(),
            stop: self.stop.clone(),
        };
        let drift = SweepDrift {
            store: store(),
            gateway: gateway(),
            optional: Arc::clone(&self.optional),
            turns: Arc::clone(&turns),
            mode: settings.drift,
            check_interval: settings.reconcile_interval,
            stop: self.stop.clone(),
        };
        let orphans = SweepOrphans {
            store: store(),
            gateway: gateway(),
            optional: Arc::clone(&self.optional),
            turns,
            mode: settings.orphans,
            interval: settings.reconcile_interval,
        };
        let mut tasks = vec![
            Registration::every(RARELY, reconcile)
                .woken_by(Arc::clone(work_due))
                .completed(),
            Registration::every(self.heartbeat.interval, notifications),
            Registration::every(COUNTS_INTERVAL, AddCountChanges { store: store() }),
            Registration::every(account_interval, confirm_account),
            Registration::every(account_interval, capabilities),
            Registration::every(account_interval, count_other_accounts),
            Registration::every(AccountQuota::READ_INTERVAL, quota),
            Registration::every(account_interval, attestation),
            Registration::every(account_interval, drift),
            Registration::every(account_interval, orphans),
        ];
        tasks.extend(self.audit_tasks());
        tasks
    }

    /// Returns the tasks of the audit log.
    fn audit_tasks(&self) -> [Registration; 3] {
        let (settings, store) = (&self.settings, || self.store.clone());
        let events_pending = &self.heartbeat.events_pending;
        let maintain_audit = MaintainAudit {
            store: store(),
            retention: settings.audit_retention,
        };
        let tree_due = &self.heartbeat.tree_due;
        let sequence_audit = SequenceAudit {
            store: store(),
            tree_due: Arc::clone(tree_due),
            state: Arc::clone(&self.audit_log),
        };
        let signing = settings.audit_signing.clone();
        let extend_audit_tree = ExtendAuditTree {
            extender: Extender { store: store() },
            checkpoints: signing.map(|signing| Checkpoints::new(store(), signing)),
            state: Arc::clone(&self.audit_log),
        };
        let audit_interval = self.heartbeat.interval * HEARTBEATS_PER_AUDIT_RUN;
        [
            Registration::every(RARELY, sequence_audit).woken_by(Arc::clone(events_pending)),
            Registration::every(RARELY, extend_audit_tree).woken_by(Arc::clone(tree_due)),
            Registration::every(audit_interval, maintain_audit),
        ]
    }
}

fn heartbeat(store: &Store, gateway: &Gateway, settings: &Settings) -> Heartbeat {
    Heartbeat {
        store: store.clone(),
        call_timeout: gateway.call_timeout(),
        interval: heartbeat_interval(settings),
        work_due: Arc::default(),
        events_pending: Arc::default(),
        tree_due: Arc::default(),
        audit_head: Arc::default(),
        keys_seen: Arc::default(),
        running: OnceLock::new(),
    }
}

/// Returns how often the heartbeat is raised and the database is asked for due work.
fn heartbeat_interval(settings: &Settings) -> Duration {
    let wanted = settings.poll_interval;
    wanted.clamp(FASTEST_HEARTBEAT, SLOWEST_HEARTBEAT)
}
