//! The level of the log is changed while the service runs.

use chrono::{DateTime, Utc};
use engine_roles_e2e::installation::SERVICE_SECRET_KEY;
use engine_roles_e2e::{Answer, Client, Installation, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// The level that the tests configure.
const CONFIGURED: &str = "info,engine_roles_iam=debug";
const CHANGED: &str = "log level changed";

async fn set(client: &Client, body: Value) -> Answer {
    let request = client.request(Method::PUT, "/v1/log-level").json(&body);
    client.send(request).await
}

async fn level(client: &Client) -> Value {
    client.fetch("/v1/log-level").await.expect(200).clone()
}

/// Returns whether a line that is logged at level debug appears. A probe makes such a line.
async fn shows_debug(installation: &Installation) -> bool {
    let client = installation.client().with("x-request-id", "probe");
    let log = installation.replicas[0].log();
    let before = log.lines().len();
    client.fetch("/livez").await.expect(200);
    // A failed probe is logged at every level but `off`, and after the one before.
    let marker = installation.client().with("x-request-id", "marker");
    marker.get("nobody").await.expect(404);
    let since = eventually("the later request is logged", async || {
        let lines = log.lines().split_off(before);
        lines
            .iter()
            .any(|line| line.contains("marker"))
            .then_some(lines)
    })
    .await;
    since.iter().any(|line| line.contains("\"probe\""))
}

fn with_key(installation: &Installation, arguments: &[&str]) -> Client {
    let arguments = [&["keys", "create"], arguments].concat();
    let output = installation.run(&arguments, &[]);
    let key = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let anonymous = installation.client().anonymous();
    anonymous.with("authorization", &format!("Bearer {key}"))
}

#[tokio::test]
async fn a_level_is_changed_and_comes_back_after_its_time() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    let configured = json!({"level": CONFIGURED, "configured": CONFIGURED, "until": null});
    assert_eq!(level(&client).await, configured);
    assert!(!shows_debug(&installation).await);
    let answer = set(&client, json!({"level": "debug"})).await;
    let in_effect = json!({"level": "debug", "configured": CONFIGURED, "until": null});
    assert_eq!(*answer.expect(200), in_effect);
    assert_eq!(level(&client).await, in_effect);
    assert!(shows_debug(&installation).await);
    let log = installation.replicas[0].log().clone();
    let line = log.logged(CHANGED).await;
    assert_eq!(
        (&line["level"], &line["actor"]),
        (&json!("debug"), &json!("init"))
    );

    // The level of before comes back, which is not that of the configuration.
    let shortly = set(&client, json!({"level": "warn", "for": "1s"})).await;
    assert!(shortly.expect(200)["until"].is_string());
    eventually("the level of before is back", async || {
        (level(&client).await == in_effect).then_some(())
    })
    .await;
    log.logged("log level is again what it was before").await;
    // A later change is not ended by an earlier one's time.
    set(&client, json!({"level": "warn", "for": "10s"}))
        .await
        .expect(200);
    set(&client, json!({"level": "error", "for": "1h"}))
        .await
        .expect(200);
    set(&client, json!({"level": "info", "for": "10s"}))
        .await
        .expect(200);
    set(&client, json!({"level": CONFIGURED, "for": null}))
        .await
        .expect(200);
    eventually("both times are over", async || {
        let now = level(&client).await;
        assert_eq!(now, configured);
        let age = log.find_last(CHANGED)?["timestamp"].as_str()?.to_owned();
        let age: chrono::DateTime<chrono::Utc> = age.parse().ok()?;
        (chrono::Utc::now() - age > chrono::TimeDelta::seconds(11)).then_some(())
    })
    .await;
    let entries = log.entries();
    let ended = entries
        .iter()
        .filter(|entry| entry["message"] == "log level is again what it was before");
    assert_eq!(ended.count(), 1);
}

#[tokio::test]
async fn a_wrong_level_or_time_is_rejected_and_changes_nothing() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    for (body, field) in [
        (json!({"level": "verbose"}), "level"),
        (json!({"level": "DEBUG"}), "level"),
        (json!({"level": "info,sqlx=trace"}), "level"),
        (
            json!({"level": "aws_config::profile::credentials=trace"}),
            "level",
        ),
        (json!({"level": "engine_roles[request{id}]=trace"}), "level"),
        (json!({"level": 5}), "level"),
        (json!({}), "level"),
        (json!({"level": "debug", "for": "1d"}), "for"),
        (json!({"level": "debug", "for": 60}), "for"),
        (json!({"level": "debug", "until": "x"}), "until"),
    ] {
        let answer = set(&client, body.clone()).await;
        let problem = answer.expect_problem(400, "invalid_request");
        let errors = problem["errors"].as_array().expect("the wrong fields");
        assert_eq!(errors.len(), 1, "{body}");
        assert_eq!(errors[0]["field"], field, "{body}");
    }
    assert_eq!(level(&client).await["level"], CONFIGURED);
    assert!(installation.replicas[0].log().find(CHANGED).is_none());
}

#[tokio::test]
async fn a_change_needs_the_scope_provision_and_a_key_for_all_clusters() {
    let installation = Installation::build().rarely_checked().start().await;
    let debug = json!({"level": "debug"});
    let stranger = installation.client().anonymous();
    set(&stranger, debug.clone())
        .await
        .expect_problem(401, "unauthenticated");
    let reader = with_key(&installation, &["reader", "--scopes", "read,audit"]);
    set(&reader, debug.clone())
        .await
        .expect_problem(403, "forbidden");
    assert_eq!(level(&reader).await["level"], CONFIGURED);
    let limited = with_key(&installation, &["limited", "--cluster-prefix", "team-"]);
    set(&limited, debug.clone())
        .await
        .expect_problem(403, "forbidden");
    let manager = with_key(&installation, &["manager"]);
    set(&manager, debug).await.expect(200);
    let line = installation.replicas[0].log().logged(CHANGED).await;
    assert_eq!(line["actor"], "manager");
}

#[tokio::test]
async fn sigusr1_switches_to_debug_and_back() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    for expected in ["debug", CONFIGURED, "debug"] {
        installation.replicas[0].toggle_debug();
        eventually(&format!("the level is {expected}"), async || {
            (level(&client).await["level"] == expected).then_some(())
        })
        .await;
        assert_eq!(shows_debug(&installation).await, expected == "debug");
    }
    let line = installation.replicas[0].log().logged(CHANGED).await;
    assert_eq!(line["actor"], "SIGUSR1");
}

#[tokio::test]
async fn the_command_shows_and_changes_the_level() {
    let installation = Installation::build().rarely_checked().start().await;
    let address = format!("http://{}", installation.replicas[0].address());
    let run = |arguments: &[&str]| {
        let connection = ["--addr", &address, "--api-key", installation.key()];
        let output = installation.run(&[&["log-level"], arguments, &connection].concat(), &[]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, shown, _) = run(&["--output", "json"]);
    assert_eq!(code, Some(0));
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["level"], CONFIGURED);
    let (code, shown, _) = run(&["DEBUG", "--for", "10m"]);
    assert_eq!(code, Some(0));
    assert!(shown.starts_with("log level   debug\n"), "{shown}");
    assert_eq!(level(&installation.client()).await["level"], "debug");
    // The same durations as those of the settings.
    for (time, seconds) in [
        ("1d", 86_400),
        ("23h 59m 59s", 86_399),
        ("90s", 90),
        ("1h30m", 5_400),
    ] {
        let before = Utc::now();
        let (code, shown, printed) = run(&["info", "--for", time, "--output", "json"]);
        assert_eq!(code, Some(0), "{time}: {printed}");
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let until: DateTime<Utc> = shown["until"]
            .as_str()
            .expect("a time")
            .parse()
            .expect("a time");
        let lasts = (until - before).num_seconds();
        assert!((seconds..seconds + 60).contains(&lasts), "{time}: {lasts}");
    }
    for (time, rule) in [
        ("25h", "must be from 1s to 1d"),
        ("0s", "must be from 1s to 1d"),
        ("5", "must be a duration such as"),
        ("soon", "must be a duration such as"),
    ] {
        let (code, _, printed) = run(&["info", "--for", time]);
        assert_eq!(code, Some(2), "{time}");
        assert!(printed.contains(rule), "{time}: {printed}");
    }
    let (code, _, printed) = run(&["loud"]);
    assert_ne!(code, Some(0));
    assert!(
        printed.contains("level") && printed.contains("must be off, error"),
        "{printed}"
    );
}

#[tokio::test]
async fn changes_are_logged_at_every_level_and_no_level_shows_a_secret() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    set(&client, json!({"level": "off"})).await.expect(200);
    client.get("silent").await.expect(404);
    let everything = "trace,engine_roles=trace";
    set(&client, json!({"level": everything})).await.expect(200);
    client.provision("one").await.expect(201);
    client.delete("one").await.expect(200);
    let log = installation.replicas[0].log().clone();
    let text = eventually("everything is logged", async || {
        let text = log.text();
        (text.contains("TRACE") && text.contains("outcome recorded")).then_some(text)
    })
    .await;
    let entries = log.entries();
    let changes = entries.iter().filter(|entry| entry["message"] == CHANGED);
    let levels: Vec<&Value> = changes.map(|entry| &entry["level"]).collect();
    assert_eq!(levels, ["off", everything]);
    assert!(!text.contains("silent"));
    for secret in [installation.key(), SERVICE_SECRET_KEY] {
        assert!(!text.contains(secret), "{secret} was logged");
    }
}
