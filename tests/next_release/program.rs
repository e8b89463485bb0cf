//! The release after this one: the same program with one more step of the schema. What must not live here: the step
//! (`src/planted.rs`).

use std::process::ExitCode;
use std::sync::atomic::Ordering;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kinglet::planted::NEXT_RELEASE.store(true, Ordering::SeqCst);
    kinglet::app::run()
}
