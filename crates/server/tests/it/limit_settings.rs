//! Tests of the settings that limit requests, with the real binary: what contradicts them ends the
//! start.

use std::process::{Command, Output};

/// Runs `engine-roles serve`, which ends before it listens, because the address is no address of this
/// machine.
fn serve(settings: &[(&str, &str)]) -> Output {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let key = "abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEFGHIJ0123456789abcd";
    Command::new(env!("CARGO_BIN_EXE_engine-roles"))
        .arg("serve")
        .env_clear()
        .env("PATH", path)
        .env("DATABASE_URL", "postgres://127.0.0.1:9/none")
        .env("ENGINE_ROLES_INIT_API_KEY", key)
        .env("ENGINE_ROLES_LISTEN", "192.0.2.1:1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "us-west-2")
        .envs(settings.iter().copied())
        .output()
        .expect("the binary can be run")
}

fn stderr(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_default_that_the_limits_forbid_ends_the_start_and_both_settings_are_named() {
    let cases: [(&[(&str, &str)], &str); 6] = [
        (
            &[
                ("ENGINE_ROLES_ALLOWED_REGIONS", "eu-west-1,eu-central-1"),
                ("ENGINE_ROLES_DEFAULT_REGION", "us-east-1"),
            ],
            "ENGINE_ROLES_DEFAULT_REGION: us-east-1: ENGINE_ROLES_ALLOWED_REGIONS does not permit this region",
        ),
        // The region of the AWS SDK is the default region where none is set.
        (
            &[("ENGINE_ROLES_ALLOWED_REGIONS", "eu-west-1")],
            "--default-region (ENGINE_ROLES_DEFAULT_REGION): us-west-2: ENGINE_ROLES_ALLOWED_REGIONS does not permit this region",
        ),
        (
            &[
                ("ENGINE_ROLES_ALLOWED_MODES", "create"),
                ("ENGINE_ROLES_DEFAULT_IAM_ROLE", "engine"),
            ],
            "ENGINE_ROLES_DEFAULT_IAM_ROLE: engine: ENGINE_ROLES_ALLOWED_MODES does not permit mode pass_through",
        ),
        (
            &[("ENGINE_ROLES_ALLOWED_MODES", "pass_through")],
            "ENGINE_ROLES_ALLOWED_MODES: permits mode pass_through only, so that --default-iam-role \
             (ENGINE_ROLES_DEFAULT_IAM_ROLE) or",
        ),
        (
            &[
                ("ENGINE_ROLES_ALLOWED_TAG_KEYS", "cost,Team"),
                ("ENGINE_ROLES_RESOURCE_TAGS", "team=x"),
            ],
            "ENGINE_ROLES_RESOURCE_TAGS: team: ENGINE_ROLES_ALLOWED_TAG_KEYS permits requests to have this key",
        ),
        (
            &[("ENGINE_ROLES_DEFAULT_REGION", "xx-yy-zz")],
            "ENGINE_ROLES_DEFAULT_REGION: the region must be an AWS region",
        ),
    ];
    for (settings, reason) in cases {
        let stderr = stderr(&serve(settings));
        assert!(stderr.contains(reason), "{settings:?}: {stderr}");
        assert!(!stderr.contains("can't listen"), "{settings:?}: {stderr}");
    }
}

#[test]
fn an_invalid_limit_ends_the_start_and_is_named() {
    for (variable, value, reason) in [
        (
            "ENGINE_ROLES_ALLOWED_MODES",
            "create,pass",
            "ENGINE_ROLES_ALLOWED_MODES: must be create",
        ),
        (
            "ENGINE_ROLES_ALLOWED_MODES",
            ",",
            "ENGINE_ROLES_ALLOWED_MODES: must name at least one",
        ),
        (
            "ENGINE_ROLES_ALLOWED_REGIONS",
            "us-west-2,xx-yy-zz",
            "ENGINE_ROLES_ALLOWED_REGIONS: the region",
        ),
        (
            "ENGINE_ROLES_ALLOWED_TAG_KEYS",
            "aws:team",
            "ENGINE_ROLES_ALLOWED_TAG_KEYS: the tag",
        ),
    ] {
        let stderr = stderr(&serve(&[(variable, value)]));
        assert!(stderr.contains(reason), "{variable}={value}: {stderr}");
    }
    for (variable, value) in [
        ("ENGINE_ROLES_ALLOW_SESSION_MANAGER", "maybe"),
        ("ENGINE_ROLES_PROBES", "sometimes"),
    ] {
        let output = serve(&[(variable, value)]);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{variable}={value}: {output:?}"
        );
    }
}

#[test]
fn limits_that_permit_the_defaults_are_accepted() {
    let every = [
        ("ENGINE_ROLES_ALLOWED_MODES", "create, pass_through"),
        ("ENGINE_ROLES_ALLOWED_REGIONS", "eu-west-1, us-west-2"),
        ("ENGINE_ROLES_ALLOW_SESSION_MANAGER", "false"),
        ("ENGINE_ROLES_ALLOWED_TAG_KEYS", "cost"),
        ("ENGINE_ROLES_RESOURCE_TAGS", "team=x"),
        ("ENGINE_ROLES_DEFAULT_IAM_ROLE", "engine"),
        ("ENGINE_ROLES_PROBES", "off"),
    ];
    let pass_through_only = [
        ("ENGINE_ROLES_ALLOWED_MODES", "pass_through"),
        ("ENGINE_ROLES_PASS_THROUGH_ROLES", "engine"),
    ];
    for settings in [&every[..], &pass_through_only, &[]] {
        let stderr = stderr(&serve(settings));
        assert!(stderr.contains("can't listen"), "{settings:?}: {stderr}");
    }
}
