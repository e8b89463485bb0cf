//! The command line of the load generator. What must not live here: measurements.

use anyhow::{Result, bail};
use kinglet_load::args::Args;
use kinglet_load::seed::{self, Seed};
use kinglet_load::server::{self, Setup};
use kinglet_load::{bytes, count, idle, kill9, rate, sends};

const USAGE: &str = "\
Measures a Kinglet server that it starts itself, on loopback and in a directory of its own.

  kinglet-load sends  [--in-flight 1,8,64,256] [--seconds 10] [--pairs 200] [--payload 100] [--trace-seconds 3]
  kinglet-load rate   [--rate 500] [--seconds 20] [--pairs 50] [--payload 100]
  kinglet-load idle   [--sessions 1000,5000,10000] [--tls] [--devices 1] [--conversations 20] [--members 100]
                      [--rest-seconds 35] [--planted DIR]
  kinglet-load plant  --directory DIR [--users 1000] [--conversations 20] [--members 100]    data for `idle --planted DIR`
  kinglet-load bytes  [--commits 1,8,64] [--messages 40000] [--stored 1000000] [--conversations 100] [--devices 2]
                      [--loop] [--payload 100]       --loop: on a loop device, counted at the block device; needs root
  kinglet-load count  [--messages 4096] [--in-flight 1,10,64] [--pairs 50] [--group 1000] [--group-messages 20] [--payload 100]
                      [--instructions FILE]          work a message; FILE: counters that somebody adds to while it runs
  kinglet-load kill9  [--cycles 200] [--seed N] [--keep]
  kinglet-load run    [--tls] [--users 10] [--devices 1]   starts a server with users, prints their tokens, until Ctrl-C

Everywhere: --server-bin PATH (else `kinglet` beside this program), --directory PATH (else the temporary directory),
--json (but for `run`). Build both first: cargo build --release -p kinglet -p kinglet-load";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    match command.as_str() {
        "sends" => sends::run(&Args::read(words, sends::OPTIONS)?).await,
        "rate" => rate::run(&Args::read(words, rate::OPTIONS)?).await,
        "idle" => idle::run(&Args::read(words, idle::OPTIONS)?).await,
        "plant" => idle::plant(&Args::read(words, idle::PLANT_OPTIONS)?).await,
        "idle-client" => idle::client(&Args::read(words, idle::CLIENT_OPTIONS)?).await,
        "count" => count::run(&Args::read(words, count::OPTIONS)?).await,
        "bytes" => bytes::run(&Args::read(words, bytes::OPTIONS)?).await,
        "kill9" => kill9::run(&Args::read(words, kill9::OPTIONS)?).await,
        "run" => {
            run(&Args::read(
                words,
                &["server-bin", "tls", "users", "devices", "directory"],
            )?)
            .await
        }
        "--help" | "-h" | "help" => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("{other:?} is not a subcommand\n\n{USAGE}"),
    }
}

/// A server with signed-in users, for trying things by hand.
async fn run(args: &Args) -> Result<()> {
    let scratch = server::scratch(args)?;
    let setup = Setup::new(&args.server()?, scratch.path(), args.switch("tls"))?;
    let (users, devices) = (args.get("users", 10)?, args.get("devices", 1)?);
    seed::plant(
        &setup,
        &Seed {
            users,
            devices,
            groups: vec![(0..users).collect()],
        },
    )
    .await?;
    let server = setup.start().await?;
    println!(
        "address {}\npid {}\nlog {}\ngroup {}",
        setup.place.address,
        server.pid(),
        setup.log().display(),
        seed::group(0)
    );
    for user in 0..users {
        for device in 0..devices {
            println!("{} {}", seed::user(user), seed::token(user, device));
        }
    }
    tokio::signal::ctrl_c().await?;
    server.stop().await
}
