//! What the commands print about errors, and their exit codes.

use engine_roles_e2e::Installation;
use engine_roles_e2e::aws_proxy::{Denial, Reply, Rule};
use engine_roles_iam_sandbox::PolicyLayer;
use serde_json::Value;

use super::program::{alone, engine_roles, environment, operate, run};

#[tokio::test]
async fn each_kind_of_error_has_its_exit_code_and_is_printed_readably() {
    let installation = Installation::start().await;
    let cases: [(&[&str], i32, &[&str]); 8] = [
        (
            &["role", "get", "never"],
            3,
            &["code: not_found (HTTP 404)", "request id: "],
        ),
        (&["role", "delete", "never"], 3, &["not_found"]),
        (&["role", "access", "never"], 3, &["not_found"]),
        (
            &[
                "role",
                "put",
                "one",
                "--secret=../x",
                "--region=mars",
                "--tag=aws:x=y",
            ],
            1,
            &["wrong field: ", "(HTTP 422)"],
        ),
        (&["role", "get", "a*"], 1, &["wrong field: cluster: "]),
        (
            &["role", "get", ".."],
            2,
            &["can't be the name of a cluster"],
        ),
        (
            &["role", "get", "one", "--api-key=wrong"],
            5,
            &["code: unauthenticated (HTTP 401)"],
        ),
        (
            &["role", "get", "one", "--addr=http://127.0.0.1:1"],
            1,
            &["no answer to GET http"],
        ),
    ];
    for (arguments, code, words) in cases {
        let ran = operate(&installation, arguments).await;
        ran.expect(code);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert!(ran.stderr.starts_with("engine-roles: "), "{ran:#?}");
        for word in words {
            assert!(
                ran.stderr.contains(word),
                "{arguments:?}: no {word}: {ran:#?}"
            );
        }
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_change_without_an_answer_says_that_it_may_have_been_recorded() {
    let installation = Installation::start().await;
    let nowhere = "--addr=http://127.0.0.1:1";
    let put = operate(&installation, &["role", "put", "one", nowhere]).await;
    put.expect(1);
    assert!(put.stderr.contains("may have recorded"), "{put:#?}");
    let get = operate(&installation, &["role", "get", "one", nowhere]).await;
    assert!(!get.stderr.contains("may have recorded"), "{get:#?}");
}

#[tokio::test]
async fn with_output_json_an_error_is_the_problem_of_the_service() {
    let installation = Installation::start().await;
    let absent = operate(&installation, &["role", "get", "never", "--output=json"]).await;
    absent.expect(3);
    let mut problem: Value = serde_json::from_str(&absent.stderr).expect("JSON");
    let mut expected = installation.client().get("never").await.body;
    for problem in [&mut problem, &mut expected] {
        problem["request_id"] = Value::Null;
    }
    assert_eq!(problem, expected);
    let away = [
        "role",
        "get",
        "one",
        "--output=json",
        "--addr=http://127.0.0.1:1",
    ];
    let away = operate(&installation, &away).await;
    away.expect(1);
    let error: Value = serde_json::from_str(&away.stderr).expect("JSON");
    let text = error["error"].as_str().unwrap_or_default();
    assert!(text.starts_with("no answer to GET"), "{error}");
}

#[tokio::test]
async fn a_missing_permission_is_printed_with_the_statement_to_add() {
    let installation = Installation::start().await;
    installation.allow_no_longer(&["iam:CreateRole"]).await;
    let denied = operate(&installation, &["role", "put", "one"]).await;
    denied.expect(1);
    for words in [
        "  code: missing_permission (HTTP 424)\n",
        "  missing permission: iam:CreateRole\n",
        "  denied by: identity policy (no policy of this layer allows it)\n",
        "  alternative: ",
        "  add this statement to a policy of the service's identity:\n    {\n",
        "\"iam:CreateRole\"",
    ] {
        assert!(denied.stderr.contains(words), "no {words}: {denied:#?}");
    }
}

#[tokio::test]
async fn the_layer_that_denied_is_named_and_no_statement_is_printed_where_none_would_help() {
    let installation = Installation::build().aws_proxied().start().await;
    let policy = "arn:aws:organizations::111111111111:policy/o-a/service_control_policy/p-b";
    let denial = Denial::ExplicitBy(policy.to_owned());
    let denied = Rule::instead(Reply::Denied(PolicyLayer::ServiceControl, denial));
    let denied = denied.only(&["CreateRole", "CreateInstanceProfile"]);
    installation.aws_proxy().add(denied);
    let denied = operate(&installation, &["role", "put", "one"]).await;
    denied.expect(1);
    let by = format!("  denied by: service control policy (an explicit Deny: {policy})\n");
    assert!(denied.stderr.contains(&by), "{denied:#?}");
    assert!(!denied.stderr.contains("add this statement"), "{denied:#?}");
}

#[tokio::test]
async fn an_invalid_setting_is_exit_code_2_and_the_key_is_never_printed() {
    let installation = Installation::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("key");
    std::fs::write(&file, format!("{}\n", installation.key())).expect("written");
    let file = file.to_str().expect("a path");

    let mut environment = environment(&installation);
    let key = environment.remove("ENGINE_ROLES_API_KEY").expect("a key");
    let address = environment.remove("ENGINE_ROLES_ADDR").expect("an address");
    let list = ["role", "list", "--addr", &address];
    let by_flag = alone(&[&list[..], &["--api-key-file", file]].concat(), &[]).await;
    by_flag.expect(0);
    let by_variable = alone(&list, &[("ENGINE_ROLES_API_KEY_FILE", file)]).await;
    by_variable.expect(0);

    let both = operate(&installation, &["role", "list", "--api-key-file", file]).await;
    both.expect(2);
    let rule = "ENGINE_ROLES_API_KEY is set, and so is --api-key-file; set one of the two";
    assert!(both.stderr.contains(rule), "{both:#?}");
    let reserved = operate(&installation, &["keys", "create", "Init"]).await;
    reserved.expect(2);
    let rule = "must not be the name of an actor of the service";
    assert!(reserved.stderr.contains(rule), "{reserved:#?}");
    for (arguments, word) in [
        (
            ["role", "list", "--api-key-file", "/nothing"],
            "/nothing can't be read",
        ),
        (
            ["role", "list", "--ca-file", "/nothing"],
            "/nothing can't be read",
        ),
        (
            ["role", "list", "--ca-file", file],
            "--ca-file: the certificates can't be used",
        ),
        (["role", "list", "--addr", "ftp://x"], "--addr: "),
        (["role", "list", "--api-key", "a\nb"], "--api-key: "),
        (["role", "list", "--limit", "0"], "--limit"),
        (
            ["role", "list", "--updated-since", "soon"],
            "--updated-since",
        ),
        (["role", "put", "one", "--if-match=a b"], "--if-match"),
    ] {
        let wrong = alone(&arguments, &[]).await;
        wrong.expect(2);
        assert!(wrong.stderr.contains(word), "{arguments:?}: {wrong:#?}");
    }
    for arguments in [
        ["role", "list", "--help"],
        ["status", "--help", "--output=json"],
    ] {
        let help = run(engine_roles(&installation, &arguments)).await;
        assert!(
            help.expect(0).contains("[env: ENGINE_ROLES_API_KEY]"),
            "{help:#?}"
        );
        assert!(!help.stdout.contains(&key), "{help:#?}");
        assert!(help.stdout.contains("Exit codes:\n  0  done"), "{help:#?}");
    }
}

#[tokio::test]
async fn an_https_address_is_not_answered_by_a_service_without_tls() {
    let installation = Installation::start().await;
    let address = installation.replicas[0].address();
    let https = format!("--addr=https://{address}");
    let list = operate(&installation, &["role", "list", &https]).await;
    list.expect(1);
    assert!(
        list.stderr.contains("no answer to GET https://"),
        "{list:#?}"
    );
}
