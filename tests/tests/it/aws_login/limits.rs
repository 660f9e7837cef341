//! How many logins strangers can make the service send to STS.

use engine_roles_e2e::aws_login::{SESSION_ARN, Signing, USER_ARN, identity};
use engine_roles_e2e::aws_proxy::{Reply, Rule};
use engine_roles_e2e::{Answer, eventually};

use serde_json::json;

use super::{build, calls_of, know, log_in};

fn retry_after(answer: &Answer) -> u64 {
    answer.expect_problem(429, "rate_limited");
    let wait = answer.header("retry-after").expect("a time");
    wait.parse().expect("seconds")
}

#[tokio::test]
async fn logins_of_one_address_are_limited_and_keys_are_not_concerned() {
    let installation = build()
        .env("ENGINE_ROLES_FAILURE_RATE", "6")
        .env("ENGINE_ROLES_TRUSTED_PROXIES", "127.0.0.0/8")
        .start()
        .await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    let from = |address: &str| installation.client().with("x-forwarded-for", address);
    let mut wrong = Signing::new(&session);
    wrong.identity.secret_access_key.push('x');
    // A third of the rate at once.
    for _ in 0..2 {
        let answer = log_in(&from("192.0.2.1"), &wrong.login()).await;
        answer.expect_problem(401, "unauthenticated");
    }
    let refused = log_in(&from("192.0.2.1"), &wrong.login()).await;
    assert!((1..=60).contains(&retry_after(&refused)));
    assert_eq!(calls_of(&installation, &session), 2, "STS is not asked");
    // What is denied without asking STS counts, too.
    let other = Signing {
        server: "roles.other".to_owned(),
        ..Signing::new(&session)
    };
    for expected in [401, 401, 429] {
        let answer = log_in(&from("192.0.2.2"), &other.login()).await;
        assert_eq!(answer.status, expected, "{}", answer.text);
    }
    // So does what has not the form of a login.
    let strange = json!({"authorization": "x", "date": "y", "server": "z"});
    for (body, expected) in [(json!({}), 400), (strange.clone(), 400), (strange, 429)] {
        let answer = log_in(&from("192.0.2.4"), &body).await;
        assert_eq!(answer.status, expected, "{}", answer.text);
    }
    let valid = Signing::new(&session).login();
    log_in(&from("192.0.2.3"), &valid).await.expect(200);
    from("192.0.2.1").list("").await.expect(200);
}

#[tokio::test]
async fn logins_from_many_addresses_have_a_limit_of_their_own() {
    let installation = build()
        .env("ENGINE_ROLES_TRUSTED_PROXIES", "127.0.0.0/8")
        .aws_proxied()
        .start()
        .await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    let hang = Rule::instead(Reply::Hang).signed_with(&session.access_key_id);
    installation.aws_proxy().add(hang);
    let login = Signing::new(&session).login();
    let logins = (0..40).map(|number| {
        let address = format!("192.0.2.{number}");
        let client = installation.client().with("x-forwarded-for", &address);
        let login = login.clone();
        tokio::spawn(async move { log_in(&client, &login).await })
    });
    let logins: Vec<_> = logins.collect();
    // Meanwhile the service works.
    installation.client().provision("one").await.expect(201);
    let mut answers = Vec::new();
    for login in logins {
        answers.push(login.await.expect("an answer"));
    }
    let (limited, waited): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 429);
    for answer in &limited {
        assert!(retry_after(answer) >= 1);
    }
    for answer in &waited {
        answer.expect_problem(503, "iam_unavailable");
    }
    assert!(waited.len() >= 8 && !limited.is_empty(), "{waited:?}");
    // STS was asked about no other login.
    assert_eq!(installation.aws_proxy().handled().len(), waited.len());
    installation.aws_proxy().clear();
    log_in(&installation.client(), &login).await.expect(200);
}

#[tokio::test]
async fn two_addresses_whose_logins_hang_keep_no_other_one_out() {
    let installation = build()
        .env("ENGINE_ROLES_TRUSTED_PROXIES", "127.0.0.0/8")
        .aws_proxied()
        .start()
        .await;
    let (session, user) = (identity(SESSION_ARN, 'A'), identity(USER_ARN, 'B'));
    know(&installation, &[&session, &user]);
    let hang = Rule::instead(Reply::Hang).signed_with(&session.access_key_id);
    installation.aws_proxy().add(hang);
    let login = Signing::new(&session).login();
    let from = |address: &str| installation.client().with("x-forwarded-for", address);
    // All addresses of one network of IPv6 count as one.
    let logins = (0..20).map(|number| {
        let client = match number % 2 {
            0 => from("192.0.2.1"),
            _ => from(&format!("[2001:db8::{number}]:443")),
        };
        let login = login.clone();
        tokio::spawn(async move { log_in(&client, &login).await })
    });
    let logins: Vec<_> = logins.collect();
    eventually("two logins of each address hang", async || {
        (installation.aws_proxy().handled().len() >= 4).then_some(())
    })
    .await;
    let other = Signing::new(&user).login();
    log_in(&from("192.0.2.3"), &other).await.expect(200);
    let mut answers = Vec::new();
    for login in logins {
        answers.push(login.await.expect("an answer"));
    }
    let (limited, waited): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 429);
    for answer in &limited {
        assert!(retry_after(answer) >= 1);
        assert!(answer.text.contains("same time"), "{}", answer.text);
    }
    for answer in &waited {
        answer.expect_problem(503, "iam_unavailable");
    }
    assert_eq!(installation.aws_proxy().handled().len(), waited.len());
    assert!(waited.len() >= 4 && !limited.is_empty(), "{waited:?}");
    // Their places are free again.
    installation.aws_proxy().clear();
    log_in(&from("192.0.2.1"), &login).await.expect(200);
}
