//! Tokens of the AWS identity in place of a database password, as RDS takes them.

use engine_roles_e2e::rds_login::RdsLogin;
use engine_roles_e2e::{Installation, eventually};

const OWNER: &str = "engine_roles_owner";
const SERVING: &str = "engine_roles_app";

/// Makes the server trust the two users, whose tokens the login in front of it has checked.
async fn trust_users(installation: &Installation) {
    let trust = format!(
        "CREATE ROLE {OWNER} LOGIN; CREATE ROLE {SERVING} LOGIN;
         GRANT USAGE, CREATE ON SCHEMA public TO {OWNER};
         DO $$ BEGIN
             EXECUTE format(
                 'COPY (SELECT unnest(ARRAY[%L, %L])) TO %L',
                 'host all {OWNER},{SERVING} 127.0.0.1/32 trust',
                 'host all all 127.0.0.1/32 scram-sha-256',
                 current_setting('hba_file')
             );
             PERFORM pg_reload_conf();
         END $$"
    );
    installation.database.execute(&trust).await;
    let (_, place) = installation.database.url().split_once('@').expect("a user");
    let direct = format!("postgres://{SERVING}@{place}");
    eventually("the server has read its rules", async || {
        let connected = tokio_postgres::connect(&direct, tokio_postgres::NoTls).await;
        connected.ok().map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_and_serve_log_in_with_tokens_of_the_aws_identity() {
    let mut installation = Installation::build()
        .own_postgres()
        .rarely_checked()
        .env("ENGINE_ROLES_MIGRATE", "never")
        .not_yet_ready()
        .start()
        .await;
    trust_users(&installation).await;
    let login = RdsLogin::start(installation.database.url()).await;
    installation.set_env("DATABASE_URL", &login.url(OWNER, "engine_roles"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // Without the setting there is no password, and another identity's token is refused.
    for (change, words) in [
        (
            ("ENGINE_ROLES_DATABASE_IAM_AUTH", "false"),
            "refused the login",
        ),
        (("AWS_SECRET_ACCESS_KEY", "another"), "refused the login"),
        (("AWS_REGION", "eu-west-1"), "refused the login"),
        (("AWS_ACCESS_KEY_ID", ""), "no credentials"),
    ] {
        let changes = [("ENGINE_ROLES_DATABASE_IAM_AUTH", "true"), change];
        let failed = installation.run(&["migrate"], &changes);
        assert_eq!(failed.status.code(), Some(1), "{change:?}: {failed:?}");
        assert!(
            text(&failed.stderr).contains(words),
            "{change:?}: {failed:?}"
        );
    }
    assert_eq!(login.accepted(OWNER), 0);
    let signed_otherwise = login.refused();
    installation.set_env("ENGINE_ROLES_DATABASE_IAM_AUTH", "true");
    let migrated = installation.run(&["migrate", "--grant-to", SERVING], &[]);
    assert!(migrated.status.success(), "{migrated:?}");
    assert!(
        text(&migrated.stdout).contains("up to date"),
        "{migrated:?}"
    );
    assert_eq!(login.accepted(OWNER), 1);
    assert_eq!(login.refused(), signed_otherwise);

    installation.set_env("DATABASE_URL", &login.url(SERVING, "engine_roles"));
    installation.restart(0).await;
    installation.client().provision("one").await.expect(201);
    let checked = installation.run(&["check"], &[]);
    assert!(
        text(&checked.stdout).contains("\nok       database "),
        "{checked:?}"
    );
    let tokens = login.accepted(SERVING);
    assert!(tokens >= 1);

    // When the tokens are no longer accepted, every connection gets a new one.
    login.expire_tokens();
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{SERVING}'"
    );
    installation.database.execute(&end).await;
    eventually("a request is carried out", async || {
        let answer = installation.client().provision("two").await;
        (answer.status < 202).then_some(())
    })
    .await;
    installation.database_is(0, "ok").await;
    assert!(login.accepted(SERVING) > tokens);
    assert!(login.refused().len() > signed_otherwise.len());
    installation.assert_sound_when_idle("with tokens").await;
    let log = installation.replicas[0].log().text();
    assert!(!log.contains("X-Amz-Signature"), "a token is in the log");
}
