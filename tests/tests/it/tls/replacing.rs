//! Certificates that are replaced while the service runs.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use engine_roles_e2e::tls::{Authority, Pair, write_key};
use engine_roles_e2e::{Installation, RawConnection, TlsFiles, eventually};
use rustix::fs::{CWD, FileType, Mode, chmod, mknodat};
use tokio::task::JoinSet;

use super::{LIVEZ, UNUSABLE, der, is_reported, is_served, logged, metric, open, served};

const FAILURES: &str = "engine_roles_tls_reload_failures_total";
const EXPIRES: &str = "engine_roles_tls_certificate_expires_seconds";

/// Clients that send requests until they are told to stop.
struct Load {
    clients: JoinSet<()>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Load {
    /// Starts clients of which one half keeps its connections, and the other half opens one for each
    /// request. Each request must be answered.
    async fn start(installation: &Installation, files: &Arc<TlsFiles>) -> Self {
        let address = installation.replicas[0].address();
        let mut load = Self {
            clients: JoinSet::new(),
            stop: Arc::default(),
            answered: Arc::default(),
        };
        for number in 0..8 {
            let files = Arc::clone(files);
            let (stop, answered) = (Arc::clone(&load.stop), Arc::clone(&load.answered));
            load.clients.spawn(async move {
                let versions = tokio_rustls::rustls::ALL_VERSIONS;
                let config = files.authority.client_config(versions, None);
                let mut kept = None;
                while !stop.load(Ordering::Relaxed) {
                    let mut connection = if let Some(kept) = kept.take() {
                        kept
                    } else {
                        let stream = engine_roles_e2e::tls::connect(address, config.clone());
                        RawConnection::over(stream.await.expect("a handshake"))
                    };
                    assert_eq!(connection.exchange(LIVEZ).await.status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                    kept = (number % 2 == 0).then_some(connection);
                }
            });
        }
        load.more().await;
        load
    }

    /// Waits until more requests were answered.
    async fn more(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually("requests are answered", async || {
            (self.answered.load(Ordering::Relaxed) > before + 40).then_some(())
        })
        .await;
    }

    /// Ends the clients. Panics when a request was not answered.
    async fn end(mut self) {
        self.more().await;
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("every request was answered");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_replaced_under_load_without_a_failed_request() {
    let files = Arc::new(TlsFiles::new());
    let installation = Installation::build().tls(&files).start().await;
    let load = Load::start(&installation, &files).await;
    let first = served(&installation, &files).await;
    // Written in place, the key first, with a moment between the two files.
    let pair = files.authority.service();
    write_key(&files.key(), &pair.key);
    load.more().await;
    std::fs::write(files.certificate(), &pair.certificate).expect("a file");
    is_served(&installation, &files, &pair).await;
    // Half-written, for longer than a reading takes.
    let pair = files.authority.service();
    let half = &pair.certificate[..pair.certificate.len() / 2];
    std::fs::write(files.certificate(), half).expect("a file");
    is_reported(&installation, 1).await;
    assert_ne!(served(&installation, &files).await, first);
    write_key(&files.key(), &pair.key);
    std::fs::write(files.certificate(), &pair.certificate).expect("a file");
    is_served(&installation, &files, &pair).await;
    // Renamed into place, the certificate first.
    let pair = files.authority.service();
    let (certificate, key) = (files.file("new.crt"), files.file("new.key"));
    std::fs::write(&certificate, &pair.certificate).expect("a file");
    write_key(&key, &pair.key);
    std::fs::rename(certificate, files.certificate()).expect("a file");
    std::fs::rename(key, files.key()).expect("a file");
    is_served(&installation, &files, &pair).await;
    load.end().await;
    eventually("each is logged", async || {
        (logged(&installation, "TLS files loaded again").len() == 3).then_some(())
    })
    .await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_connection_keeps_its_certificate_and_the_metrics_show_the_new_one() {
    let files = TlsFiles::new();
    let installation = Installation::build().tls(&files).start().await;
    let mut open = open(&installation, &files, None).await.expect("open");
    let before = metric(&installation, EXPIRES).await;
    assert!(before > 60_000_000_000.0, "rcgen's own: the year 4096");
    let pair = files.authority.valid_until(2090);
    files.write(&pair);
    is_served(&installation, &files, &pair).await;
    // 2090-01-01, in seconds since 1970.
    assert!((metric(&installation, EXPIRES).await - 3_786_912_000.0).abs() < 1.0);
    assert_eq!(open.exchange(LIVEZ).await.status, 200);
    assert!(metric(&installation, FAILURES).await.abs() < 0.1);
}

#[tokio::test]
async fn unusable_files_are_reported_once_and_change_nothing() {
    let files = TlsFiles::new();
    let installation = Installation::build().tls(&files).start().await;
    let first = served(&installation, &files).await;
    let valid = Pair {
        certificate: std::fs::read_to_string(files.certificate()).expect("a file"),
        key: std::fs::read_to_string(files.key()).expect("a file"),
    };
    let other = Authority::new("other").service();
    let mut reported = 0;
    for (certificate, key, cause) in [
        (
            &other.certificate,
            &valid.key,
            "can't be used with the certificate",
        ),
        (&String::new(), &valid.key, "has no certificate"),
        (
            &valid.certificate,
            &valid.key[..100].to_owned(),
            "has no private key",
        ),
    ] {
        let (certificate, key) = (certificate.clone(), key.clone());
        files.write(&Pair { certificate, key });
        reported += 1;
        is_reported(&installation, reported).await;
        let error = logged(&installation, UNUSABLE)[reported - 1]["error"].to_string();
        assert!(error.contains(cause), "{error}");
        assert_eq!(served(&installation, &files).await, first);
    }
    files.write(&files.authority.expired());
    is_reported(&installation, 4).await;
    std::fs::remove_file(files.key()).expect("a file");
    is_reported(&installation, 5).await;
    assert!((metric(&installation, FAILURES).await - 5.0).abs() < 0.1);
    // Nothing is reported again, although the files are read again and again.
    let calm = tokio::time::sleep(std::time::Duration::from_secs(3));
    calm.await;
    is_reported(&installation, 5).await;
    assert_eq!(served(&installation, &files).await, first);
    let pair = files.authority.service();
    files.write(&pair);
    is_served(&installation, &files, &pair).await;
    // No key is in the log.
    let log = installation.replicas[0].log().text();
    for line in [&valid, &other, &pair]
        .iter()
        .flat_map(|pair| pair.key.lines())
    {
        assert!(
            line.starts_with('-') || !log.contains(line),
            "a key is in the log"
        );
    }
}

#[tokio::test]
async fn a_directory_is_swapped_by_a_symbolic_link_as_kubernetes_does() {
    let files = TlsFiles::new();
    let first = files.authority.service();
    let second = files.authority.service();
    for (name, pair) in [("first", &first), ("second", &second)] {
        std::fs::create_dir(files.file(name)).expect("a directory");
        write_key(&files.file(&format!("{name}/key.pem")), &pair.key);
        let certificate = files.file(&format!("{name}/certificate.pem"));
        std::fs::write(certificate, &pair.certificate).expect("a file");
    }
    let data = files.file("data");
    symlink("first", &data).expect("a link");
    for (link, target) in [
        (files.certificate(), "data/certificate.pem"),
        (files.key(), "data/key.pem"),
    ] {
        std::fs::remove_file(&link).expect("a file");
        symlink(target, link).expect("a link");
    }
    let installation = Installation::build().tls(&files).start().await;
    assert_eq!(served(&installation, &files).await, der(&first));
    symlink("second", files.file("new")).expect("a link");
    std::fs::rename(files.file("new"), data).expect("a link");
    is_served(&installation, &files, &second).await;
    assert_eq!(logged(&installation, UNUSABLE).len(), 0);
}

#[tokio::test]
async fn what_is_no_small_file_is_reported_and_the_next_certificate_is_used() {
    let files = TlsFiles::new();
    let mut installation = Installation::build().tls(&files).start().await;
    let certificate = files.certificate();
    let mode = Mode::RUSR | Mode::WUSR;
    let mut reported = 0;
    for (reason, replace) in [
        (
            "it is not a regular file",
            &(|| mknodat(CWD, &certificate, FileType::Fifo, mode, 0).expect("a pipe"))
                as &dyn Fn(),
        ),
        ("No such file", &|| {}),
        ("it is not a regular file", &|| {
            symlink("/dev/zero", &certificate).expect("a link");
        }),
        ("it is larger than 1048576 bytes", &|| {
            let file = File::create(&certificate).expect("a file");
            file.set_len(1 << 40).expect("a file without blocks");
        }),
        ("it is a directory", &|| {
            std::fs::create_dir(&certificate).expect("a directory");
        }),
    ] {
        if certificate.symlink_metadata().is_ok() {
            std::fs::remove_file(&certificate).expect("a file");
        }
        replace();
        reported += 1;
        eventually("the file is reported", async || {
            let last = logged(&installation, UNUSABLE).last()?["error"].to_string();
            last.contains(reason).then_some(())
        })
        .await;
        // The reason in between is reported, too, where two readings find it.
        assert!(logged(&installation, UNUSABLE).len() >= reported);
    }
    assert!(installation.replicas[0].resident_kilobytes() < 300_000);
    std::fs::remove_dir(&certificate).expect("a directory");
    let pair = files.authority.service();
    files.write(&pair);
    is_served(&installation, &files, &pair).await;
    installation.restart(0).await;
}

#[tokio::test]
async fn a_renewed_key_that_everybody_can_read_is_warned_of() {
    let files = TlsFiles::new();
    let installation = Installation::build().tls(&files).start().await;
    let exposed = "TLS key can be read by every user of the machine; remove the file's permissions \
                   for others";
    let readable = Mode::RUSR | Mode::WUSR | Mode::ROTH;
    let pair = files.authority.service();
    chmod(files.key(), readable).expect("the file is ours");
    eventually("the key is warned of", async || {
        (logged(&installation, exposed).len() == 1).then_some(())
    })
    .await;
    std::fs::write(files.key(), &pair.key).expect("a file");
    std::fs::write(files.certificate(), &pair.certificate).expect("a file");
    is_served(&installation, &files, &pair).await;
    assert_eq!(logged(&installation, exposed).len(), 2);
}
