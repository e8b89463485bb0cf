//! The crash checker: the real store on the simulated disk. Whatever was acknowledged is there after any crash or power cut,
//! and nothing is there twice. What must not live here: the disk itself (see `fault_vfs`).
//!
//! `KINGLET_TEST_CUTS=5000 cargo test --features fault-injection --test power_cut` runs longer; a failure names its seed,
//! and `KINGLET_TEST_SEED` runs just that world again.
#![cfg(feature = "fault-injection")]

mod store_kit;

#[path = "power_cut/chains.rs"]
mod chains;
#[path = "power_cut/full.rs"]
mod full;
#[path = "power_cut/ledger.rs"]
mod ledger;
#[path = "power_cut/machine.rs"]
mod machine;
#[path = "power_cut/nth.rs"]
mod nth;
#[path = "power_cut/personal.rs"]
mod personal;
#[path = "power_cut/random.rs"]
mod random;
#[path = "power_cut/wear.rs"]
mod wear;

/// A number that the environment may set.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().expect("the setting is a number"))
}
