//! The server is killed under load two hundred times, and must remember what it acknowledged. The checker itself lives in
//! `benches/load/src/kill9`, so that it can also be run for hours: `kinglet-load kill9 --cycles 100000`.
//! What must not live here: power cuts; see `tests/fault_vfs.rs`.
//!
//! It must fail with `PLANTED_BUG=ack-before-commit` and with `PLANTED_BUG=forgetful-deduplication`.

use std::path::Path;

use kinglet_load::kill9;

/// For a longer or another run: `KINGLET_TEST_KILL9_CYCLES`, `KINGLET_TEST_KILL9_SEED`.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn what_was_acknowledged_outlives_kill_9() {
    let cycles = usize::try_from(setting("KINGLET_TEST_KILL9_CYCLES", 200)).expect("few cycles");
    let seed = setting("KINGLET_TEST_KILL9_SEED", 20_260_723);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let checked = kill9::check(
        Path::new(env!("CARGO_BIN_EXE_kinglet")),
        directory.path(),
        cycles,
        seed,
    );
    let outcome = runtime.block_on(checked).expect("the checker runs to its end");
    assert!(outcome.is_clean(), "seed {seed}: {outcome:#?}");
    assert!(
        outcome.cycles == cycles && outcome.acked > cycles,
        "it hardly ran: {outcome:#?}"
    );
}
