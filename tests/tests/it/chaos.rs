//! One minute of the randomized test. To run it longer or with other seeds:
//! `cargo run -p engine-roles-e2e --bin engine-roles-chaos -- --seed N --minutes N`.

use std::time::Duration;

use engine_roles_e2e::chaos::{Options, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_minute_of_chaos_nothing_is_lost() {
    let report = run(Options {
        seed: 3,
        length: Duration::from_mins(1),
        replicas: 2,
        verbose: false,
    })
    .await;
    assert!(
        report.breaches.is_empty(),
        "{}\n{}\n{:#?}",
        report.journal.join("\n"),
        report.details.join("\n"),
        report.breaches
    );
    for deed in ["PUT", "DELETE", "kill -9", "faults", "clocks"] {
        assert!(
            report.counts.contains_key(deed),
            "no {deed}: {:?}",
            report.counts
        );
    }
}
