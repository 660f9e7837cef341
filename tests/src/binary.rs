//! Finds the service's binary.

use std::path::PathBuf;

/// Returns the path of the `engine-roles` binary that was built with this test.
///
/// # Panics
/// When the binary does not exist: building this package alone does not build it.
pub fn service_binary() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    // A test is target/debug/deps/it-…, one directory below target/debug/engine-roles. A program
    // of this package is in the same directory as engine-roles.
    let beside = test.ancestors().skip(1).take(2);
    let mut places = beside.map(|directory| directory.join("engine-roles"));
    places.find(|path| path.is_file()).unwrap_or_else(|| {
        panic!(
            "the binary engine-roles is not beside {}: run `cargo test --workspace`, which \
             builds it (or `cargo build -p engine-roles` first)",
            test.display()
        )
    })
}
