//! The measurements run, in a small version, and the commands that the documentation shows exist.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use engine_roles_e2e::binary::service_binary;
use engine_roles_e2e::measuring::{Crash, Load, Siege, hostile, idle, recovery, throughput};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recovery_of_teardowns_is_measured_from_the_restart() {
    let crash = Crash {
        clusters: 2,
        latency: Duration::from_millis(600),
        environment: [
            ("ENGINE_ROLES_LEASE", "8s"),
            ("ENGINE_ROLES_CALL_TIMEOUT", "2s"),
            ("ENGINE_ROLES_CONSISTENCY_WINDOW", "4s"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
    };
    let found = recovery(&service_binary(), &crash).await;
    // The new process has to send at least the calls of the second stage, then those of the third.
    assert!(found.grants_removed >= 0.6, "{found:?}");
    assert!(found.teardowns_done > found.grants_removed, "{found:?}");
    assert_eq!(found.settings["ENGINE_ROLES_LEASE"], "8s");
    assert_eq!(found.settings["ENGINE_ROLES_CALL_TIMEOUT"], "2s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_throughput_is_measured_for_each_number_of_callers() {
    for has_log in [true, false] {
        let load = Load {
            callers: vec![1, 4],
            length: Duration::from_secs(1),
            latency: Duration::from_millis(20),
            has_log,
        };
        let levels = throughput(&service_binary(), &load).await;
        let callers: Vec<usize> = levels.iter().map(|level| level.callers).collect();
        assert_eq!(callers, load.callers);
        for level in levels {
            assert_eq!(level.failed, BTreeMap::new(), "{level:?}");
            assert!(level.puts_per_second > 0.0, "{level:?}");
            // A PUT takes two stages of calls.
            assert!(
                level.p50_ms >= 40.0 && level.p99_ms >= level.p50_ms,
                "{level:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_measured_without_and_with_slow_clients() {
    let siege = Siege {
        slow_clients: 30,
        rounds: 2,
        requests: 3,
        latency: Duration::from_millis(20),
        environment: Vec::new(),
    };
    let found = hostile(&service_binary(), &siege).await;
    assert_eq!(found.rounds.len(), 2);
    for round in &found.rounds {
        assert!(round.slow_connections >= 30, "{round:?}");
        for half in [round.without, round.with] {
            // A PUT takes two stages of calls.
            assert!(half.put_ms >= 40.0 && half.get_ms > 0.0, "{round:?}");
        }
    }
    assert!(
        found.get_factor > 0.0 && found.put_factor > 0.0,
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transactions_of_an_idle_replica_are_counted() {
    let found = idle(&service_binary(), Duration::from_secs(5)).await;
    assert!(found.seconds >= 5.0, "{found:?}");
    let rate = found.transactions_per_second;
    assert!(rate > 0.0 && rate < 5.0, "{found:?}");
}

/// Returns the arguments of each command in a page that runs a program of this package, with the
/// program's name.
fn documented_commands(page: &str) -> Vec<(String, Vec<String>)> {
    // In backticks, or a line of a block.
    let spans = page.split(['`', '\n']);
    let commands = spans.filter_map(|span| {
        let rest = span.strip_prefix("cargo run -p engine-roles-e2e --bin ")?;
        let mut words = rest.split_whitespace().map(str::to_owned);
        let program = words.next()?;
        Some((program, words.skip_while(|word| word == "--").collect()))
    });
    commands.collect()
}

#[test]
fn the_programs_accept_the_arguments_that_the_documentation_shows() {
    let programs = BTreeMap::from([
        (
            "engine-roles-chaos",
            env!("CARGO_BIN_EXE_engine-roles-chaos"),
        ),
        (
            "engine-roles-make-dump",
            env!("CARGO_BIN_EXE_engine-roles-make-dump"),
        ),
        (
            "engine-roles-measure",
            env!("CARGO_BIN_EXE_engine-roles-measure"),
        ),
    ]);
    let mut commands = documented_commands(include_str!("../../../docs/development.md"));
    let of_performance = documented_commands(include_str!("../../../docs/performance.md"));
    assert_eq!(of_performance.len(), 5, "{of_performance:?}");
    commands.extend(of_performance);
    let shown: Vec<&str> = commands
        .iter()
        .filter_map(|(_, words)| words.first())
        .map(String::as_str)
        .collect();
    for measurement in ["recovery", "throughput", "hostile", "idle", "round-trips"] {
        assert!(shown.contains(&measurement), "{measurement}: {shown:?}");
    }
    for (program, arguments) in commands {
        let path = programs.get(program.as_str());
        let path = path.unwrap_or_else(|| panic!("no program {program}"));
        // With --help, a program checks the arguments before it and ends.
        let output = Command::new(path).args(&arguments).arg("--help").output();
        let output = output.expect("the program can be run");
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {output:?}"
        );
    }
}
