//! The command line: names, options, help texts and exit codes. What must not live here: behaviour.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::capacity::Board;
use crate::proto::ConversationId;

/// Done.
pub const EXIT_OK: u8 = 0;
/// It was tried and failed; the message says why.
pub const EXIT_FAILED: u8 = 1;
/// The command line is wrong.
pub const EXIT_USAGE: u8 = 2;
/// The configuration is wrong; `kinglet check` says where.
pub const EXIT_CONFIG: u8 = 3;
/// The log is damaged, or acknowledged messages are missing.
pub const EXIT_DAMAGED: u8 = 4;
/// The server is not running, or another one uses the data directory.
pub const EXIT_UNAVAILABLE: u8 = 5;

/// How long a server that could not start shows why before it tries again, at first.
const RETRY_AFTER: u32 = 60;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the message says why
  2  the command line is wrong
  3  the configuration is wrong; `kinglet check` says where
  4  the log is damaged; see `kinglet doctor`
  5  the server is not running, or its data directory is in use

Example:
  kinglet --config /etc/kinglet/kinglet.toml serve";

#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "kinglet", version, about = "A private instant-messaging server", after_help = EXIT_CODES)]
pub struct Cli {
    /// Configuration file [default: ./kinglet.toml, then /etc/kinglet/kinglet.toml]
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Answer in JSON, for scripts
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

impl Cli {
    /// What to do; `serve` when nothing was said.
    pub fn action(&self) -> Command {
        let serve = || Command::Serve(Serve::default());
        self.command.clone().unwrap_or_else(serve)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the server; this is the default
    ///
    /// Prints where to go and, until the server has an owner, a code to claim it with. Stops on SIGTERM or Ctrl-C
    /// after the last acknowledged message is on disk.
    #[command(after_help = "Example:\n  KINGLET_LISTEN_ADDRESS=0.0.0.0:8443 kinglet serve")]
    Serve(Serve),
    /// Show, instead of the server, the page that says why it does not start
    ///
    /// `serve --safe-mode` comes here by itself after five starts in a row that failed; by hand it shows what people see then.
    /// The data directory is left alone.
    #[command(after_help = "Example:\n  kinglet safe-mode")]
    SafeMode(SafeMode),
    /// Check the configuration and the environment, and say what to fix
    ///
    /// Changes nothing and may run beside the server. Exits with 3 if the server would not start.
    #[command(after_help = "Example:\n  kinglet check --config ./kinglet.toml")]
    Check,
    /// Print every limit, and the memory they add up to
    #[command(after_help = "Example:\n  kinglet limits --json")]
    Limits,
    /// Say how many people this machine, or a board, has room for
    ///
    /// Measures the disk under the data directory for a second or two, with a file of its own that it removes; changes nothing
    /// else and may run beside the server. With --board nothing is measured. The answer names what is assumed.
    #[command(after_help = "Example:\n  kinglet capacity --board pi-4b --memory 2048 --fdatasync-ms 8")]
    Capacity(Capacity),
    /// Make an invitation and print its link
    ///
    /// Whoever opens the link may make an account with the given role.
    #[command(
        after_help = "Example:\n  kinglet invite --uses 5 --days 2\n  kinglet invite --group c0gr7w4tn3h"
    )]
    Invite(Invite),
    /// List, disable, enable users, or reset a password
    #[command(after_help = "Example:\n  kinglet user reset-password anna")]
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Say what would be erased because it was kept long enough
    ///
    /// Changes nothing and may run beside the server. The server itself erases once a day, while its clock is known to be
    /// right.
    #[command(after_help = "Example:\n  kinglet retention --days 365")]
    Retention(Retention),
    /// Read the whole log, its hash chains and indexes, and say whether they are sound
    ///
    /// Changes nothing, unless told to accept a loss. It reads everything, so it takes its time on a large log, and the
    /// server must not run meanwhile. Exits with 4 if something is damaged or missing.
    #[command(after_help = "Example:\n  kinglet doctor --json")]
    Doctor(Doctor),
    /// Ask the running server how it is, and send a message to its log and back
    ///
    /// The operator says something to themselves, which nobody else sees, and it is taken back at once. For whoever has to know
    /// that a server works, such as an update that is kept only then. Exits with 4 if the log is damaged, and with 5 if no server
    /// runs.
    #[command(after_help = "Example:\n  kinglet health --json")]
    Health,
    /// Make a backup now, encrypted to the recovery key
    ///
    /// The running server makes it, while everybody goes on talking; where none runs, this does. The log is checked before, and
    /// what was written is read back. Only the recovery key of the emergency sheet opens it.
    #[command(after_help = "Example:\n  kinglet backup --to /media/backup")]
    Backup(Backup),
    /// Put a backup in the place of the data directory
    ///
    /// All of it is checked before anything is replaced. The server must not run. Clients go on with their devices and the same
    /// certificate; what was erased after the backup is erased again where that is known.
    #[command(after_help = "Example:\n  kinglet restore /media/backup/kinglet-1a2b3c4d-000007.json")]
    Restore(Restore),
    /// Print the version and how it was built
    #[command(after_help = "Example:\n  kinglet version --json")]
    Version,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Serve {
    /// After five starts in a row that failed, show a page that says why, on the same ports, and end to be started again
    ///
    /// For a service manager that starts the server again whenever it ends. The starts are counted in $STATE_DIRECTORY and
    /// $RUNTIME_DIRECTORY, else in the data directory.
    #[arg(long)]
    pub safe_mode: bool,
    /// Seconds that this page is shown before the next try; doubled with each one that fails, up to sixteen times
    #[arg(long, value_name = "SECONDS", default_value_t = RETRY_AFTER, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub retry_after: u32,
}

impl Default for Serve {
    fn default() -> Serve {
        Serve {
            safe_mode: false,
            retry_after: RETRY_AFTER,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SafeMode {
    /// Seconds until it ends by itself [default: when it is told to]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub retry_after: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Invite {
    /// Role of whoever accepts
    #[arg(long, value_enum, default_value_t = InviteRole::Member)]
    pub role: InviteRole,
    /// How many people may accept
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub uses: u32,
    /// Days until it ends [default: accounts.invitation_days of the configuration]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=365))]
    pub days: Option<u32>,
    /// Into this group or channel of the first owner, too: its id, or the address of its page
    ///
    /// The id is what stands behind /c/ in the address bar of a browser that shows the group. For members only.
    #[arg(long, value_name = "ID", value_parser = group)]
    pub group: Option<ConversationId>,
}

/// A conversation by its id, or by the address of its page.
fn group(text: &str) -> Result<ConversationId, String> {
    let page = text.split_once("/c/").map_or(text, |(_, rest)| rest);
    let id = page.split(['/', '#', '?']).next().unwrap_or_default();
    id.parse()
        .map_err(|_| "the id of a group, for example c0gr7w4tn3h, or the address of its page".to_owned())
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Capacity {
    /// A board instead of this machine
    #[arg(long, value_enum)]
    pub board: Option<Board>,
    /// Memory in MiB [default: what this machine has, or the board in its smallest form]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(64..=1_048_576))]
    pub memory: Option<u32>,
    /// Time of a synced write in milliseconds, instead of a measurement
    #[arg(long = "fdatasync-ms", value_name = "MS", value_parser = microseconds)]
    pub fdatasync_us: Option<u64>,
    /// Sessions that a message is delivered to
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub receivers: u32,
    /// Count connections without TLS
    #[arg(long)]
    pub plain: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Retention {
    /// Days that the server keeps what is said, instead of retention.days of the configuration; 0 for ever
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=i64::from(crate::limits::RETENTION_DAYS)))]
    pub days: Option<u32>,
    /// Said for clarity: this command never erases anything
    #[arg(long)]
    pub dry_run: bool,
}

/// Milliseconds with a fraction, as whole microseconds.
fn microseconds(text: &str) -> Result<u64, String> {
    let given: Option<f64> = text.parse().ok();
    let sensible = given.filter(|ms| (0.001..=60_000.0).contains(ms));
    sensible
        .map(|ms| (ms * 1e3).round() as u64)
        .ok_or_else(|| "a number of milliseconds, for example 8 or 0.5".to_owned())
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Backup {
    /// A folder [default: where backups usually go]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Restore {
    /// The backup's .json, its .age, or the first of its parts, .age.001
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A file with the recovery key [default: it is read from standard input]
    #[arg(long, value_name = "PATH")]
    pub key_file: Option<PathBuf>,
    /// Replace the data that are there; they are kept beside until the restored server has started well
    #[arg(long)]
    pub replace: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Doctor {
    /// Go on although acknowledged messages are missing: clients drop their copies and start from what is left
    ///
    /// Only after a restore from a backup or with a disk that lost data. What is missing stays missing.
    #[arg(long)]
    pub accept_loss: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InviteRole {
    Member,
    Admin,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum UserCommand {
    /// List users with id, name and state
    #[command(after_help = "Example:\n  kinglet user list --json")]
    List,
    /// Lock a user out and close their connections; their messages stay
    #[command(after_help = "Example:\n  kinglet user disable anna")]
    Disable {
        /// The user's name
        name: String,
    },
    /// Let a disabled user in again
    #[command(after_help = "Example:\n  kinglet user enable anna")]
    Enable {
        /// The user's name
        name: String,
    },
    /// Print a link, good once and for a day, by which the user sets a new password
    ///
    /// Works for everyone, the last owner too. The old password stays good until the link is used.
    #[command(after_help = "Example:\n  kinglet user reset-link anna")]
    ResetLink {
        /// The user's name
        name: String,
    },
    /// Give the user a new password, print it once, and sign them out everywhere
    #[command(after_help = "Example:\n  kinglet user reset-password anna")]
    ResetPassword {
        /// The user's name
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default() {
        let cli = parse("kinglet --config k.toml").expect("no subcommand is needed");
        assert_eq!(cli.action(), Command::Serve(Serve::default()));
        assert_eq!(cli.config, Some(PathBuf::from("k.toml")));
    }

    #[test]
    fn a_unit_asks_for_safe_mode_by_an_option() {
        let full = Serve {
            safe_mode: true,
            retry_after: 5,
        };
        let cli = parse("kinglet serve --safe-mode --retry-after 5").expect("both are known");
        assert_eq!(cli.action(), Command::Serve(full));
        assert!(parse("kinglet serve --retry-after 0").is_err());
        let page = SafeMode { retry_after: None };
        assert_eq!(
            parse("kinglet safe-mode").expect("it is known").action(),
            Command::SafeMode(page)
        );
    }

    #[test]
    fn global_options_may_follow_the_subcommand() {
        let cli = parse("kinglet user reset-password anna --json --config k.toml").expect("both are global");
        assert!(cli.json && cli.config.is_some());
        let command = UserCommand::ResetPassword {
            name: "anna".to_owned(),
        };
        assert_eq!(cli.action(), Command::User { command });
    }

    #[test]
    fn an_invitation_is_for_one_member_unless_said_otherwise() {
        let plain = Invite {
            role: InviteRole::Member,
            uses: 1,
            days: None,
            group: None,
        };
        assert_eq!(
            parse("kinglet invite").expect("it has defaults").action(),
            Command::Invite(plain)
        );
        let full = Invite {
            role: InviteRole::Admin,
            uses: 3,
            days: Some(2),
            group: None,
        };
        let cli = parse("kinglet invite --role admin --uses 3 --days 2").expect("all options are known");
        assert_eq!(cli.action(), Command::Invite(full));
        for page in [
            "c0gr7w4tn3h",
            "/c/c0gr7w4tn3h",
            "http://kinglet.local:8080/c/c0gr7w4tn3h/12#pins",
        ] {
            let cli = parse(&format!("kinglet invite --group {page}")).expect(page);
            let Command::Invite(Invite { group, .. }) = cli.action() else {
                panic!("{page} is no invitation");
            };
            assert_eq!(group.map(|id| id.to_string()).as_deref(), Some("c0gr7w4tn3h"));
        }
        for wrong in [
            "--uses 0",
            "--days 0",
            "--days 366",
            "--role owner",
            "--group lunch",
            "--group u1ada7x3q9k",
        ] {
            assert!(parse(&format!("kinglet invite {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_board_may_be_named_with_its_memory_and_card() {
        let full = Capacity {
            board: Some(Board::Pi4B),
            memory: Some(2_048),
            fdatasync_us: Some(8_500),
            receivers: 7,
            plain: true,
        };
        let line = "--board pi-4b --memory 2048 --fdatasync-ms 8.5 --receivers 7 --plain";
        let cli = parse(&format!("kinglet capacity {line}")).expect("all options are known");
        assert_eq!(cli.action(), Command::Capacity(full));
        for wrong in [
            "--board pi-9",
            "--memory 1",
            "--fdatasync-ms 0",
            "--fdatasync-ms NaN",
            "--receivers 0",
        ] {
            assert!(parse(&format!("kinglet capacity {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_line_exits_with_the_documented_code() {
        let error = parse("kinglet doctor --repair").expect_err("doctor changes nothing");
        assert_eq!(error.exit_code(), i32::from(EXIT_USAGE));
        let help = parse("kinglet --help").expect_err("help ends the parsing");
        assert_eq!(
            (help.kind(), help.exit_code()),
            (ErrorKind::DisplayHelp, i32::from(EXIT_OK))
        );
    }

    #[test]
    fn every_help_text_has_an_example() {
        fn visit(command: &clap::Command, path: &str) {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("Example:\n  "), "{path} has no example");
            for inner in command.get_subcommands() {
                visit(inner, &format!("{path} {}", inner.get_name()));
            }
        }
        visit(&Cli::command(), "kinglet");
    }
}
