//! Where the service's binary is.

use std::path::PathBuf;

/// The binary that was built with this test.
///
/// # Panics
/// Where there is none: this package alone does not build it.
pub fn service_binary() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    // target/debug/deps/it-… beside target/debug/engine-roles; a program of this package is
    // beside it already.
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
