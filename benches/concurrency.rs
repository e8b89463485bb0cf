//! `cargo bench --bench concurrency`: Kinglet alone, at small sizes, in a few minutes. What must not live here:
//! measurements; they are in `benches/load`.

use anyhow::Result;
use kinglet_load::args::Args;
use kinglet_load::peers;

/// Built beside this program, with the features that tests have.
const SERVER: &str = env!("CARGO_BIN_EXE_kinglet");
const RUN: [&str; 8] = [
    "--quick",
    "--rounds",
    "3",
    "--systems",
    "kinglet,floor",
    "--seconds",
    "2",
    "--server-bin",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let rest = || std::env::args().skip(2);
    // The run starts this program again, for connections and for the floor.
    match words.next().as_deref() {
        Some("peers-client") => peers::client(&Args::read(rest(), peers::CLIENT_OPTIONS)?).await,
        Some("floor-server") => peers::floor_server(&Args::read(rest(), peers::FLOOR_OPTIONS)?).await,
        // Tests of all targets start it too, but do not ask for figures.
        None => Ok(()),
        Some(_) => {
            let words = RUN.into_iter().chain([SERVER]).map(str::to_owned);
            peers::run(&Args::read(words, peers::OPTIONS)?).await
        }
    }
}
