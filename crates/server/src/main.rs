//! The binary `engine-roles`.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Needs less processor time and memory than the C library's, with many callers (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    engine_roles::main()
}
