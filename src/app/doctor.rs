//! `kinglet doctor`: has the log examined and tells what was found. What must not live here: what counts as damage.

use serde::Serialize;

use super::cli::{Cli, Doctor, EXIT_DAMAGED, EXIT_UNAVAILABLE};
use super::failure::{Failure, Outcome};
use super::{heart, print, process, serve};
use crate::clock::Clock;
use crate::store::OpenError;
use crate::store::sqlite::doctor::{accept_loss, examine};

#[derive(Serialize)]
struct Report {
    sound: bool,
    conversations: u64,
    events: u64,
    damage: Vec<String>,
    lost_files: Vec<String>,
    accepted_loss: bool,
}

/// Examines the log, and accepts a loss if told to.
pub fn doctor(cli: &Cli, asked: &Doctor) -> Outcome<()> {
    let config = serve::configuration(cli)?;
    let directory = &config.data_dir;
    if !directory.exists() {
        let text = format!(
            "there is no data directory {}; start in the server's directory, or name its --config",
            directory.display()
        );
        return Err(Failure::new(EXIT_UNAVAILABLE, text));
    }
    heart::own_data_dir(directory)?;
    process::keep_files_private();
    let in_use = |error: OpenError| match error {
        OpenError::InUse(path) => Failure::new(
            EXIT_UNAVAILABLE,
            format!(
                "a server uses {}; stop it first (`systemctl stop kinglet.socket kinglet-http.socket kinglet`; a socket alone \
                 would start it again), then run this again",
                path.display()
            ),
        ),
        other => other.into(),
    };
    let found = examine(directory).map_err(in_use)?;
    let damaged = !found.damage.is_empty();
    if damaged && asked.accept_loss {
        accept_loss(directory, &Clock::system()).map_err(in_use)?;
    }
    let report = Report {
        sound: !damaged && found.lost_files.is_empty(),
        conversations: found.conversations,
        events: found.events,
        damage: found.damage,
        lost_files: found.lost_files,
        accepted_loss: damaged && asked.accept_loss,
    };
    print(cli, &report, tell)?;
    // The report has said it all.
    if (damaged && !asked.accept_loss) || !report.lost_files.is_empty() {
        Err(Failure::new(EXIT_DAMAGED, ""))
    } else {
        Ok(())
    }
}

fn tell(report: &Report) -> String {
    let read = format!(
        "{} events in {} conversations were read.\n",
        report.events, report.conversations
    );
    let files = lost(&report.lost_files);
    if report.damage.is_empty() {
        return format!("{read}The log is sound.\n{files}");
    }
    let lines: String = report.damage.iter().map(|line| format!("  {line}\n")).collect();
    let next = if report.accepted_loss {
        "The loss is accepted: this server begins a new epoch. Clients drop their copies, keep what they have not sent, and \
         start from what is left here. What is missing stays missing.\n"
    } else {
        "The server takes nothing new as long as it is so. Do one of these:\n\
         1. Restore the newest backup, and run `kinglet doctor` again.\n\
         2. Keep a copy of the data directory, then run `kinglet doctor --accept-loss`: the server goes on with what is \
         left.\n"
    };
    format!("{read}The log is damaged:\n{lines}{next}{files}")
}

fn lost(files: &[String]) -> String {
    if files.is_empty() {
        return String::new();
    }
    let lines: String = files.iter().map(|line| format!("  {line}\n")).collect();
    format!(
        "Files that messages carry are missing or damaged:\n{lines}Put them back from a backup of the folder `blobs`: each \
         lies under the first two digits of its name, then the rest. The server runs without them; their messages stay.\n"
    )
}
