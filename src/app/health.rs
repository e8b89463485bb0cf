//! `kinglet health`: is the server that runs here well? It is asked over its control socket, and a message goes through its log
//! and back. What must not live here: what the server does for it (`session::health`).

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::net::UnixStream;

use super::cli::{Cli, EXIT_DAMAGED, EXIT_UNAVAILABLE};
use super::failure::{Failure, Outcome};
use super::{listen, print, remote, serve};
use crate::gateway::http::console;
use crate::proto::ClientId;
use crate::proto::account::{Health, NewRound, Round};

#[derive(Serialize)]
struct Well {
    status: String,
    version: String,
    round: Round,
}

/// A server that needs longer for this is not well.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn health(cli: &Cli) -> Outcome<()> {
    let config = serve::configuration(cli)?;
    let path = config.data_dir.join(listen::CONTROL);
    let asked = async { tokio::time::timeout(PATIENCE, ask(&path)).await };
    let well = serve::runtime()?.block_on(asked).unwrap_or_else(|_| {
        let what = format!(
            "the server did not answer within {} s. Restart it",
            PATIENCE.as_secs()
        );
        Err(Failure::new(EXIT_UNAVAILABLE, what))
    })?;
    print(cli, &well, |well| {
        format!(
            "{}: version {}; a message went to the log and back in {:.1} ms\n",
            well.status,
            well.version,
            well.round.micros as f64 / 1e3
        )
    })
}

async fn ask(path: &Path) -> Outcome<Well> {
    let stream = UnixStream::connect(path).await.map_err(|error| {
        let what = format!(
            "no server answers at {}: {error}. Start it, and look into its log (journalctl -u kinglet)",
            path.display()
        );
        Failure::new(EXIT_UNAVAILABLE, what)
    })?;
    let mut sender = remote::connection(stream).await?;
    let health: Health = remote::send::<(), _>(&mut sender, console::HEALTH, None).await?;
    is_ours(&health)?;
    let asked = NewRound {
        client_id: ClientId(uuid::Uuid::now_v7()),
        recall_id: ClientId(uuid::Uuid::now_v7()),
    };
    let round: Round = remote::send(&mut sender, console::ROUND, Some(&asked)).await?;
    Ok(Well {
        status: health.status,
        version: health.version,
        round,
    })
}

/// Its log is whole and takes something, and it is the program that asks.
fn is_ours(health: &Health) -> Outcome<()> {
    let own = env!("CARGO_PKG_VERSION");
    match health.status.as_str() {
        "ready" if health.version == own => Ok(()),
        "ready" => Err(Failure::failed(format!(
            "the server that runs is {}, and this program is {own}: restart it",
            health.version
        ))),
        "read_only" => {
            let what =
                "the server found its log damaged and takes nothing new; stop it and run `kinglet doctor`";
            Err(Failure::new(EXIT_DAMAGED, what))
        }
        other => Err(Failure::failed(format!(
            "the server takes nothing new: {other}. Make room on the disk, or wait until it has stopped"
        ))),
    }
}
