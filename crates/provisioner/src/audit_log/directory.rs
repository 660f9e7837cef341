//! The directory outside the database to which checkpoints are written, so that a log that was
//! shortened together with its tree is found out.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use data_encoding::HEXUPPER;
use engine_roles_files::{Contents, read};
use engine_roles_transparency::{Checkpoint, KeyName, Note};
use uuid::Uuid;

/// The files of one log in the directory: its last checkpoint, and the last one of each day.
///
/// All replicas may use the same directory.
#[derive(Clone, Debug)]
pub(super) struct CheckpointFiles {
    directory: PathBuf,
    name: String,
}

impl CheckpointFiles {
    pub(super) fn new(directory: PathBuf, origin: &KeyName) -> Self {
        Self {
            directory,
            name: file_name(origin),
        }
    }

    /// Returns the last checkpoint; none where there is no file yet. Other errors are errors: a
    /// checkpoint that can't be read is not one that was never written.
    pub(super) fn read(&self) -> io::Result<Option<String>> {
        match read(&self.last()).and_then(Contents::into_text) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A directory that is missing, such as a volume that is not mounted, is an error.
                fs::read_dir(&self.directory).map(|_| None)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes a checkpoint of this size, unless the directory has a larger one by now.
    pub(super) fn write(&self, note: &str, size: u64, day: NaiveDate) -> io::Result<()> {
        let present = self.read()?.and_then(|text| size_of(&text));
        if present.is_some_and(|present| present > size) {
            return Ok(());
        }
        let of_day = self.directory.join(format!("{}.{day}", self.name));
        replace(&of_day, note)?;
        replace(&self.last(), note)
    }

    fn last(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

/// Returns the size of a checkpoint that another replica has written; its signature is checked before
/// the next one is signed.
fn size_of(text: &str) -> Option<u64> {
    let note: Note = text.parse().ok()?;
    Some(Checkpoint::parse(note.text()).ok()?.size)
}

/// Replaces a file as a whole: a reader, or a process that starts after a crash, finds the old one or
/// the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", Uuid::new_v4().simple()));
    let written = (|| {
        let mut file = File::create_new(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        path.parent()
            .map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Returns the origin with every character that is not safe in a file name in hexadecimal, as in a
/// URL, so that each origin has files of its own.
fn file_name(origin: &KeyName) -> String {
    let mut name = String::new();
    for byte in origin.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            name.push(char::from(byte));
        } else {
            name.push('%');
            name.push_str(&HEXUPPER.encode(&[byte]));
        }
    }
    name.push_str(".checkpoint");
    name
}
