//! The text files of the repository.

use std::path::{Path, PathBuf};

/// The repository's directory.
pub(super) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the repository can be read")
}

/// Returns the files below a path that `admits` lets through, with their text. Directories that it
/// does not let through are not entered, and files that are not UTF-8 are left out. Paths are
/// relative to the repository and sorted.
pub(super) fn files(under: &Path, admits: &dyn Fn(&Path) -> bool) -> Vec<(PathBuf, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut next = vec![root.join(under)];
    while let Some(path) = next.pop() {
        let relative = path
            .strip_prefix(&root)
            .expect("the path is in the repository");
        if !admits(relative) {
            continue;
        }
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a directory can be read");
            next.extend(entries.map(|entry| entry.expect("an entry can be read").path()));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            found.push((relative.to_owned(), text));
        }
    }
    found.sort();
    found
}

/// Returns the Rust files below a directory. Files named `tests.rs` hold unit tests and are left
/// out.
pub(super) fn rust_sources(under: &Path) -> Vec<(PathBuf, String)> {
    let mut sources = files(under, &|_| true);
    sources.retain(|(path, _)| {
        path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs")
    });
    assert!(!sources.is_empty(), "{} has no sources", under.display());
    sources
}
