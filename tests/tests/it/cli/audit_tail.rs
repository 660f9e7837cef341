//! The command `audit tail`.

use std::process::{Child, Stdio};

use engine_roles_e2e::log::Log;
use engine_roles_e2e::{Installation, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::program::{engine_roles, operate};

/// A tail that runs. Dropping this value kills the process.
pub(super) struct Tail {
    child: Child,
    output: Log,
    errors: Log,
}

impl Tail {
    pub(super) fn start(installation: &Installation, arguments: &[&str]) -> Self {
        let arguments = [&["audit", "tail"], arguments].concat();
        let mut command = engine_roles(installation, &arguments);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be run");
        Self {
            output: Log::follow(child.stdout.take().expect("stdout is piped")),
            errors: Log::follow(child.stderr.take().expect("stderr is piped")),
            child,
        }
    }

    /// Waits for a line that contains these words.
    pub(super) async fn shows(&self, words: &str) -> String {
        eventually(&format!("the tail shows {words}"), async || {
            let mut lines = self.output.lines().into_iter();
            lines.find(|line| line.contains(words))
        })
        .await
    }

    /// Presses Ctrl-C, and returns the exit code, the output and the errors.
    pub(super) async fn interrupted(mut self) -> (Option<i32>, Vec<String>, Vec<String>) {
        let pid = i32::try_from(self.child.id()).expect("process ids are small");
        let pid = Pid::from_raw(pid).expect("process ids are not 0");
        kill_process(pid, Signal::INT).expect("the process runs");
        let status = eventually("the tail ends", async || {
            let status = self.child.try_wait().expect("the process is our child");
            status.filter(|_| self.output.has_ended() && self.errors.has_ended())
        })
        .await;
        (status.code(), self.output.lines(), self.errors.lines())
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn seqs(lines: &[String]) -> Vec<i64> {
    let seq = |line: &String| {
        let event: Value = serde_json::from_str(line).expect("each line is JSON");
        event["seq"].as_i64().expect("an event")
    };
    lines.iter().map(seq).collect()
}

#[tokio::test]
async fn a_tail_shows_new_events_once_and_in_order_and_ends_cleanly_on_ctrl_c() {
    let mut installation = Installation::start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let tail = Tail::start(&installation, &["--output=json"]);
    tail.shows("\"provisioned\"").await;
    client.provision("two").await.expect(201);
    tail.shows("\"cluster\":\"two\"").await;
    installation.events_are_numbered().await;
    let selected = Tail::start(&installation, &["--cluster=two", "-n1"]);
    selected.shows("  provisioned ").await;

    // The address stays, so that the tail finds the service again.
    let address = installation.replicas[0].address().to_string();
    installation.set_env("ENGINE_ROLES_LISTEN", &address);
    installation.replicas[0].kill().await;
    installation.restart(0).await;
    let client = installation.client();
    client.delete("one").await.expect(200);
    client.delete("two").await.expect(200);
    tail.shows("\"torn_down\"").await;
    selected.shows("torn_down").await;
    let last = installation.client().audit("limit=1000").await;
    let all = last.expect(200)["items"].as_array().map_or(0, Vec::len);
    eventually("the tail shows all events", async || {
        (tail.output.lines().len() == all).then_some(())
    })
    .await;

    let (code, lines, errors) = tail.interrupted().await;
    assert_eq!(code, Some(0), "{errors:?}");
    let expected: Vec<i64> = (1..).take(all).collect();
    assert_eq!(seqs(&lines), expected);
    assert_eq!(
        errors.len(),
        1,
        "one line about the lost connection: {errors:?}"
    );
    let (code, lines, _) = selected.interrupted().await;
    assert_eq!((code, lines.len()), (Some(0), 3), "{lines:?}");
    let last = "  torn_down            two  deleting -> deleted  by ";
    assert!(lines[2].contains(last), "{lines:?}");
}

#[tokio::test]
async fn a_tail_begins_with_the_last_events_or_with_all_since_a_time() {
    let installation = Installation::start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    client.provision("two").await.expect(201);
    client.delete("one").await.expect(200);
    let more = "INSERT INTO audit_pending
            (id, at, namespace, cluster, binding_id, generation, action, actor, to_state, detail)
        SELECT gen_random_uuid(), service_now(), b.namespace, b.cluster, b.id, 1, 'updated', 'test',
               'active', '{}'
        FROM bindings b, generate_series(1, 1300)
        WHERE b.cluster = 'two'";
    installation.database.execute(more).await;
    installation.database.without_log_reads().await;
    installation.events_are_numbered().await;
    let shown = async |arguments: &[&str]| {
        let tail = ["audit", "tail", "--no-follow", "--output=json"];
        let ran = operate(&installation, &[&tail, arguments].concat()).await;
        let lines: Vec<String> = ran.expect(0).lines().map(str::to_owned).collect();
        seqs(&lines)
    };
    let head = shown(&["-n1"]).await[0];
    assert!(head > 1_300, "{head}");
    assert_eq!(shown(&[]).await, (head - 9..=head).collect::<Vec<_>>());
    assert_eq!(
        shown(&["-n", "1200"]).await,
        (head - 1_199..=head).collect::<Vec<_>>()
    );
    assert_eq!(shown(&["-n0"]).await, [0; 0]);
    // The last events of a cluster are far from the head of the log.
    let of_one = shown(&["--cluster=one", "-n2"]).await;
    assert!(of_one.len() == 2 && of_one[1] < 20, "{of_one:?}");
    let since = shown(&["--since=1h"]).await;
    assert_eq!(since, (1..=head).collect::<Vec<_>>());
    assert_eq!(shown(&["--since=1h", "-n3", "--actor=test"]).await.len(), 3);
    assert_eq!(shown(&["--since=2999-01-01T00:00:00Z"]).await, [0; 0]);
    let wrong = operate(&installation, &["audit", "tail", "--action=lost"]).await;
    wrong.expect(1);
    assert!(wrong.stderr.contains("wrong field: action"), "{wrong:#?}");
}

#[tokio::test]
async fn a_tail_whose_reader_has_ended_ends_cleanly() {
    let installation = Installation::start().await;
    installation.client().provision("one").await.expect(201);
    let mut command = engine_roles(&installation, &["audit", "tail"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary can be run");
    drop(child.stdout.take());
    let errors = Log::follow(child.stderr.take().expect("stderr is piped"));
    let status = eventually("the tail ends", async || {
        let status = child.try_wait().expect("the process is our child");
        status.filter(|_| errors.has_ended())
    })
    .await;
    assert_eq!((status.code(), errors.lines()), (Some(0), vec![]));
}
