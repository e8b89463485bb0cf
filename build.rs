//! Builds the web client with its own tools, when the feature `web` is on and its sources changed, and writes down for
//! `gateway/http/web/client.rs` which files there are. What must not live here: how the client is bundled and compressed,
//! which is in `web/scripts/build.mjs`.

use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the client is made of. A change in any of these builds it anew; nothing else does.
const SOURCES: [&str; 10] = [
    "web/src",
    "web/public",
    "web/scripts/build.mjs",
    "web/scripts/worker.ts",
    "web/index.html",
    "web/vite.config.ts",
    "web/tsconfig.json",
    "web/package.json",
    "web/package-lock.json",
    "web/.npmrc",
];
/// A folder with a client that was built elsewhere, for machines that have no Node.
const READY_MADE: &str = "KINGLET_WEB_DIST";
/// `off` builds a client whose service worker only takes itself away, from all browsers that have one.
const WORKER: &str = "KINGLET_WEB_WORKER";
const INSTALL: &str = "the web client is built with Node 20.19 or newer and its npm: install them (from Debian 13 on: \
     apt-get install nodejs npm), or build a server without the client: cargo build --no-default-features";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={READY_MADE}");
    println!("cargo:rerun-if-env-changed={WORKER}");
    // Where the program has to be mended for the address that it was loaded to, in a form of a hundredth of the size: half a
    // megabyte (glibc 2.36 reads it; a linker that does not know the option says so and goes on).
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu") {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    if env::var_os("CARGO_FEATURE_WEB").is_none() {
        return;
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    if let Err(why) = client() {
        println!("cargo::error={why}");
        std::process::exit(1);
    }
}

fn client() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let built = match env::var_os(READY_MADE) {
        Some(folder) => PathBuf::from(folder),
        None => {
            let folder = out.join("client");
            build(&folder)?;
            folder
        }
    };
    let list = built.join("files.txt");
    let lines = fs::read_to_string(&list).map_err(|error| {
        format!(
            "cannot read {}: {error}; build the client with npm run build",
            list.display()
        )
    })?;
    // Named from where the table lies, so that no path of this machine is in it: the compiler's hash of a crate is of that, too.
    let table = table(built.strip_prefix(&out).unwrap_or(&built), &lines)?;
    fs::write(out.join("client.rs"), table)
        .map_err(|error| format!("cannot write into {}: {error}", out.display()))
}

/// One build at a time: several cargo commands may share the folder of the packages.
fn build(into: &Path) -> Result<(), String> {
    let lock = File::create("web/.build.lock").map_err(|error| format!("cannot write into web/: {error}"))?;
    lock.lock()
        .map_err(|error| format!("cannot lock web/.build.lock: {error}"))?;
    check_node()?;
    install()?;
    let mut command = Command::new("node");
    run(
        command.arg("web/scripts/build.mjs").arg(into),
        "building the web client",
    )
}

fn check_node() -> Result<(), String> {
    let output = match Command::new("node").arg("--version").output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(format!("there is no Node here; {INSTALL}"));
        }
        Err(error) => return Err(format!("node cannot be started: {error}; {INSTALL}")),
    };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut parts = version
        .trim_start_matches('v')
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) if (major, minor) >= (20, 19) => Ok(()),
        _ => Err(format!("this Node is {version}; {INSTALL}")),
    }
}

/// Fetches the packages when the lock file is not the one they were installed by: the only step that needs a network.
fn install() -> Result<(), String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let wanted = read("web/package-lock.json");
    if read("web/node_modules/.installed-by") == wanted {
        return Ok(());
    }
    let mut command = Command::new("npm");
    command
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir("web");
    run(
        &mut command,
        "installing the web client's packages (this once needs a network)",
    )?;
    fs::write("web/node_modules/.installed-by", wanted)
        .map_err(|error| format!("cannot write into web/node_modules: {error}"))
}

fn run(command: &mut Command, what: &str) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{what} failed: {} {}",
            said(&output.stdout),
            said(&output.stderr)
        )),
        Err(error) => Err(format!("{what} failed: {error}; {INSTALL}")),
    }
}

/// On one line, as cargo shows errors.
fn said(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(" | ")
}

/// The list as a Rust table, sorted by address.
fn table(folder: &Path, lines: &str) -> Result<String, String> {
    let mut rows: Vec<Vec<&str>> = lines.lines().map(|line| line.split('\t').collect()).collect();
    rows.sort();
    let mut table = String::from("[\n");
    for row in rows {
        let [path, media, tag, packing, naming] = row[..] else {
            return Err(format!(
                "files.txt of {} has a line of another form",
                folder.display()
            ));
        };
        let at = folder.join(&path[1..]);
        let bytes = |ending: &str| format!("include_bytes!({:?})", format!("{}{ending}", at.display()));
        let (br, gz) = if packing == "packed" {
            (
                format!("Some({})", bytes(".br")),
                format!("Some({})", bytes(".gz")),
            )
        } else {
            ("None".to_owned(), "None".to_owned())
        };
        table.push_str(&format!(
            "ClientFile {{ path: {path:?}, media: {media:?}, tag: \"\\\"{tag}\\\"\", hashed: {}, plain: {}, br: {br}, gz: {gz} }},\n",
            naming == "hashed",
            bytes(""),
        ));
    }
    table.push(']');
    Ok(table)
}
