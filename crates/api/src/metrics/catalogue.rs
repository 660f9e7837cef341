//! Every metric of the service: its type, and what it means.
//!
//! The texts are the `HELP` lines of `/metrics`. A test compares the names with those that the code records
//! and with the table in `docs/operations.md`.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricType {
    /// A number that only grows, until the process ends.
    Counter,
    /// A number that grows and shrinks.
    Gauge,
    /// How many of the recorded values are at most as large as each of some limits.
    Histogram(&'static [f64]),
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name, without the suffixes of a histogram.
    pub name: &'static str,
    /// The type.
    pub kind: MetricType,
    /// What the metric means, in one sentence.
    pub help: &'static str,
}

/// The limits for calls to AWS, in seconds. A call of IAM takes some tens of milliseconds.
const CALLS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// The limits for requests and for work on a binding, in seconds. A caller may wait for minutes.
const REQUESTS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];
/// The limits for the wait for a connection to the database, in seconds.
const WAITS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0];

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        kind: MetricType::Counter,
        help,
    }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        kind: MetricType::Gauge,
        help,
    }
}

const fn histogram(name: &'static str, limits: &'static [f64], help: &'static str) -> Metric {
    Metric {
        name,
        kind: MetricType::Histogram(limits),
        help,
    }
}

/// All metrics, without those of the process (`process_…`).
pub const METRICS: &[Metric] = &[
    gauge(
        "engine_roles_build_info",
        "1, with the version of the service.",
    ),
    gauge(
        "engine_roles_readiness",
        "1 for the status of /readyz, 0 for the others.",
    ),
    counter(
        "engine_roles_http_requests_total",
        "Answered HTTP requests.",
    ),
    histogram(
        "engine_roles_http_request_seconds",
        REQUESTS,
        "How long requests took, including the time for which a caller waits for the work.",
    ),
    counter(
        "engine_roles_denied_requests_total",
        "Requests that were not accepted.",
    ),
    counter(
        "engine_roles_tls_handshakes_total",
        "TLS handshakes by their outcome.",
    ),
    counter(
        "engine_roles_tls_reload_failures_total",
        "New contents of the files of TLS that could not be used.",
    ),
    gauge(
        "engine_roles_tls_certificate_expires_seconds",
        "When the certificate in use expires, in seconds since 1970.",
    ),
    counter(
        "engine_roles_iam_calls_total",
        "Calls to IAM and STS by their outcome.",
    ),
    counter(
        "engine_roles_iam_denied_total",
        "Calls that AWS denied, by the layer that denied them.",
    ),
    histogram(
        "engine_roles_iam_call_seconds",
        CALLS,
        "How long calls to IAM and STS took, without the wait for the call budget.",
    ),
    gauge(
        "engine_roles_aws_state",
        "1 for what the recent calls to AWS show, 0 for the other states.",
    ),
    gauge(
        "engine_roles_aws_last_success_timestamp_seconds",
        "When AWS last answered a call with success, in seconds since 1970.",
    ),
    counter(
        "engine_roles_budget_waits_total",
        "Callers that had to wait for the refill of the call budget.",
    ),
    gauge(
        "engine_roles_account_roles",
        "IAM roles in the account, of all owners.",
    ),
    gauge(
        "engine_roles_account_role_quota",
        "The account's quota of IAM roles.",
    ),
    gauge(
        "engine_roles_account_instance_profiles",
        "Instance profiles in the account, of all owners.",
    ),
    gauge(
        "engine_roles_account_instance_profile_quota",
        "The account's quota of instance profiles.",
    ),
    gauge(
        "engine_roles_bindings",
        "Bindings of the installation by state, tombstones included.",
    ),
    histogram(
        "engine_roles_converge_seconds",
        REQUESTS,
        "How long a worker had a binding, from its lease to its last record.",
    ),
    gauge(
        "engine_roles_oldest_due_work_seconds",
        "For how long the oldest due binding that nobody works on has been due; 0 if there is none.",
    ),
    gauge(
        "engine_roles_reconciler_last_run_timestamp_seconds",
        "When the reconciler last looked for due bindings, in seconds since 1970.",
    ),
    counter(
        "engine_roles_leases_lost_total",
        "Leases that this replica's workers have lost.",
    ),
    counter(
        "engine_roles_events_total",
        "Events of the audit log that workers of this replica wrote.",
    ),
    counter(
        "engine_roles_drift_found_total",
        "Drift that this replica has found.",
    ),
    gauge(
        "engine_roles_orphans",
        "Resources that no live binding accounts for.",
    ),
    gauge(
        "engine_roles_pass_through_roles",
        "Listed pass-through roles by their verdict.",
    ),
    gauge(
        "engine_roles_replicas",
        "Live replicas of the installation, as this replica sees them.",
    ),
    counter(
        "engine_roles_replicas_declared_dead_total",
        "Replicas that this replica has declared dead.",
    ),
    counter(
        "engine_roles_heartbeat_failures_total",
        "Heartbeats of this replica that the database did not acknowledge.",
    ),
    gauge(
        "engine_roles_database_connections",
        "Open connections of the pool by their use.",
    ),
    gauge(
        "engine_roles_database_connections_max",
        "The most connections that the pool may open.",
    ),
    histogram(
        "engine_roles_database_connection_wait_seconds",
        WAITS,
        "How long statements waited for a connection of the pool.",
    ),
    counter(
        "engine_roles_database_errors_total",
        "Statements that failed, by the kind of failure.",
    ),
    gauge(
        "engine_roles_audit_head",
        "The greatest number of the audit log.",
    ),
    gauge(
        "engine_roles_audit_oldest_pending_seconds",
        "For how long the oldest event without a number has waited for it; 0 if there is none.",
    ),
    gauge(
        "engine_roles_audit_tree_size",
        "Events in the tree over the audit log.",
    ),
    gauge(
        "engine_roles_audit_checkpoint_size",
        "Events in the last checkpoint that this replica signed.",
    ),
    gauge(
        "engine_roles_audit_checkpoint_timestamp_seconds",
        "When this replica last signed a checkpoint, in seconds since 1970.",
    ),
    gauge(
        "engine_roles_audit_log_broken",
        "1 while tree, log and checkpoints contradict each other, 0 otherwise.",
    ),
];

/// Registers the texts of all metrics with the recorder of the process.
pub(crate) fn describe() {
    for metric in METRICS {
        let unit = if metric.name.ends_with("_seconds") {
            Unit::Seconds
        } else {
            Unit::Count
        };
        match metric.kind {
            MetricType::Counter => describe_counter!(metric.name, unit, metric.help),
            MetricType::Gauge => describe_gauge!(metric.name, unit, metric.help),
            MetricType::Histogram(_) => describe_histogram!(metric.name, unit, metric.help),
        }
    }
}
