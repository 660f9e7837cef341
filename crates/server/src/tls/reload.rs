//! The files of TLS are read again when they change.
//!
//! The contents are compared, and not the times of modification, so that it makes no difference whether
//! a file is written, renamed, or reached through a symbolic link that changes (as in Kubernetes). Files
//! that belong together are never replaced at the same instant. So changed contents are used only when
//! two readings in a row found the same.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_api::{PemFiles, ServerCertificate};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{TlsFilesError, TlsPaths};

/// How often the files are read. They are a few kilobytes.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// Reads the files of TLS again and again.
pub(crate) struct Reload {
    paths: TlsPaths,
    /// What the service uses.
    used: PemFiles,
    expires_at: DateTime<Utc>,
    /// What the last reading found.
    last: Reading,
    /// What was reported as unusable.
    reported: Option<Reading>,
    is_expiry_reported: bool,
    sender: watch::Sender<ServerCertificate>,
}

/// What a reading found: contents, or the text of the error.
type Reading = Result<PemFiles, String>;

impl Reload {
    pub(super) fn new(
        paths: TlsPaths,
        used: PemFiles,
        expires_at: DateTime<Utc>,
        sender: watch::Sender<ServerCertificate>,
    ) -> Self {
        Self {
            paths,
            last: Ok(used.clone()),
            used,
            expires_at,
            reported: None,
            // The start has reported it already.
            is_expiry_reported: expires_at < Utc::now(),
            sender,
        }
    }

    /// Reads the files until `stop` is cancelled.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        metrics::counter!("engine_roles_tls_reload_failures_total").increment(0);
        show_expiry(self.expires_at);
        let mut turns = interval(READ_INTERVAL);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = turns.tick() => {}
                () = stop.cancelled() => return,
            }
            let paths = self.paths.clone();
            // A file may be on a network.
            let Ok(read) = spawn_blocking(move || paths.read()).await else {
                continue;
            };
            self.examine(read, Utc::now());
        }
    }

    /// Compares a reading with the one before and with what is used.
    fn examine(&mut self, read: Result<PemFiles, TlsFilesError>, now: DateTime<Utc>) {
        let (reading, error) = match read {
            Ok(files) => (Ok(files), None),
            Err(error) => (Err(error.to_string()), Some(error)),
        };
        let is_stable = self.last == reading;
        self.last.clone_from(&reading);
        if is_stable && reading.as_ref() != Ok(&self.used) {
            let outcome = match (&reading, error) {
                (Ok(files), _) => self.replace(files, now),
                (Err(_), Some(error)) => Err(error),
                (Err(_), None) => return,
            };
            match outcome {
                Ok(()) => self.reported = None,
                Err(error) => self.report(reading, &error),
            }
        } else if is_stable {
            self.reported = None;
        }
        if self.expires_at < now && !self.is_expiry_reported {
            self.is_expiry_reported = true;
            warn!(expires_at = %self.expires_at, "TLS certificate has expired; clients reject it");
        }
    }

    fn replace(&mut self, files: &PemFiles, now: DateTime<Utc>) -> Result<(), TlsFilesError> {
        let certificate = ServerCertificate::new(files)?;
        if !certificate.is_valid(now) {
            return Err(TlsFilesError::NotValid);
        }
        self.used = files.clone();
        self.expires_at = certificate.expires_at();
        self.is_expiry_reported = false;
        show_expiry(self.expires_at);
        self.sender.send_replace(certificate);
        info!(expires_at = %self.expires_at, "TLS files loaded again");
        Ok(())
    }

    /// Reports once that these contents can't be used. They are checked again, because a certificate can
    /// become valid.
    fn report(&mut self, reading: Reading, error: &TlsFilesError) {
        if self.reported.as_ref() == Some(&reading) {
            return;
        }
        metrics::counter!("engine_roles_tls_reload_failures_total").increment(1);
        warn!(
            error = error as &dyn std::error::Error,
            "TLS files have changed and can't be used; the earlier ones stay in use"
        );
        self.reported = Some(reading);
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
    use std::path::PathBuf;

    use chrono::TimeDelta;
    use engine_roles_api::Tls;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn pair(from: i32, until: i32) -> PemFiles {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        PemFiles {
            certificate: certificate.pem().into_bytes(),
            key: key.serialize_pem().into_bytes().into(),
            client_authorities: None,
        }
    }

    fn reload(used: &PemFiles) -> (Reload, Tls) {
        let certificate = ServerCertificate::new(used).expect("a pair");
        let expires_at = certificate.expires_at();
        let (sender, tls) = Tls::new(certificate);
        let paths = TlsPaths {
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            client_authorities: None,
        };
        (Reload::new(paths, used.clone(), expires_at, sender), tls)
    }

    fn at(year: i32) -> DateTime<Utc> {
        format!("{year}-06-01T00:00:00Z").parse().expect("a time")
    }

    #[test]
    fn contents_are_used_when_two_readings_in_a_row_found_them() {
        let (first, second) = (pair(2020, 2050), pair(2020, 2060));
        let (mut reload, _tls) = reload(&first);
        let halves = PemFiles {
            key: second.key.clone(),
            ..first.clone()
        };
        for reading in [&halves, &second, &halves, &first, &second] {
            reload.examine(Ok(reading.clone()), at(2030));
            assert!(reload.used == first);
            assert_eq!(reload.reported, None);
        }
        reload.examine(Ok(second.clone()), at(2030));
        assert!(reload.used == second);
        assert_eq!(reload.expires_at.to_rfc3339(), "2060-01-01T00:00:00+00:00");
    }

    #[test]
    fn a_certificate_that_is_not_valid_yet_is_used_when_it_is_valid() {
        let (first, later) = (pair(2020, 2050), pair(2040, 2060));
        let (mut reload, _tls) = reload(&first);
        for _ in 0..3 {
            reload.examine(Ok(later.clone()), at(2030));
            assert!(reload.used == first);
        }
        assert_eq!(reload.reported, Some(Ok(later.clone())));
        reload.examine(Ok(later.clone()), at(2040));
        assert!(reload.used == later);
        assert_eq!(reload.reported, None);
    }

    #[test]
    fn a_certificate_that_expires_while_it_is_used_is_reported_once() {
        let used = pair(2020, 2050);
        let (mut reload, _tls) = reload(&used);
        let end = reload.expires_at;
        reload.examine(Ok(used.clone()), end);
        assert!(!reload.is_expiry_reported);
        reload.examine(Ok(used), end + TimeDelta::seconds(1));
        assert!(reload.is_expiry_reported);
    }
}
