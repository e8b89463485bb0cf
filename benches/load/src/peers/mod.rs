//! The same work for Kinglet and for servers that others wrote, on the same machine, in the same run, in turns. What must
//! not live here: how one system is spoken to, and the work itself.
//!
//! - `system`: what the systems have in common; `kinglet`, `prosody`, `ejabberd`, `mosquitto`, `floor`, `kept`: each of them
//! - `xmpp`, `mqtt`, `text`, `talk`: what is said to them
//! - `process`: their processes; `install`: their packages
//! - `crowd`: connections that write to each other; `idle`: connections that do not
//! - `rest`, `idle`, `direct`, `group`: the work; `samples`: medians of its rounds

mod crowd;
mod direct;
mod ejabberd;
mod floor;
mod group;
mod idle;
mod install;
mod kept;
mod kinglet;
mod mosquitto;
mod mqtt;
mod process;
mod prosody;
mod rest;
mod samples;
mod system;
mod talk;
mod text;
mod xmpp;

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tempfile::TempDir;
use tokio::task::LocalSet;

use crate::args::Args;
use crate::report::{self, Row};
use crate::server;
use process::Running;
use system::{Choice, Ground, Scale};

pub use floor::{SERVER_OPTIONS as FLOOR_OPTIONS, serve as floor_server};
pub use idle::{CLIENT_OPTIONS, client};
pub use install::version;
pub use kept::{SERVER_OPTIONS as KEPT_FLOOR_OPTIONS, serve as kept_floor_server};

/// Debian's packages of the other systems.
pub const PACKAGES: [&str; 3] = ["prosody", "ejabberd", "mosquitto"];

pub const OPTIONS: &[&str] = &[
    "server-bin",
    "directory",
    "json",
    "quick",
    "work",
    "systems",
    "rounds",
    "sessions",
    "rest-seconds",
    "pairs",
    "in-flight",
    "rate",
    "members",
    "seconds",
];

const ALL: &str = "kinglet,kinglet-tls,prosody,prosody-tls,ejabberd,ejabberd-tls,mosquitto,mosquitto-tls,mosquitto-saving,floor,floor-kept";
/// Until a server that just started has done what it does then.
const SETTLE: Duration = Duration::from_secs(3);

/// What all kinds of work need to know.
struct Plan<'a> {
    args: &'a Args,
    choices: Vec<Choice>,
    rounds: usize,
    quick: bool,
}

impl Plan<'_> {
    fn say(&self, what: &str) {
        eprintln!("-- {what}");
    }

    /// The systems that can do a kind of work.
    fn fit(&self, fits: impl Fn(&Choice) -> bool) -> Vec<&Choice> {
        self.choices.iter().filter(|choice| fits(choice)).collect()
    }

    /// Seconds of each measured stretch.
    fn time(&self) -> Result<Duration> {
        let seconds = self.args.get("seconds", if self.quick { 2 } else { 3 })?;
        Ok(Duration::from_secs(seconds))
    }

    fn print(&self, title: &str, choices: &[&Choice], mut notes: Vec<String>, rows: &[Row]) {
        notes.push(format!(
            "medians of {} rounds, all systems in turn in each; on the same machine as the clients",
            self.rounds
        ));
        for choice in choices {
            let version = choice.system.package().and_then(install::version);
            notes.push(format!(
                "{}{}: {}",
                choice.label(),
                version.map_or(String::new(), |version| format!(" ({version})")),
                choice.system.settings()
            ));
        }
        report::print(self.args.switch("json"), title, &notes, rows);
    }
}

/// A system that runs, in a directory that goes with it.
struct Stand {
    running: Running,
    ground: Ground,
    scratch: TempDir,
}

impl Stand {
    async fn start(plan: &Plan<'_>, choice: &Choice, scale: &Scale) -> Result<Stand> {
        let scratch = server::scratch(plan.args)?;
        let ground = Ground::new(scratch.path(), choice.tls)?;
        choice.system.plant(&ground, scale).await?;
        let running = Running::start(choice, &ground).await?;
        Ok(Stand {
            running,
            ground,
            scratch,
        })
    }
}

pub async fn run(args: &Args) -> Result<()> {
    let quick = args.switch("quick");
    let plan = Plan {
        args,
        choices: system::choose(args, &args.get("systems", ALL.to_owned())?)?,
        rounds: args.get("rounds", if quick { 1 } else { 3 })?,
        quick,
    };
    ensure!(plan.rounds > 0, "--rounds must be at least 1");
    for choice in &plan.choices {
        choice.system.package().map_or(Ok(()), install::ensure)?;
    }
    for work in args.get("work", "rest,idle,direct,group".to_owned())?.split(',') {
        // Tasks of one kind of work end with it.
        let local = LocalSet::new();
        match work {
            "rest" => local.run_until(rest::run(&plan)).await?,
            "idle" => local.run_until(idle::run(&plan)).await?,
            "direct" => local.run_until(direct::run(&plan)).await?,
            "group" => local.run_until(group::run(&plan)).await?,
            other => bail!("no work is called {other:?}; there are rest, idle, direct and group"),
        }
    }
    Ok(())
}
