//! The command line of the load generator. What must not live here: measurements.

use anyhow::{Result, bail};
use kinglet_load::args::Args;
use kinglet_load::seed::{self, Seed};
use kinglet_load::server::{self, Setup};
use kinglet_load::{
    bytes, catchup, count, crowd, history, idle, kill9, peers, rate, results, search, sends, storm, through,
    vendor,
};

const USAGE: &str = "\
Measures a Kinglet server that it starts itself, on loopback and in a directory of its own.

  kinglet-load sends  [--in-flight 1,8,64,256] [--seconds 10] [--pairs 200] [--payload 100] [--trace-seconds 3]
  kinglet-load rate   [--rate 500] [--seconds 20] [--pairs 50] [--payload 100]
  kinglet-load idle   [--sessions 1000,5000,10000] [--tls] [--devices 1] [--conversations 20] [--members 100]
                      [--rest-seconds 35] [--planted DIR]
  kinglet-load plant  --directory DIR [--users 1000] [--conversations 20] [--members 100]    data for `idle --planted DIR`
  kinglet-load bytes  [--commits 1,8,64] [--messages 40000] [--stored 1000000] [--conversations 100] [--devices 2]
                      [--loop] [--payload 100]       --loop: on a loop device, counted at the block device; needs root
  kinglet-load storm  [--sessions 10000] [--tls] [--conversations 20] [--members 100] [--processes 2] [--rate 50]
                      [--seconds 10] [--sign-ins 200] [--at-once 32]      all are cut off and come back; all sign in
  kinglet-load history  [--stored 100000,1000000] [--conversations 100] [--pages 2000] [--payload 100] [--seed 1]
  kinglet-load search   [--stored 100000,1000000] [--conversations 10] [--queries 300] [--seed 1]
  kinglet-load vendor [--people 4000] [--rate 19.09] [--times 1,10,100] [--seconds 20] [--direct 50] [--members 10]
                      [--payload 100] [--at-once 8] [--seed 1]            --direct: of 100 messages; the others to a group
  kinglet-load catchup  [--people 1000] [--messages 20000] [--groups 100] [--each 10] [--payload 100] [--tls]
  kinglet-load peers  [--work rest,idle,direct,group] [--systems kinglet,kinglet-tls,prosody,...] [--rounds 3]
                      [--sessions 1000,5000,10000] [--rest-seconds 35] [--pairs 100] [--in-flight 1,64,256] [--rate 500]
                      [--members 50,200,1000] [--seconds 3] [--quick]      the same work for other servers too, in turns
  kinglet-load results JSON... --out benches/RESULTS.md      tables and plots from what was printed with --json
  kinglet-load count  [--messages 4096] [--in-flight 1,10,64] [--pairs 50] [--group 1000] [--group-messages 20] [--payload 100]
                      [--instructions FILE]          work a message; FILE: counters that somebody adds to while it runs
  kinglet-load kill9  [--cycles 200] [--seed N] [--keep]
  kinglet-load through  --claim CODE --until FILE [--address 127.0.0.1:8080] [--tls] [--rate 20] [--patience 120]
                      a talk through a server that somebody else started, and restarts meanwhile, until FILE is there
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
        "storm" => storm::run(&Args::read(words, storm::OPTIONS)?).await,
        "crowd-client" => crowd::client(&Args::read(words, crowd::CLIENT_OPTIONS)?).await,
        "history" => history::run(&Args::read(words, history::OPTIONS)?).await,
        "search" => search::run(&Args::read(words, search::OPTIONS)?).await,
        "vendor" => vendor::run(&Args::read(words, vendor::OPTIONS)?).await,
        "catchup" => catchup::run(&Args::read(words, catchup::OPTIONS)?).await,
        "count" => count::run(&Args::read(words, count::OPTIONS)?).await,
        "bytes" => bytes::run(&Args::read(words, bytes::OPTIONS)?).await,
        "peers" => peers::run(&Args::read(words, peers::OPTIONS)?).await,
        "peers-client" => peers::client(&Args::read(words, peers::CLIENT_OPTIONS)?).await,
        "floor-server" => peers::floor_server(&Args::read(words, peers::FLOOR_OPTIONS)?).await,
        "kept-floor-server" => peers::kept_floor_server(&Args::read(words, peers::KEPT_FLOOR_OPTIONS)?).await,
        "results" => results::run(words),
        "kill9" => kill9::run(&Args::read(words, kill9::OPTIONS)?).await,
        "through" => through::run(&Args::read(words, through::OPTIONS)?).await,
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
