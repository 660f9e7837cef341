//! What the commands show.

use engine_roles_e2e::{Installation, eventually};
use serde_json::{Value, json};

use super::program::{Ran, alone, engine_roles, environment, operate, run};

#[tokio::test]
async fn a_role_is_provisioned_changed_shown_and_torn_down() {
    let installation = Installation::start().await;
    let arguments = "role put one --mode create --secret a --secret b --tag team=x \
                     --session-manager true --region us-west-2 --role-prefix td-";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let created = operate(&installation, &arguments).await;
    created.expect(0);
    assert_eq!(created.member("state"), "active");
    assert_eq!(created.member("secrets"), "a, b");
    assert_eq!(created.member("session manager"), "yes");
    assert_eq!(created.member("tags"), "team=x");
    assert!(
        created.member("role").starts_with("td-one-"),
        "{created:#?}"
    );
    assert_eq!(created.stderr, "");

    let tag = created.member("etag");
    let changed = ["role", "put", "one", "--all-secrets", "--if-match", tag];
    let changed = operate(&installation, &changed).await;
    changed.expect(0);
    assert_eq!(changed.member("secrets"), "all");
    assert_eq!(changed.member("generation"), "2 (applied)");
    let outdated = operate(&installation, &["role", "delete", "one", "--if-match", tag]).await;
    outdated.expect(1);
    assert!(
        outdated.stderr.contains("precondition_failed"),
        "{outdated:#?}"
    );
    let not_new = operate(&installation, &["role", "put", "one", "--if-new"]).await;
    not_new.expect(1);
    assert!(
        not_new.stderr.contains("precondition_failed"),
        "{not_new:#?}"
    );

    let gone = operate(&installation, &["role", "delete", "one", "--if-match", "*"]).await;
    gone.expect(0);
    assert_eq!(gone.member("state"), "deleted");
    assert!(gone.member("removed").contains("td-one-"), "{gone:#?}");
    let shown = operate(&installation, &["role", "get", "one"]).await;
    shown.expect(0);
    assert_eq!(shown.member("access ended"), gone.member("access ended"));
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_body_of_a_put_can_come_from_a_file_or_standard_input_and_a_shown_spec_changes_nothing()
{
    let installation = Installation::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("body.json");
    std::fs::write(&file, r#"{"secrets": ["a"], "tags": {}}"#).expect("written");
    let file = file.to_str().expect("a path");
    let put = ["role", "put", "one", "--output", "json", "--file"];
    let created = operate(&installation, &[&put[..], &[file]].concat()).await;
    let created = created.expect_json(0);
    assert_eq!(created["spec"]["secrets"], json!(["a"]));

    std::fs::write(file, created["spec"].to_string()).expect("written");
    let mut again = engine_roles(&installation, &[&put[..], &["-"]].concat());
    again.stdin(std::fs::File::open(file).expect("the file can be read"));
    let again = run(again).await.expect_json(0);
    assert_eq!(
        (&again["generation"], &again["spec"]),
        (&json!(1), &created["spec"])
    );

    let absent = operate(&installation, &[&put[..], &["/nothing"]].concat()).await;
    absent.expect(2);
    assert!(
        absent.stderr.contains("/nothing can't be read"),
        "{absent:#?}"
    );
    installation.assert_sound().await;
}

#[tokio::test]
async fn with_output_json_a_command_prints_exactly_what_the_service_answers() {
    let installation = Installation::start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let get = ["role", "get", "one", "--output=json"];
    let list = ["role", "list", "--output=json"];
    // The service's own checks change the answers, so that both may differ.
    eventually("the command prints the answer", async || {
        let ran = operate(&installation, &get).await;
        let answer = client.get("one").await;
        (ran.expect(0).trim_end() == answer.text).then_some(())
    })
    .await;
    eventually("the command prints the list", async || {
        let ran = operate(&installation, &list).await;
        let answer = client.list("limit=500").await;
        (&ran.expect_json(0) == answer.expect(200)).then_some(())
    })
    .await;
    let planned = client.plan("two", json!({"secrets": ["a"]})).await;
    let plan = ["role", "plan", "two", "--secret=a", "--output=json"];
    let plan = operate(&installation, &plan).await;
    assert_eq!(plan.expect(0).trim_end(), planned.text);
    let access = operate(&installation, &["role", "access", "one", "--output=json"]).await;
    let mut access = access.expect_json(0);
    let mut expected = client.access("one").await.expect(200).clone();
    for report in [&mut access, &mut expected] {
        report["evaluated_at"] = Value::Null;
    }
    assert_eq!(access, expected);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_plan_shows_the_calls_and_changes_nothing() {
    let installation = Installation::start().await;
    let plan = operate(&installation, &["role", "plan", "one", "--secret", "a"]).await;
    plan.expect(0);
    assert_eq!(plan.member("intent"), "new");
    assert_eq!(plan.member("calls to IAM"), "4 in 2 stages");
    for call in ["CreateRole", "PutRolePolicy", "CreateInstanceProfile"] {
        assert!(plan.stdout.contains(&format!("{call}  ")), "{plan:#?}");
    }
    operate(&installation, &["role", "get", "one"])
        .await
        .expect(3);
    installation.assert_sound().await;
}

#[tokio::test]
async fn access_shows_each_decision_with_the_statement_that_decides() {
    let installation = Installation::start().await;
    let wide = json!({"Version": "2012-10-17", "Statement": [{"Sid": "Wide", "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]})
    .to_string();
    operate(&installation, &["role", "put", "one", "--secret=a"])
        .await
        .expect(0);
    let access = operate(&installation, &["role", "access", "one"]).await;
    access.expect(0);
    assert_eq!(access.member("profile contains"), "expected role");
    let row = |name: &str| {
        let mut rows = access.stdout.lines();
        rows.find(|row| row.contains(name))
            .unwrap_or_else(|| panic!("no {name}: {access:#?}"))
    };
    let own = row("secret:compute-engine/one/a-??????");
    assert!(
        own.contains("  allowed  ") && own.contains("ReadOwnSecrets"),
        "{own}"
    );
    let others = row("other clusters' secrets");
    assert!(others.contains("  denied  "), "{others}");

    let role = access.member("role");
    let policy = [
        ("RoleName", role),
        ("PolicyName", "wide"),
        ("PolicyDocument", wide.as_str()),
    ];
    installation
        .administrator
        .call("PutRolePolicy", &policy)
        .await;
    let access = operate(&installation, &["role", "access", "one"]).await;
    let text = access.expect(0);
    let others = text
        .lines()
        .skip_while(|row| !row.starts_with("other clusters' secrets"));
    let others: Vec<&str> = others.take(2).collect();
    // The boundary may narrow the grant.
    assert!(others[0].contains("  indeterminate  see below"), "{text}");
    assert!(others[1].contains("GetSecretValue on *  "), "{text}");
    assert!(
        others[1].ends_with("statement Wide of inline policy wide"),
        "{text}"
    );
    assert!(
        text.contains("\n\nindeterminate  statement Wide of "),
        "{text}"
    );
}

#[tokio::test]
async fn list_and_find_select_bindings_and_find_also_finds_a_past_role() {
    let installation = Installation::build().prepared("prepared").start().await;
    let client = installation.client();
    let created = client.provision("one").await.expect(201).clone();
    let passed = json!({"mode": "pass_through", "iam_role": "prepared"});
    client.put("two", passed).await.expect(201);
    client.provision("three").await.expect(201);
    client.delete("three").await.expect(200);

    let clusters = async |arguments: &[&str]| {
        let ran = operate(&installation, arguments).await;
        let rows = ran.expect(0).lines().skip(1);
        let names = rows.filter_map(|row| row.split(' ').next().map(str::to_owned));
        names.collect::<Vec<_>>().join(" ")
    };
    for (filter, expected) in [
        ("", "one three two"),
        ("--state=active", "one two"),
        ("--state=deleted,active", "one three two"),
        ("--live=false", "three"),
        ("--mode=pass_through", "two"),
        ("--drifted=true", ""),
        ("--prefix=t", "three two"),
        ("--updated-since=1h", "one three two"),
        ("--updated-since=2999-01-01T00:00:00Z", ""),
        ("--role=prepared", "two"),
        ("--limit=2", "one three"),
    ] {
        let filter: Vec<&str> = filter.split_whitespace().collect();
        let found = clusters(&[&["role", "list"], &filter[..]].concat()).await;
        assert_eq!(found, expected, "{filter:?}");
    }
    let wrong = operate(&installation, &["role", "list", "--state=gone"]).await;
    wrong.expect(1);
    assert!(wrong.stderr.contains("wrong field: state"), "{wrong:#?}");

    for member in ["name", "arn", "id"] {
        let role = created["role"][member].as_str().expect("a role");
        assert_eq!(clusters(&["role", "find", role]).await, "one", "{role}");
    }
    let id = created["role"]["id"].as_str().expect("a role");
    client.delete("one").await.expect(200);
    client
        .if_match(client.get("one").await.header("etag").expect("a tag"))
        .provision("one")
        .await
        .expect(201);
    let past = operate(&installation, &["role", "find", id, "--output=json"]).await;
    let past = past.expect_json(0);
    assert_eq!(past["items"][0]["cluster"], "one", "{past}");
    let unknown = operate(&installation, &["role", "find", "nobodys"]).await;
    unknown.expect(3);
    assert!(unknown.stderr.contains("nobodys"), "{unknown:#?}");
}

#[tokio::test]
async fn list_walks_through_all_pages() {
    let installation = Installation::start().await;
    installation.client().provision("one").await.expect(201);
    // Copies of the binding, except for the columns that Postgres computes.
    let more = "SET session_replication_role = replica;
        DO $$ DECLARE names text; BEGIN
            SELECT string_agg(quote_ident(column_name), ', ') INTO names
            FROM information_schema.columns
            WHERE table_name = 'bindings' AND is_generated = 'NEVER';
            EXECUTE format('INSERT INTO bindings (%s) SELECT %s FROM bindings b,
                generate_series(1, 1100) n, jsonb_populate_record(b, jsonb_build_object(
                    ''id'', gen_random_uuid(), ''cluster'', ''many-'' || n, ''live'', false,
                    ''state'', ''deleted'', ''resource_name'', ''many-'' || n)) copy', names, 'copy.' || replace(names, ', ', ', copy.'));
        END $$";
    installation.database.execute(more).await;
    let list = operate(&installation, &["role", "list", "--output=json"]).await;
    let list = list.expect_json(0);
    let items = list["items"].as_array().expect("items");
    assert_eq!(items.len(), 1_101);
    assert_eq!(list["next_cursor"], Value::Null);
    assert!(list["watch_after"].is_i64(), "{}", list["watch_after"]);
    let table = operate(&installation, &["role", "list", "--limit=700"]).await;
    assert_eq!(table.expect(0).lines().count(), 701);
    let status = operate(&installation, &["status", "--output=json"]).await;
    let counts = json!({"active": 1, "deleted": 1_100});
    assert_eq!(status.expect_json(0)["bindings"], counts);
}

/// Runs `status` until it shows a service that is ready: a heartbeat that is late makes the service unready for
/// a moment.
async fn ready(status: impl AsyncFn() -> Ran) -> Ran {
    eventually("the service is ready", async || {
        let ran = status().await;
        (ran.member("status") == "ready").then_some(ran)
    })
    .await
}

#[tokio::test]
async fn status_shows_readiness_and_with_a_key_the_bindings() {
    let mut installation = Installation::start().await;
    installation.client().provision("one").await.expect(201);
    let status = ready(async || operate(&installation, &["status"]).await).await;
    status.expect(0);
    assert_eq!(status.member("status"), "ready");
    assert_eq!(status.member("database"), "ok");
    assert_eq!(status.member("this program"), env!("CARGO_PKG_VERSION"));
    assert_eq!(status.member("bindings"), "1 (1 active)");

    let mut environment = environment(&installation);
    let address = environment.remove("ENGINE_ROLES_ADDR").expect("an address");
    let nobody = ready(async || alone(&["status", "--addr", &address], &[]).await).await;
    nobody.expect(0);
    assert_eq!(nobody.member("bindings"), "-");
    let with_wrong_key = ["status", "--addr", &address, "--api-key=wrong"];
    let wrong = ready(async || alone(&with_wrong_key, &[]).await).await;
    wrong.expect(5);
    assert_eq!(wrong.member("status"), "ready");

    installation.replicas[0].kill().await;
    let away = operate(&installation, &["status"]).await;
    away.expect(1);
    assert!(away.stderr.contains("no answer to GET"), "{away:#?}");
}

#[tokio::test]
async fn a_health_check_needs_no_key_and_ends_with_0_or_1() {
    let mut installation = Installation::build().own_postgres().start().await;
    let address = installation.replicas[0].address().to_string();
    let listen = [("ENGINE_ROLES_LISTEN", address.as_str())];
    // The service answers in time even where the machine is busy.
    let patient = "--timeout=60s";
    let alive = alone(&["healthcheck", patient], &listen).await;
    assert_eq!(alive.expect(0), format!("http://{address}/livez: ok\n"));
    let everywhere = format!("0.0.0.0:{}", installation.replicas[0].address().port());
    alone(&["healthcheck", patient, "--listen", &everywhere], &[])
        .await
        .expect(0);
    let url = format!("http://{address}");
    let by_address = [
        ("ENGINE_ROLES_ADDR", url.as_str()),
        ("ENGINE_ROLES_LISTEN", "127.0.0.1:1"),
    ];
    // A heartbeat that is late makes the service unready for a moment.
    eventually(
        "the health check says that the service is ready",
        async || {
            let ready = alone(&["healthcheck", "--ready", patient], &by_address).await;
            if ready.code == Some(1) {
                return None;
            }
            assert_eq!(ready.expect(0), format!("http://{address}/readyz: ready\n"));
            Some(())
        },
    )
    .await;

    let killed = installation.postgres().kill().await;
    killed.expect("Postgres is killed");
    installation.database_is(0, "unreachable").await;
    let unready = alone(&["healthcheck", "--ready", patient], &listen).await;
    assert_eq!(
        unready.expect(1),
        format!("http://{address}/readyz: unready\n")
    );
    alone(&["healthcheck", patient], &listen).await.expect(0);

    installation.replicas[0].pause();
    let paused = alone(&["healthcheck", "--timeout=200ms"], &listen).await;
    paused.expect(1);
    installation.replicas[0].resume();
    installation.replicas[0].kill().await;
    let killed = alone(&["healthcheck"], &listen).await;
    assert!(killed.expect(1).contains("no answer"), "{killed:#?}");
}
