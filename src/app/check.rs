//! `kinglet check`: would the server start, and if not, what is to be done? Changes nothing and may run beside the server.
//! What must not live here: checks of settings by themselves; those are the configuration's own.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::address::{Address, Origin};
use super::cli::{Cli, EXIT_CONFIG};
use super::config::{Config, Problem, Transport};
use super::failure::{Failure, Outcome};
use super::{acme, heart, listen, print, process, settings, surroundings};
use crate::gateway::tls::{Source, Tls, TlsConfig};
use crate::store::sqlite::peek;
use crate::workers::acme::{STATE_FILE, State};

/// A certificate that ends within this time is worth a word.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

#[derive(Serialize)]
struct Findings {
    ok: bool,
    source: Option<String>,
    running: bool,
    /// The address people are told, where it can be known.
    address: Option<Address>,
    problems: Vec<Problem>,
    notes: Vec<String>,
}

/// Checks everything and tells all of it at once.
pub fn check(cli: &Cli) -> Outcome<()> {
    let config = Config::load(cli.config.as_deref(), std::env::vars_os())?;
    let mut problems = config.problems();
    let mut notes = Vec::new();
    let running = is_running(&config.data_dir);
    let mut address = None;
    if problems.is_empty() {
        check_directory(&config, &mut problems);
        check_addresses(&config, running, &mut problems);
        check_limits(&config, &mut problems, &mut notes);
        check_certificate(&config, &mut problems, &mut notes);
        check_orders(&config, &mut notes);
        address = told_address(&config, &mut notes);
    }
    let findings = Findings {
        ok: problems.is_empty(),
        source: config.source.as_ref().map(|path| path.display().to_string()),
        running,
        address,
        problems,
        notes,
    };
    print(cli, &findings, tell)?;
    if findings.ok {
        Ok(())
    } else {
        Err(Failure::new(EXIT_CONFIG, ""))
    }
}

fn problem(key: &str, what: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem {
        key: key.to_owned(),
        what: what.into(),
        fix: fix.into(),
    }
}

/// Whether another process holds the data directory.
fn is_running(directory: &Path) -> bool {
    let lock = fs::File::open(directory.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

fn check_directory(config: &Config, problems: &mut Vec<Problem>) {
    let directory = &config.data_dir;
    let fix = "Give it to the server's user with chown and chmod 700, or set another data_dir";
    if directory.exists()
        && let Err(failure) = heart::own_data_dir(directory)
    {
        problems.push(problem("data_dir", failure.to_string(), fix));
        return;
    }
    let nearest = directory.ancestors().find(|path| path.exists());
    let nearest = nearest
        .filter(|path| !path.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let probe = nearest.join(format!(".kinglet-check-{}", std::process::id()));
    match fs::File::create_new(&probe) {
        // What was made a line ago can be taken away again.
        Ok(_) => drop(fs::remove_file(&probe)),
        Err(error) => {
            problems.push(problem(
                "data_dir",
                format!("cannot write in {}: {error}", nearest.display()),
                fix,
            ));
        }
    }
}

fn check_addresses(config: &Config, running: bool, problems: &mut Vec<Problem>) {
    // systemd holds the others, whether the server runs or not.
    if running || config.is_passed_in() {
        return;
    }
    let http = config
        .http_address()
        .ok()
        .flatten()
        .filter(|_| settings::speaks_tls(config));
    let all = [
        ("listen.address", config.address().ok()),
        ("listen.http_address", http),
    ];
    for (key, address) in all {
        if let Some(Err(failure)) = address.map(|address| listen::bind(key, address)) {
            problems.push(problem(key, failure.to_string(), "Then run this again"));
        }
    }
}

fn check_limits(config: &Config, problems: &mut Vec<Problem>, notes: &mut Vec<String>) {
    let descriptors = process::raise_descriptors();
    let wanted = settings::limits(config, settings::speaks_tls(config));
    match settings::fit(config, wanted, descriptors) {
        Ok((limits, lowered)) => {
            notes.extend(lowered);
            problems.extend(settings::within_memory(&limits, surroundings::memory_limit()).err());
        }
        Err(refused) => problems.push(refused),
    }
}

/// Files are read as the server would; an authority of our own is only made by the server.
fn check_certificate(config: &Config, problems: &mut Vec<Problem>, notes: &mut Vec<String>) {
    let transport = config.address().and_then(|address| config.transport(address));
    if let Ok(Transport::Files { certificate, key }) = transport {
        let source = Source::Files {
            cert: certificate,
            key,
        };
        match Tls::open(TlsConfig::of(source), SystemTime::now()) {
            Err(error) => {
                let fix = "Put the right PEM files there, readable by the server's user";
                problems.push(problem("tls.certificate", format!("{error:#}"), fix));
            }
            Ok(tls) if tls.status().not_after < SystemTime::now() + SOON => notes.push(
                "the certificate in tls.certificate has ended, or ends within two weeks: renew it, then `systemctl reload kinglet`"
                    .to_owned(),
            ),
            Ok(_) => {}
        }
    }
}

/// What became of the last order, as the server has noted it.
fn check_orders(config: &Config, notes: &mut Vec<String>) {
    let state = acme::shelf(config).read(STATE_FILE);
    let state = state.ok().flatten().filter(|_| config.acme.enabled);
    let state = state.and_then(|bytes| serde_json::from_slice::<State>(&bytes).ok());
    if let Some((error, failures)) = state.and_then(|state| Some((state.error?, state.failures))) {
        notes.push(format!(
            "the last order for a certificate failed ({failures} in a row): {error}"
        ));
    }
}

/// The address in force at the next start. Of the database only this is read, and nothing is changed.
fn told_address(config: &Config, notes: &mut Vec<String>) -> Option<Address> {
    let here = settings::guessed_url(config.address().ok()?, settings::speaks_tls(config));
    let stored = match peek::address(&config.data_dir) {
        Ok(stored) => stored,
        Err(error) => {
            notes.push(format!(
                "the address that people were told cannot be read: {error}"
            ));
            return None;
        }
    };
    let address = Address::decide(config, stored, here);
    notes.extend(address.news());
    Some(address)
}

fn tell(findings: &Findings) -> String {
    let from = findings
        .source
        .as_deref()
        .unwrap_or("defaults and environment, no file");
    let mut text = format!("configuration: {from}\n");
    if findings.running {
        text.push_str("a server is running on this data directory; its ports were not tried\n");
    }
    if let Some(address) = &findings.address {
        let origin = match address.origin {
            Origin::Setting => "by listen.canonical_url",
            Origin::Stored => "fixed when the server was first used",
            Origin::Guess => "a guess, which the claim or the first invitation fixes",
        };
        text.push_str(&format!(
            "address that people are told: {} ({origin})\n",
            address.url
        ));
    }
    for note in &findings.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    for problem in &findings.problems {
        text.push_str(&format!("problem: {problem}\n"));
    }
    text.push_str(if findings.ok {
        "ok: the server can start\n"
    } else {
        "the server would not start\n"
    });
    text
}
