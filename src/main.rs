//! The binary: picks the allocator and hands over to `app`. What must not live here: anything else.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kinglet::app::run()
}
