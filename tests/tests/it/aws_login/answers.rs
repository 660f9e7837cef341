//! Answers that are not those of STS.

use engine_roles_e2e::aws_login::{SESSION_ARN, Signing, identity};
use engine_roles_e2e::aws_proxy::{Reply, Rule};
use engine_roles_e2e::{Installation, eventually};
use engine_roles_iam_sandbox::Identity;
use serde_json::{Value, json};

use super::{build, calls_of, know, log_in};

/// Returns an answer with the headers of STS.
fn of_sts(status: u16, more: &[(&str, &str)], body: &str) -> Reply {
    let headers = [
        ("content-type", "application/json"),
        ("x-amzn-requestid", "0198c7a4-5b1e-7c3f-9a55-0c8a3d1f2b4e"),
    ];
    let headers = headers.iter().chain(more);
    Reply::Foreign {
        status,
        headers: headers
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

fn success(account: &str, arn: &str) -> String {
    json!({"GetCallerIdentityResponse": {
        "GetCallerIdentityResult": {"Account": account, "Arn": arn, "UserId": "AROA:session"},
        "ResponseMetadata": {"RequestId": "1-2"},
    }})
    .to_string()
}

async fn start() -> (Installation, Identity) {
    let installation = build()
        .aws_proxied()
        .env("ENGINE_ROLES_CALL_TIMEOUT", "2s")
        .start()
        .await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    (installation, session)
}

fn add(installation: &Installation, session: &Identity, reply: Reply) {
    let rule = Rule::instead(reply).signed_with(&session.access_key_id);
    installation.aws_proxy().add(rule.times(1));
}

#[tokio::test]
async fn what_is_not_an_answer_of_sts_makes_no_token_and_says_nothing_about_the_caller() {
    let (installation, session) = start().await;
    let good = success("123456789012", SESSION_ARN);
    let another_place = installation.sandbox.endpoint();
    let place = [("location", another_place.as_str())];
    let padded = format!("{}{good}", " ".repeat(100_000));
    let twice = good.replace(
        "\"Arn\"",
        "\"Arn\": \"arn:aws:iam::123456789012:root\", \"Arn\"",
    );
    let replies = [
        ("HTML", Reply::html(200)),
        ("HTML with 403", Reply::html(403)),
        (
            "HTML with AWS's request id",
            of_sts(200, &[], "<html></html>"),
        ),
        (
            "without a request id",
            Reply::Foreign {
                status: 200,
                headers: vec![("content-type".to_owned(), "application/json".to_owned())],
                body: good.clone(),
            },
        ),
        ("a redirect", of_sts(302, &place, "")),
        ("a redirect of a POST", of_sts(307, &place, "")),
        ("a redirect with an answer", of_sts(308, &place, &good)),
        ("a large answer", of_sts(200, &[], &padded)),
        ("nothing", of_sts(200, &[], "")),
        ("another status", of_sts(201, &[], &good)),
        (
            "another account than the ARN's",
            of_sts(200, &[], &success("210987654321", SESSION_ARN)),
        ),
        (
            "an ARN of another partition",
            of_sts(
                200,
                &[],
                &success(
                    "123456789012",
                    &SESSION_ARN.replace("aws:sts", "aws-cn:sts"),
                ),
            ),
        ),
        ("no ARN", of_sts(200, &[], &success("123456789012", ""))),
        ("two ARNs", of_sts(200, &[], &twice)),
        ("truncated", Reply::Truncated),
        (
            "throttling",
            of_sts(
                400,
                &[],
                &json!({"Error": {"Code": "Throttling"}}).to_string(),
            ),
        ),
        ("an error without a code", of_sts(403, &[], "{}")),
        ("an outage", Reply::unavailable()),
        ("a gateway's 429", Reply::too_many_requests()),
        ("a reset", Reply::Reset),
        ("nothing in time", Reply::Hang),
    ];
    let client = installation.client();
    let count = replies.len();
    for (what, reply) in replies {
        add(&installation, &session, reply);
        // The logins of a replica are limited: one that is refused is sent again.
        let answer = eventually("the login is sent to STS", async || {
            let answer = log_in(&client, &Signing::new(&session).login()).await;
            (answer.status != 429).then_some(answer)
        })
        .await;
        assert_eq!(answer.status, 503, "{what}: {}", answer.text);
        answer.expect_problem(503, "iam_unavailable");
        assert!(answer.header("retry-after").is_some(), "{what}");
    }
    assert_eq!(installation.aws_proxy().handled().len(), count);
    // No redirect was followed.
    assert_eq!(calls_of(&installation, &session), 0);
    let rows: Vec<Value> = installation.database.rows("SELECT id FROM api_keys").await;
    assert_eq!(rows.len(), 0);
    // The service's own calls were answered.
    let ready = installation.readiness_for(&client).await;
    assert_eq!(
        (&ready.body["status"], &ready.body["aws"]),
        (&json!("ready"), &json!("ok"))
    );
    let log = installation.replicas[0].log();
    assert_eq!(
        log.find("settings and credentials of the AWS SDK were read again"),
        None
    );
    eventually("a login succeeds", async || {
        let answer = log_in(&client, &Signing::new(&session).login()).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_answer_about_somebody_else_is_believed_only_as_far_as_the_list_goes() {
    let (installation, session) = start().await;
    let client = installation.client();
    for (arn, account) in [
        ("arn:aws:iam::123456789012:root", "123456789012"),
        (
            "arn:aws:sts::123456789012:federated-user/manager",
            "123456789012",
        ),
        ("arn:aws:iam::123456789012:role/manager", "123456789012"),
        (
            "arn:aws:sts::123456789012:assumed-role/manager",
            "123456789012",
        ),
        (
            "arn:aws:sts::123456789012:assumed-role/manager/a/b",
            "123456789012",
        ),
        (
            "arn:aws:sts::210987654321:assumed-role/manager/s",
            "210987654321",
        ),
    ] {
        add(
            &installation,
            &session,
            of_sts(200, &[], &success(account, arn)),
        );
        let answer = log_in(&client, &Signing::new(&session).login()).await;
        assert_eq!(answer.status, 403, "{arn}: {}", answer.text);
    }
}

/// STS answers in time for others, and the database does not.
#[tokio::test]
async fn without_the_database_there_is_no_token() {
    let mut installation = build().own_postgres().unpooled().start().await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    installation
        .postgres()
        .kill()
        .await
        .expect("Postgres is killed");
    let answer = log_in(&installation.client(), &Signing::new(&session).login()).await;
    answer.expect_problem(503, "database_unavailable");
}
