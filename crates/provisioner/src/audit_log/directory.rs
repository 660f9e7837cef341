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

/// How many files of days are read besides the last checkpoint: the newest one has as many events, unless
/// somebody removed or replaced files.
const NEWEST_DAYS: usize = 7;

/// The checkpoints of one log in the directory.
#[derive(Debug, Default)]
pub(super) struct Filed {
    /// The one in the file of the last checkpoint; none where there is no such file.
    pub(super) last: Option<String>,
    /// The one with the most events, out of the last one and those of the newest days. One that is no
    /// checkpoint counts as the largest, so that it is noticed.
    pub(super) largest: Option<String>,
}

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

    /// Reads the last checkpoint, and those of the newest days. Other errors than that there is no such file
    /// are errors: a checkpoint that can't be read is not one that was never written.
    pub(super) fn read(&self) -> io::Result<Filed> {
        let last = match read(&self.last()).and_then(Contents::into_text) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut largest = last.clone();
        for path in self.newest_days()? {
            let text = read(&path).and_then(Contents::into_text)?;
            if largest
                .as_deref()
                .is_none_or(|largest| order(&text) > order(largest))
            {
                largest = Some(text);
            }
        }
        Ok(Filed { last, largest })
    }

    /// Returns the files of the newest days, newest first. A directory that is missing, such as a volume that
    /// is not mounted, is an error.
    fn newest_days(&self) -> io::Result<Vec<PathBuf>> {
        let mut days = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let day = name
                .to_str()
                .and_then(|name| name.strip_prefix(&self.name)?.strip_prefix('.'));
            let is_of_day = |date: &NaiveDate| day == Some(date.to_string().as_str());
            days.extend(day.and_then(|day| day.parse().ok()).filter(is_of_day));
        }
        days.sort_unstable_by(|one, other| other.cmp(one));
        days.truncate(NEWEST_DAYS);
        Ok(days.into_iter().map(|day| self.of_day(day)).collect())
    }

    /// Writes a checkpoint of this size, unless the directory has a larger one by now.
    pub(super) fn write(&self, note: &str, size: u64, day: NaiveDate) -> io::Result<()> {
        let present = self.read()?.largest.and_then(|text| size_of(&text));
        if present.is_some_and(|present| present > size) {
            return Ok(());
        }
        replace(&self.of_day(day), note)?;
        replace(&self.last(), note)
    }

    fn of_day(&self, day: NaiveDate) -> PathBuf {
        self.directory.join(format!("{}.{day}", self.name))
    }

    fn last(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

fn order(text: &str) -> u64 {
    size_of(text).unwrap_or(u64::MAX)
}

/// Returns the size of a checkpoint that another replica has written; its signature is checked before
/// the next one is signed.
fn size_of(text: &str) -> Option<u64> {
    let note: Note = text.parse().ok()?;
    Some(Checkpoint::parse(note.text()).ok()?.size)
}

/// Replaces a file as a whole: a reader, or a process that starts after a crash, finds the old one or
/// the new one. The name of the temporary file begins with a dot, so that `*` does not match what a crash
/// leaves behind.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_file_name(format!(".{}.tmp", Uuid::new_v4().simple()));
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
