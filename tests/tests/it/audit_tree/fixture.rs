//! An installation that signs checkpoints of its audit log.

use std::fs;
use std::path::PathBuf;

use engine_roles_e2e::installation::InstallationBuilder;
use engine_roles_e2e::{Installation, eventually};
use engine_roles_transparency::{Checkpoint, Note, TrustedKeys};
use serde_json::Value;
use tempfile::TempDir;

/// A private key for tests, as `openssl genpkey -algorithm ed25519` writes it.
pub(super) const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
    -----END PRIVATE KEY-----\n";
/// Another one.
pub(super) const OTHER_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEICAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/\n\
    -----END PRIVATE KEY-----\n";

/// The files of an auditor and of the log's owner.
pub(super) struct Files {
    directory: TempDir,
}

impl Files {
    pub(super) fn new() -> Self {
        let files = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        fs::write(files.path("key.pem"), KEY).expect("written");
        fs::create_dir(files.path("checkpoints")).expect("made");
        files
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// Returns the checkpoint that the service wrote to its directory.
    pub(super) fn checkpoint(&self) -> Option<String> {
        fs::read_to_string(self.path("checkpoints/engine-roles%2Fdefault.checkpoint")).ok()
    }

    /// Makes a service sign checkpoints with the key, and write them to the directory.
    pub(super) fn signing(&self, builder: InstallationBuilder) -> InstallationBuilder {
        builder
            .env("ENGINE_ROLES_AUDIT_KEY_FILE", self.text("key.pem"))
            .env("ENGINE_ROLES_AUDIT_CHECKPOINTS", self.text("checkpoints"))
    }

    /// Starts a service that signs checkpoints.
    pub(super) async fn start(&self) -> Installation {
        let installation = self.signing(Installation::build()).start().await;
        installation.database.without_log_reads().await;
        installation
    }

    /// Writes the public keys of the log, and returns them.
    pub(super) fn write_public_key(&self, installation: &Installation) -> TrustedKeys {
        let printed = installation.run(&["audit", "public-key"], &[]);
        assert!(printed.status.success(), "{printed:?}");
        let text = String::from_utf8(printed.stdout).expect("UTF-8");
        fs::write(self.path("log.pub"), &text).expect("written");
        text.parse().expect("the public key")
    }

    /// Exports the log to a file.
    pub(super) fn export(&self, installation: &Installation, name: &str, flags: &[&str]) -> String {
        let address = format!("http://{}", installation.replicas[0].address());
        let changes = [
            ("ENGINE_ROLES_ADDR", address.as_str()),
            ("ENGINE_ROLES_API_KEY", installation.key()),
        ];
        let exported = installation.run(&[&["audit", "export"], flags].concat(), &changes);
        assert!(exported.status.success(), "{exported:?}");
        fs::write(self.path(name), &exported.stdout).expect("written");
        String::from_utf8(exported.stdout).expect("UTF-8")
    }

    /// Verifies an export against checkpoints, and returns the exit code and what was printed.
    pub(super) fn verify(
        &self,
        installation: &Installation,
        export: &str,
        checkpoints: &[&str],
    ) -> (i32, String) {
        self.verify_with(installation, export, checkpoints, &[])
    }

    /// Verifies an export with more flags.
    pub(super) fn verify_with(
        &self,
        installation: &Installation,
        export: &str,
        checkpoints: &[&str],
        flags: &[&str],
    ) -> (i32, String) {
        let (export, key) = (self.text(export), self.text("log.pub"));
        let checkpoints: Vec<String> = checkpoints.iter().map(|name| self.text(name)).collect();
        let mut arguments = vec!["audit", "verify", &export, "--key", &key, "--checkpoint"];
        arguments.extend(checkpoints.iter().map(String::as_str));
        arguments.extend(flags);
        // Nothing but the files is needed: no variable leads to the service or to the database.
        let verified = installation.run(
            &arguments,
            &[("DATABASE_URL", ""), ("ENGINE_ROLES_ADDR", "")],
        );
        let text = [verified.stdout, verified.stderr].concat();
        let code = verified.status.code().expect("the command ends");
        (code, String::from_utf8(text).expect("UTF-8"))
    }
}

/// Returns what a checkpoint states. Its signature is not verified.
pub(super) fn read(note: &str) -> Checkpoint {
    let note: Note = note.parse().expect("a note");
    Checkpoint::parse(note.text()).expect("a checkpoint")
}

/// Waits until the service has signed a checkpoint of all its events, and returns the checkpoint.
pub(super) async fn signed(installation: &Installation) -> String {
    installation.events_are_numbered().await;
    let events = installation.database.events().await.len() as u64;
    eventually("all events are signed", async || {
        let answer = installation.client().fetch("/v1/audit/checkpoint").await;
        let is_all = answer.status == 200 && read(&answer.text).size >= events;
        is_all.then_some(answer.text)
    })
    .await
}

/// Returns the SQL that writes one more event of each binding, as the service would. The detail is an
/// SQL expression.
pub(super) fn event_sql(actor: &str, detail: &str) -> String {
    format!(
        "INSERT INTO audit_pending (id, at, namespace, cluster, binding_id, generation,
                                    action, actor, from_state, to_state, detail)
         SELECT gen_random_uuid(), service_now(), namespace, cluster, id, generation,
                'updated', '{actor}', state, state, {detail}
         FROM bindings"
    )
}

/// Returns the readiness that a caller with a key gets.
pub(super) async fn readiness(installation: &Installation) -> Value {
    installation.client().fetch("/readyz").await.body
}

/// Waits until the service works and says that the log is broken, and returns the reason.
pub(super) async fn broken(installation: &Installation) -> String {
    eventually("the log is broken", async || {
        let readiness = readiness(installation).await;
        if readiness["audit"] != "broken" || readiness["status"] != "degraded" {
            return None;
        }
        readiness["audit_reason"].as_str().map(str::to_owned)
    })
    .await
}
