//! A database that was restored from an older backup, while AWS is as it was at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use engine_roles_e2e::{Database, Installation, eventually};
use serde::Deserialize;
use serde_json::{Value, json};

/// An installation whose database is backed up and restored as a whole.
struct BackedUp {
    installation: Installation,
    /// A connection to another database of the same server.
    server: Database,
    name: String,
}

impl BackedUp {
    async fn start() -> Self {
        let installation = Installation::build()
            .own_postgres()
            .unpooled()
            .env("ENGINE_ROLES_RECONCILE_INTERVAL", "1s")
            .start()
            .await;
        let url = installation.database.url().to_owned();
        let (server, name) = url.rsplit_once('/').expect("the URL names a database");
        let name = name.split('?').next().unwrap_or_default().to_owned();
        let server = Database::new(format!("{server}/postgres"));
        Self {
            installation,
            server,
            name,
        }
    }

    /// Copies the whole database, as `pg_dump` does. The service is stopped meanwhile, because a copy
    /// of this kind needs a database without connections.
    async fn back_up(&mut self) {
        self.installation.replicas[0].stop().await;
        self.copy(&self.name, "backup").await;
        self.installation.restart(0).await;
    }

    /// Kills the service, replaces the database by the backup, and starts the service on it.
    async fn restore(&mut self) {
        self.installation.replicas[0].kill().await;
        self.copy("backup", &self.name).await;
        self.installation.restart(0).await;
    }

    async fn copy(&self, from: &str, to: &str) {
        let drop = format!("DROP DATABASE IF EXISTS \"{to}\" WITH (FORCE)");
        self.server.execute(&drop).await;
        let others = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{from}'"
        );
        self.server.execute(&others).await;
        let create = format!("CREATE DATABASE \"{to}\" TEMPLATE \"{from}\"");
        self.server.execute(&create).await;
    }

    /// The names of the resources that are reported as orphans.
    async fn orphans(&self) -> BTreeSet<String> {
        #[derive(Deserialize)]
        struct Row {
            name: String,
        }
        let database = &self.installation.database;
        let rows: Vec<Row> = database.rows("SELECT name FROM orphans").await;
        rows.into_iter().map(|row| row.name).collect()
    }

    /// The service's calls after a mark that remove something.
    fn removals(&self, since: u64) -> Vec<String> {
        let calls = self.installation.mutations(since).into_iter();
        let removes = ["Delete", "Remove", "Detach", "Untag"];
        let calls = calls.filter(|call| removes.iter().any(|verb| call.action.starts_with(verb)));
        calls.map(|call| call.action).collect()
    }

    /// Waits until a binding shows this kind of drift.
    async fn drifts(&self, cluster: &str, kind: &str) {
        eventually(&format!("{cluster} has drifted: {kind}"), async || {
            let binding = self.installation.client().get(cluster).await;
            let drift = binding.body["drift"].as_array().cloned()?;
            drift.iter().any(|one| one["kind"] == kind).then_some(())
        })
        .await;
    }
}

fn role_of(binding: &Value) -> String {
    let name = binding["role"]["name"].as_str();
    name.expect("the role has a name").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_older_database_removes_no_live_role_and_reports_what_it_does_not_know() {
    let mut backed_up = BackedUp::start().await;
    let client = backed_up.installation.client();
    let mut before = Vec::new();
    for cluster in ["kept", "torn-down", "made-again"] {
        before.push(role_of(client.provision(cluster).await.expect(201)));
    }
    backed_up.back_up().await;

    // What happens between the backup and its restoration.
    let client = backed_up.installation.client().waiting_longest();
    let newer = role_of(client.provision("newer").await.expect(201));
    client.delete("torn-down").await.expect(200);
    client.delete("made-again").await.expect(200);
    let again = role_of(client.provision("made-again").await.expect(201));
    let since = backed_up.installation.mark();
    backed_up.restore().await;

    // The roles that the database does not know are reported, and stay.
    let unknown: BTreeSet<String> = [newer.clone(), again.clone()].into();
    eventually("the unknown roles are reported", async || {
        (backed_up.orphans().await == unknown).then_some(())
    })
    .await;
    // The records of roles that are gone report it, when the absence is certain.
    let later = Duration::from_mins(2);
    backed_up.installation.advance(later).await;
    for cluster in ["torn-down", "made-again"] {
        backed_up.drifts(cluster, "role_deleted").await;
    }
    // More sweeps and checks, after every time that makes an absence or an orphan certain.
    for _ in 0..3 {
        let installation = &backed_up.installation;
        let last = installation.mark();
        installation.advance(Duration::from_mins(30)).await;
        installation.reached("ListRoles", last).await;
    }
    assert_eq!(backed_up.removals(since), [""; 0]);
    let installation = &backed_up.installation;
    for name in [&before[0], &newer, &again] {
        assert!(installation.role(name).is_some(), "{name}");
        assert!(installation.instance_profile(name).is_some(), "{name}");
    }
    let kept = installation.client().get("kept").await;
    assert_eq!(kept.expect(200)["state"], "active");
    assert_eq!(kept.body["drift"], json!([]));

    // An operator decides: the newer role is adopted, and the lost teardown is requested again.
    let adopted = installation.run(&["orphans", "adopt", &newer], &[]);
    assert!(adopted.status.success(), "{adopted:?}");
    let client = installation.client().waiting_longest();
    let binding = client.get("newer").await;
    assert_eq!(binding.expect(200)["state"], "active");
    assert_eq!(role_of(&binding.body), newer);
    for cluster in ["torn-down", "made-again"] {
        client.without_waiting().delete(cluster).await;
        installation.reaches_in_time(cluster, "deleted").await;
    }
    let adopted = installation.run(&["orphans", "adopt", &again], &[]);
    assert!(adopted.status.success(), "{adopted:?}");
    let binding = client.get("made-again").await;
    assert_eq!(binding.expect(200)["state"], "active");
    assert_eq!(role_of(&binding.body), again);
    assert!(installation.role(&newer).is_some() && installation.role(&again).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teardown_that_the_backup_has_in_progress_does_not_touch_a_newer_role_of_the_cluster() {
    let mut backed_up = BackedUp::start().await;
    let client = backed_up.installation.client();
    let first = role_of(client.provision("one").await.expect(201));
    let fails = json!([{
        "action": "DeleteRole", "when": "before", "do": {"error": "ServiceFailure"},
        "times": 1_000_000,
    }]);
    backed_up.installation.set_faults(fails);
    let deleting = client.without_waiting().delete("one").await;
    assert_eq!(deleting.expect(202)["state"], "deleting");
    backed_up.back_up().await;

    backed_up.installation.set_faults(json!([]));
    let client = backed_up.installation.client().waiting_longest();
    backed_up
        .installation
        .reaches_in_time("one", "deleted")
        .await;
    let second = role_of(client.provision("one").await.expect(201));
    assert_ne!(first, second);
    backed_up.restore().await;

    // The recorded teardown is of the first role, which is gone.
    backed_up
        .installation
        .reaches_in_time("one", "deleted")
        .await;
    eventually("the second role is reported", async || {
        backed_up.orphans().await.contains(&second).then_some(())
    })
    .await;
    let installation = &backed_up.installation;
    let last = installation.mark();
    installation.advance(Duration::from_mins(30)).await;
    installation.reached("ListRoles", last).await;
    assert!(installation.role(&first).is_none());
    assert!(installation.role(&second).is_some());
    assert!(installation.instance_profile(&second).is_some());
}
