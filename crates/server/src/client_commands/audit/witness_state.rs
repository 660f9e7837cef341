//! The file in which a witness keeps the checkpoint that it cosigned last.

use std::fmt::Display;
use std::fs::{self, File, Metadata};
use std::io::{self, Error, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use engine_roles_transparency::Note;
use rustix::fs::{Mode, OFlags};

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
    /// witness that lost its file would cosign another history of the log. So would one whose file has
    /// another name too: only the one name would get the new checkpoint. Links are refused therefore.
    pub(super) fn read(&self, is_first: bool) -> Result<Option<Note>, OfflineError> {
        let invalid = |reason: &dyn Display| Err(OfflineError::file(&self.path, reason));
        match contents(&self.path) {
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

/// Reads a file that is no link to another one, without waiting for somebody to write to a pipe.
fn contents(path: &Path) -> io::Result<String> {
    only_name(&fs::symlink_metadata(path)?)?;
    // What took the file's place since then is neither followed nor waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    only_name(&file.metadata()?)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn only_name(metadata: &Metadata) -> io::Result<()> {
    let what = if metadata.is_symlink() {
        "it is a symbolic link: give the file itself"
    } else if !metadata.is_file() {
        "it is not a regular file"
    } else if metadata.nlink() > 1 {
        "it has another name (a hard link), which would keep the old checkpoint"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidInput, what))
}

fn replace(path: &Path, temporary: &Path, text: &str) -> io::Result<()> {
    // A file that a crash left behind, or something else that must not be written to.
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::create_new(temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use std::fs::TryLockError;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, mknodat};

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
    /// Tries to use a file, for the first checkpoint and for a later one, and returns why not.
    fn refused(path: &Path) -> [String; 2] {
        let state = WitnessState::lock(path).expect("locked");
        [true, false].map(|is_first| {
            let read = state.read(is_first);
            read.expect_err("refused").to_string()
        })
    }

    #[test]
    fn a_file_with_another_name_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = |name: &str| directory.path().join(name);
        fs::write(place("file"), note(300).to_string()).expect("written");
        symlink("file", place("link")).expect("a link");
        symlink("nowhere", place("dangling")).expect("a link");
        for name in ["link", "dangling"] {
            for reason in refused(&place(name)) {
                assert!(reason.contains("symbolic link"), "{name}: {reason}");
            }
        }
        fs::hard_link(place("file"), place("second")).expect("a link");
        for name in ["file", "second"] {
            for reason in refused(&place(name)) {
                assert!(reason.contains("hard link"), "{name}: {reason}");
            }
        }
        fs::remove_file(place("second")).expect("removed");
        let state = WitnessState::lock(&place("file")).expect("locked");
        assert_eq!(state.read(false).expect("a note"), Some(note(300)));
    }

    #[test]
    fn what_is_no_regular_file_is_neither_waited_for_nor_written_to() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = |name: &str| directory.path().join(name);
        let pipe = |name: &str| {
            let mode = Mode::RUSR | Mode::WUSR;
            mknodat(CWD, place(name), FileType::Fifo, mode, 0).expect("a pipe");
        };
        pipe("pipe");
        fs::create_dir(place("directory")).expect("made");
        for name in ["pipe", "directory"] {
            for reason in refused(&place(name)) {
                assert!(reason.contains("not a regular file"), "{name}: {reason}");
            }
        }
        // Beside the state, where the new one is written first.
        pipe("one.new");
        fs::write(place("other"), "kept").expect("written");
        symlink("other", place("two.new")).expect("a link");
        for name in ["one", "two"] {
            let state = WitnessState::lock(&place(name)).expect("locked");
            state.write(&note(300)).expect("written");
            assert_eq!(state.read(false).expect("a note"), Some(note(300)));
        }
        assert_eq!(fs::read_to_string(place("other")).expect("text"), "kept");
    }
}
