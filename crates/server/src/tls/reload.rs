//! The files of TLS are read again when they change.
//!
//! The contents are compared, and not the times of modification, so that it makes no difference whether
//! a file is written, renamed, or reached through a symbolic link that changes (as in Kubernetes). Files
//! that belong together are never replaced at the same instant. So changed contents are used only when
//! two readings in a row found the same.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_api::{PemFiles, ServerCertificate};
use engine_roles_files::FileAccess;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{TlsFiles, TlsFilesError, TlsPaths};
use crate::error_chain::chain;

/// How often the files are read. They are a few kilobytes.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// Reads the files of TLS again and again.
pub(crate) struct Reload {
    paths: TlsPaths,
    access: FileAccess,
    /// What the service uses.
    used: PemFiles,
    certificate: ServerCertificate,
    /// What the last reading found.
    last: Reading,
    /// What was reported as unusable, and why.
    reported: Option<(Reading, String)>,
    is_expiry_reported: bool,
    /// The clients' authorities that were reported as expired.
    expired_authorities: Vec<String>,
    is_key_exposed: bool,
    sender: watch::Sender<ServerCertificate>,
}

/// What a reading found: contents, or the text of the error.
type Reading = Result<TlsFiles, String>;

impl Reload {
    pub(super) fn new(
        paths: TlsPaths,
        used: TlsFiles,
        certificate: ServerCertificate,
        sender: watch::Sender<ServerCertificate>,
    ) -> Self {
        Self {
            paths,
            access: FileAccess::default(),
            last: Ok(used.clone()),
            used: used.pem,
            reported: None,
            // The start has reported it already.
            is_expiry_reported: certificate.expires_at() < Utc::now(),
            certificate,
            expired_authorities: Vec::new(),
            is_key_exposed: used.is_key_exposed,
            sender,
        }
    }

    /// Reads the files until `stop` is cancelled.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        metrics::counter!("engine_roles_tls_reload_failures_total").increment(0);
        show_expiry(self.certificate.expires_at());
        let mut turns = interval(READ_INTERVAL);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let paths = self.paths.clone();
            let read = async {
                turns.tick().await;
                let read = self.access.run(move || paths.read()).await;
                read.map_err(TlsFilesError::Unanswered).flatten()
            };
            let read = tokio::select! {
                read = read => read,
                () = stop.cancelled() => return,
            };
            self.examine(read, Utc::now());
        }
    }

    /// Compares a reading with the one before and with what is used.
    fn examine(&mut self, read: Result<TlsFiles, TlsFilesError>, now: DateTime<Utc>) {
        let (reading, error) = match read {
            Ok(files) => (Ok(files), None),
            Err(error) => (Err(chain(&error)), Some(error)),
        };
        let is_stable = self.last == reading;
        self.last.clone_from(&reading);
        if is_stable {
            let outcome = match (&reading, error) {
                (Ok(files), _) => self.examine_contents(files, now),
                (Err(_), Some(error)) => Err(error),
                (Err(_), None) => return,
            };
            match outcome {
                Ok(()) => self.reported = None,
                Err(error) => self.report(reading, &error),
            }
        }
        self.report_expiry(now);
    }

    fn examine_contents(
        &mut self,
        files: &TlsFiles,
        now: DateTime<Utc>,
    ) -> Result<(), TlsFilesError> {
        let is_new = files.pem != self.used;
        if is_new {
            self.replace(&files.pem, now)?;
        }
        if files.is_key_exposed && (is_new || !self.is_key_exposed) {
            self.paths.warn_of_exposed_key();
        }
        self.is_key_exposed = files.is_key_exposed;
        Ok(())
    }

    fn replace(&mut self, files: &PemFiles, now: DateTime<Utc>) -> Result<(), TlsFilesError> {
        let certificate = ServerCertificate::new(files, now)?;
        if !certificate.is_valid(now) {
            return Err(TlsFilesError::NotValid);
        }
        self.used = files.clone();
        self.certificate = certificate.clone();
        self.is_expiry_reported = false;
        self.expired_authorities.clear();
        let expires_at = certificate.expires_at();
        show_expiry(expires_at);
        self.sender.send_replace(certificate);
        info!(%expires_at, "TLS files loaded again");
        Ok(())
    }

    /// Reports once that these contents can't be used, and again when there is another reason. They are
    /// checked again, because a certificate can become valid.
    fn report(&mut self, reading: Reading, error: &TlsFilesError) {
        let report = Some((reading, chain(error)));
        if self.reported == report {
            return;
        }
        metrics::counter!("engine_roles_tls_reload_failures_total").increment(1);
        warn!(
            error = error as &dyn std::error::Error,
            "TLS files have changed and can't be used; the earlier ones stay in use"
        );
        self.reported = report;
    }

    /// Reports once what has expired while it is used.
    fn report_expiry(&mut self, now: DateTime<Utc>) {
        let expires_at = self.certificate.expires_at();
        if expires_at < now && !self.is_expiry_reported {
            self.is_expiry_reported = true;
            warn!(%expires_at, "TLS certificate has expired; clients reject it");
        }
        let expired = self.certificate.expired_authorities(now);
        for subject in &expired {
            if !self.expired_authorities.contains(subject) {
                warn!(
                    subject,
                    "authority of clients has expired; the certificates that it signed are refused"
                );
            }
        }
        self.expired_authorities = expired;
    }
}

/// Shows when the certificate expires, in seconds since 1970.
fn show_expiry(expires_at: DateTime<Utc>) {
    // Exact for many thousand years.
    #[expect(clippy::cast_precision_loss)]
    let seconds = expires_at.timestamp() as f64;
    metrics::gauge!("engine_roles_tls_certificate_expires_seconds").set(seconds);
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::PathBuf;

    use chrono::TimeDelta;
    use engine_roles_api::Tls;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn pair(from: i32, until: i32) -> TlsFiles {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        TlsFiles {
            pem: PemFiles {
                certificate: certificate.pem().into_bytes(),
                key: key.serialize_pem().into_bytes().into(),
                client_authorities: None,
            },
            is_key_exposed: false,
        }
    }

    fn reload(used: &TlsFiles) -> (Reload, Tls) {
        let certificate = ServerCertificate::new(&used.pem, at(2030)).expect("a pair");
        let (sender, tls) = Tls::new(certificate.clone());
        let paths = TlsPaths {
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            client_authorities: None,
        };
        (Reload::new(paths, used.clone(), certificate, sender), tls)
    }

    fn at(year: i32) -> DateTime<Utc> {
        format!("{year}-06-01T00:00:00Z").parse().expect("a time")
    }

    #[test]
    fn contents_are_used_when_two_readings_in_a_row_found_them() {
        let (first, second) = (pair(2020, 2050), pair(2020, 2060));
        let (mut reload, _tls) = reload(&first);
        let mut halves = first.clone();
        halves.pem.key.clone_from(&second.pem.key);
        for reading in [&halves, &second, &halves, &first, &second] {
            reload.examine(Ok(reading.clone()), at(2030));
            assert!(reload.used == first.pem);
            assert!(reload.reported.is_none());
        }
        reload.examine(Ok(second.clone()), at(2030));
        assert!(reload.used == second.pem);
        assert_eq!(
            reload.certificate.expires_at().to_rfc3339(),
            "2060-01-01T00:00:00+00:00"
        );
    }

    #[test]
    fn a_certificate_that_is_not_valid_yet_is_used_when_it_is_valid() {
        let (first, later) = (pair(2020, 2050), pair(2040, 2060));
        let (mut reload, _tls) = reload(&first);
        for _ in 0..3 {
            reload.examine(Ok(later.clone()), at(2030));
            assert!(reload.used == first.pem);
        }
        let reported = reload.reported.as_ref().expect("reported");
        assert!(reported.0 == Ok(later.clone()));
        reload.examine(Ok(later.clone()), at(2040));
        assert!(reload.used == later.pem);
        assert!(reload.reported.is_none());
    }

    #[test]
    fn a_certificate_that_expires_while_it_is_used_is_reported_once() {
        let used = pair(2020, 2050);
        let (mut reload, _tls) = reload(&used);
        let end = reload.certificate.expires_at();
        reload.examine(Ok(used.clone()), end);
        assert!(!reload.is_expiry_reported);
        reload.examine(Ok(used), end + TimeDelta::seconds(1));
        assert!(reload.is_expiry_reported);
    }

    #[test]
    fn another_reason_is_reported_again() {
        let used = pair(2020, 2050);
        let (mut reload, _tls) = reload(&used);
        let mut reasons = Vec::new();
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::NotFound,
            ErrorKind::IsADirectory,
        ] {
            for _ in 0..2 {
                let error = TlsFilesError::Unreadable {
                    flag: super::super::KEY,
                    path: PathBuf::from("/file"),
                    source: kind.into(),
                };
                reload.examine(Err(error), at(2030));
            }
            let (_, reason) = reload.reported.clone().expect("reported");
            reasons.push(reason);
        }
        reasons.dedup();
        assert_eq!(
            reasons,
            [
                "--tls-key: the file /file can't be read: entity not found",
                "--tls-key: the file /file can't be read: is a directory",
            ]
        );
    }
}
