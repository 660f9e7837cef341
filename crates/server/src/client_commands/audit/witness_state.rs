//! The file in which a witness keeps the checkpoint that it cosigned last.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use engine_roles_transparency::Note;

use super::offline::OfflineError;

/// The file, which no other process of this program reads or replaces in the meantime.
pub(super) struct WitnessState {
    path: PathBuf,
    /// The locked directory. (The file itself is replaced, and a lock would stay with the old one.)
    directory: File,
}

impl WitnessState {
    /// Waits until no other process uses a state file in the directory.
    ///
    /// # Errors
    /// When the directory does not exist or can't be locked.
    pub(super) fn lock(path: &Path) -> Result<Self, OfflineError> {
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        let directory = File::open(parent.unwrap_or_else(|| Path::new(".")));
        let directory = directory.and_then(|directory| directory.lock().map(|()| directory));
        Ok(Self {
            path: path.to_owned(),
            directory: directory.map_err(|error| OfflineError::file(path, &error))?,
        })
    }

    /// Returns the checkpoint that was cosigned last; none before the first.
    ///
    /// # Errors
    /// When there is no file, although this is not the first checkpoint, or one although it is. A
    /// witness that lost its file would cosign another history of the log.
    pub(super) fn read(&self, is_first: bool) -> Result<Option<Note>, OfflineError> {
        let invalid = |reason: &dyn Display| Err(OfflineError::file(&self.path, reason));
        match fs::read_to_string(&self.path) {
            Ok(_) if is_first => invalid(&"the file exists: leave out --first"),
            Ok(text) => match text.parse() {
                Ok(note) => Ok(Some(note)),
                Err(error) => invalid(&error),
            },
            Err(error) if error.kind() == ErrorKind::NotFound && is_first => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => invalid(
                &"there is no such file: add --first if this witness never cosigned a checkpoint of \
                  this log",
            ),
            Err(error) => invalid(&error),
        }
    }

    /// Replaces the checkpoint as a whole, and returns when the new one will survive a crash.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(super) fn write(&self, checkpoint: &Note) -> Result<(), OfflineError> {
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(".new");
        let written = replace(&self.path, Path::new(&temporary), &checkpoint.to_string());
        let written = written.and_then(|()| self.directory.sync_all());
        written.map_err(|error| OfflineError::file(&self.path, &error))
    }
}

fn replace(path: &Path, temporary: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use std::fs::TryLockError;

    use super::*;

    fn note(size: u64) -> Note {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        let text =
            format!("example.com/log\n{size}\n{root}\n\n\u{2014} example.com/log AAAAAQI=\n");
        text.parse().expect("a note")
    }

    #[test]
    fn one_process_at_a_time_uses_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = WitnessState::lock(&directory.path().join("state")).expect("locked");
        let other = File::open(directory.path()).expect("a directory");
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(state);
        other.try_lock().expect("not locked any more");
    }

    #[test]
    fn the_checkpoint_is_replaced_as_a_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state");
        let state = WitnessState::lock(&path).expect("locked");
        assert_eq!(state.read(true).expect("none yet"), None);
        state.read(false).expect_err("not the first");
        for size in [300, 4000] {
            state.write(&note(size)).expect("written");
            assert_eq!(state.read(false).expect("a note"), Some(note(size)));
        }
        state.read(true).expect_err("not the first");
        let files = fs::read_dir(directory.path()).expect("a directory");
        assert_eq!(files.count(), 1);
        fs::write(&path, "text").expect("written");
        state.read(false).expect_err("not a note");
        let nowhere = directory.path().join("nowhere/state");
        assert!(WitnessState::lock(&nowhere).is_err());
    }
}
