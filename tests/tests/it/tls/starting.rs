//! The start with files that can't be used, or should not be.

use std::process::Output;

use engine_roles_e2e::tls::{Authority, Pair, write_key};
use engine_roles_e2e::{Installation, TlsFiles};
use rustix::fs::{Mode, chmod};

use super::{logged, open};

fn refused(installation: &Installation, files: &TlsFiles, changes: &[(&str, &str)]) -> String {
    let (certificate, key) = (files.certificate(), files.key());
    let mut environment = vec![
        (
            "ENGINE_ROLES_TLS_CERT",
            certificate.to_str().expect("a path"),
        ),
        ("ENGINE_ROLES_TLS_KEY", key.to_str().expect("a path")),
        ("ENGINE_ROLES_LOG_FORMAT", "text"),
    ];
    environment.extend(changes);
    let Output { status, stderr, .. } = installation.run(&["serve"], &environment);
    let text = String::from_utf8(stderr).expect("the program prints text");
    assert_eq!(status.code(), Some(1), "{text}");
    text.lines().last().expect("an error").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_missing_or_do_not_belong_together_end_the_start() {
    let installation = Installation::start().await;
    let files = TlsFiles::new();
    let other = Authority::new("other").service();
    let valid = Pair {
        certificate: std::fs::read_to_string(files.certificate()).expect("a file"),
        key: std::fs::read_to_string(files.key()).expect("a file"),
    };
    for (change, expected) in [
        (
            ("ENGINE_ROLES_TLS_KEY", ""),
            "--tls-key (ENGINE_ROLES_TLS_KEY): is missing; ENGINE_ROLES_TLS_CERT is set",
        ),
        (
            ("ENGINE_ROLES_TLS_CERT", ""),
            "--tls-cert (ENGINE_ROLES_TLS_CERT): is missing; ENGINE_ROLES_TLS_KEY is set",
        ),
        (
            ("ENGINE_ROLES_TLS_KEY", "/nowhere"),
            "ENGINE_ROLES_TLS_KEY: the file /nowhere can't be read: No such file or directory",
        ),
        (
            ("ENGINE_ROLES_TLS_CLIENT_CA", "/dev/null"),
            "ENGINE_ROLES_TLS_CLIENT_CA: the file /dev/null can't be read: it is not a regular file",
        ),
    ] {
        let error = refused(&installation, &files, &[change]);
        assert!(error.contains(expected), "{error}");
    }
    for (certificate, key, expected) in [
        (
            &valid.certificate,
            &other.key,
            "ENGINE_ROLES_TLS_KEY: the key can't be used with the certificate",
        ),
        (
            &valid.key,
            &valid.key,
            "ENGINE_ROLES_TLS_CERT: the file has no certificate in PEM",
        ),
        (
            &valid.certificate,
            &valid.certificate,
            "ENGINE_ROLES_TLS_KEY: the file has no private key in PEM",
        ),
        (
            &valid.certificate.repeat(11),
            &valid.key,
            "ENGINE_ROLES_TLS_CERT: the file may have at most 10 certificates",
        ),
    ] {
        let (certificate, key) = (certificate.clone(), key.clone());
        files.write(&Pair { certificate, key });
        let error = refused(&installation, &files, &[]);
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_ends_at_a_certificate_of_clients_authorities_that_is_none_or_has_expired() {
    let installation = Installation::start().await;
    let files = TlsFiles::new();
    let good = Authority::new("good").pem();
    for (bad, expected) in [
        (
            Authority::pretended("leaf"),
            "ENGINE_ROLES_TLS_CLIENT_CA: the certificate of CN=leaf is not one of an authority: its basic \
             constraints do not say CA:TRUE",
        ),
        (
            Authority::long_expired("old"),
            "ENGINE_ROLES_TLS_CLIENT_CA: the certificate of CN=old has expired",
        ),
    ] {
        let file = files.file("client-ca.crt");
        std::fs::write(&file, format!("{good}{}", bad.pem())).expect("a file");
        let file = file.to_string_lossy();
        let error = refused(
            &installation,
            &files,
            &[("ENGINE_ROLES_TLS_CLIENT_CA", &file)],
        );
        assert!(error.ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn an_expired_certificate_and_a_key_that_everybody_can_read_are_warned_of() {
    let files = TlsFiles::new();
    files.write(&files.authority.expired());
    let readable = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    chmod(files.key(), readable).expect("the file is ours");
    let installation = Installation::build()
        .tls(&files)
        .not_yet_ready()
        .start()
        .await;
    let expired = "TLS certificate has expired, or is not valid yet; clients reject it";
    assert_eq!(logged(&installation, expired).len(), 1);
    let readable = "TLS key can be read by every user of the machine; remove the file's \
                    permissions for others";
    assert_eq!(logged(&installation, readable).len(), 1);
    let Err(error) = open(&installation, &files, None).await else {
        panic!("the client accepts the certificate");
    };
    assert!(error.to_string().contains("expired"), "{error}");
    // As files of a Kubernetes secret may be: readable for the owner's group.
    let files = TlsFiles::new();
    write_key(
        &files.key(),
        &std::fs::read_to_string(files.key()).expect("a file"),
    );
    let mode = Mode::RUSR | Mode::RGRP;
    chmod(files.key(), mode).expect("the file is ours");
    let installation = Installation::build().tls(&files).start().await;
    assert_eq!(logged(&installation, readable).len(), 0);
    assert_eq!(logged(&installation, expired).len(), 0);
}
