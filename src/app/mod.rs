//! Wiring, the only floor that knows everyone: the command line, and one room per subcommand. What must not live here:
//! rules, which are lower down.

mod acme;
mod address;
mod backup;
mod budget;
mod capacity;
mod certificates;
mod check;
pub mod cli;
pub mod config;
mod doctor;
mod failure;
mod greeting;
mod health;
mod heart;
mod listen;
pub mod logging;
mod machine;
mod measure;
pub mod metrics;
mod overview;
mod pages;
mod process;
mod proxies;
mod push;
mod remote;
mod restore;
mod retention;
mod safe_mode;
mod serve;
mod settings;
mod starts;
mod surroundings;
pub mod systemd;
pub mod tie;
mod timers;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use self::cli::{Cli, Command};
use self::failure::{Failure, Outcome};

/// Does what the command line says.
pub fn run() -> ExitCode {
    process::use_small_pages();
    let cli = Cli::parse();
    let done = match cli.action() {
        Command::Serve(asked) => serve::serve(&cli, &asked),
        Command::SafeMode(asked) => safe_mode::by_hand(&cli, &asked),
        Command::Check => check::check(&cli),
        Command::Limits => budget::limits(&cli),
        Command::Capacity(asked) => capacity::capacity(&cli, &asked),
        Command::Invite(invite) => remote::invite(&cli, &invite),
        Command::User { command } => remote::user(&cli, &command),
        Command::Retention(asked) => retention::retention(&cli, &asked),
        Command::Doctor(doctor) => doctor::doctor(&cli, &doctor),
        Command::Health => health::health(&cli),
        Command::Backup(asked) => backup::backup(&cli, &asked),
        Command::Restore(asked) => restore::restore(&cli, &asked),
        Command::Version => version(&cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.text.is_empty() {
                // Without standard error the exit code has to do.
                let _ = writeln!(io::stderr(), "kinglet: {failure}");
            }
            ExitCode::from(failure.code)
        }
    }
}

/// Prints an answer: as JSON for scripts, else the text that `human` makes.
fn print<T: Serialize>(cli: &Cli, answer: &T, human: impl FnOnce(&T) -> String) -> Outcome<()> {
    let mut text = if cli.json {
        serde_json::to_string_pretty(answer).expect("answers are made of what JSON can say")
    } else {
        human(answer)
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    match io::stdout().lock().write_all(text.as_bytes()) {
        // `kinglet limits | head` has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

#[derive(Serialize)]
struct Version {
    version: &'static str,
    sqlite: &'static str,
    target: String,
    debug: bool,
}

fn version(cli: &Cli) -> Outcome<()> {
    let version = Version {
        version: env!("CARGO_PKG_VERSION"),
        sqlite: rusqlite::version(),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        debug: cfg!(debug_assertions),
    };
    print(cli, &version, |it| {
        let build = if it.debug { "debug" } else { "release" };
        format!(
            "kinglet {} ({build}, {}, SQLite {})",
            it.version, it.target, it.sqlite
        )
    })
}
