//! Reads small files.

use std::fs::{File, Metadata};
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

/// How long it may take to open a file that is read once.
const OPEN_LIMIT: Duration = Duration::from_secs(10);

/// How many bytes a file may have.
pub const LARGEST: u64 = 1024 * 1024;

/// What a file contains, and who may read it. The contents may be secret, so this type does not
/// implement `Debug`.
pub struct Contents {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// Whether every user of the machine can read the file.
    pub is_readable_by_everybody: bool,
}

impl Contents {
    /// Returns the contents as text.
    ///
    /// # Errors
    /// When the contents are not UTF-8.
    pub fn into_text(self) -> Result<String> {
        // The cause would have the bytes.
        String::from_utf8(self.bytes)
            .map_err(|_| Error::new(ErrorKind::InvalidData, "the file is not UTF-8 text"))
    }
}

/// Reads a file that is read again and again: a regular file of at most [`LARGEST`] bytes. Never waits
/// for somebody to write to a pipe.
///
/// # Errors
/// When the file can't be read, is another kind of file, or is too large.
pub fn read(path: &Path) -> Result<Contents> {
    // Some devices act when they are opened.
    regular(&std::fs::metadata(path)?)?;
    // A pipe that took the file's place since then is opened without waiting for its writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    regular(&metadata)?;
    contents(file, &metadata)
}

/// Reads a file that is read once, when a program starts: at most [`LARGEST`] bytes. The file may be a
/// pipe, as shells make for `<(command)`.
///
/// # Errors
/// When the file can't be read, is too large, or can't be opened within ten seconds.
pub fn read_once(path: &Path) -> Result<Contents> {
    let file = open_within(OPEN_LIMIT, path)?;
    let metadata = file.metadata()?;
    contents(file, &metadata)
}

/// Opens a file. A pipe is open when somebody has opened its other end.
fn open_within(limit: Duration, path: &Path) -> Result<File> {
    let (opened, waits) = mpsc::channel();
    let path = path.to_owned();
    thread::spawn(move || opened.send(File::open(path)));
    waits.recv_timeout(limit).unwrap_or_else(|_| {
        let seconds = limit.as_secs();
        let rule =
            format!("it could not be opened within {seconds} seconds (a pipe needs a writer)");
        Err(Error::new(ErrorKind::TimedOut, rule))
    })
}

fn regular(metadata: &Metadata) -> Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = if metadata.is_dir() {
        "it is a directory, not a regular file"
    } else {
        "it is not a regular file"
    };
    Err(Error::new(ErrorKind::InvalidInput, what))
}

fn contents(file: File, metadata: &Metadata) -> Result<Contents> {
    let mut bytes = Vec::new();
    // One more byte tells a file of the largest size from a larger one.
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let rule = format!("it is larger than {LARGEST} bytes");
        return Err(Error::new(ErrorKind::FileTooLarge, rule));
    }
    let is_readable_by_everybody = metadata.permissions().mode() & 0o004 != 0;
    Ok(Contents {
        bytes,
        is_readable_by_everybody,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rustix::fs::{FileType, chmod, mknodat};

    use super::*;

    fn directory() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        (directory, file)
    }

    fn refused(path: &Path) -> String {
        let Err(error) = read(path) else {
            panic!("{} was read", path.display());
        };
        error.to_string()
    }

    #[test]
    fn a_file_is_read_up_to_the_largest_size() {
        let (_directory, file) = directory();
        let most = usize::try_from(LARGEST).expect("a small number");
        std::fs::write(&file, vec![b'a'; most]).expect("a file");
        assert_eq!(read(&file).expect("a file").bytes.len(), most);
        std::fs::write(&file, vec![b'a'; most + 1]).expect("a file");
        assert_eq!(refused(&file), "it is larger than 1048576 bytes");
        assert!(read_once(&file).is_err());
        assert!(read_once(Path::new("/dev/zero")).is_err());
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_a_device_and_a_directory_are_refused_at_once() {
        let (directory, pipe) = directory();
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, mode, 0).expect("a pipe");
        assert_eq!(refused(&pipe), "it is not a regular file");
        assert_eq!(refused(Path::new("/dev/zero")), "it is not a regular file");
        assert_eq!(
            refused(directory.path()),
            "it is a directory, not a regular file"
        );
        let waited = open_within(Duration::from_millis(50), &pipe);
        let waited = waited.expect_err("nobody writes");
        assert_eq!(waited.kind(), ErrorKind::TimedOut);
        let missing = read(&directory.path().join("missing")).err();
        assert_eq!(missing.map(|error| error.kind()), Some(ErrorKind::NotFound));
    }

    #[test]
    fn a_pipe_that_somebody_writes_to_is_read_once() {
        let (_directory, pipe) = directory();
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, mode, 0).expect("a pipe");
        let writer = pipe.clone();
        let writer = thread::spawn(move || std::fs::write(writer, "text"));
        assert_eq!(read_once(&pipe).expect("a text").bytes, b"text");
        writer.join().expect("no panic").expect("the pipe is read");
    }

    #[test]
    fn the_contents_say_who_may_read_them() {
        let (_directory, file) = directory();
        std::fs::write(&file, "text").expect("a file");
        for (mode, expected) in [
            (Mode::RUSR, false),
            (Mode::RUSR | Mode::RGRP, false),
            (Mode::RUSR | Mode::ROTH, true),
        ] {
            chmod(&file, mode).expect("the file is ours");
            for found in [read(&file), read_once(&file)] {
                assert_eq!(found.expect("a file").is_readable_by_everybody, expected);
            }
        }
    }

    #[test]
    fn contents_that_are_not_text_are_refused() {
        let (_directory, file) = directory();
        std::fs::write(&file, [0xff, b'k']).expect("a file");
        let error = read(&file).and_then(Contents::into_text);
        assert_eq!(
            error.expect_err("no text").to_string(),
            "the file is not UTF-8 text"
        );
    }
}
