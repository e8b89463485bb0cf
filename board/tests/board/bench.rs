//! A root directory with the files and programs that the board would touch, and the board started for a connection of a real
//! socket, as systemd starts it. The programs are scripts that note how they were called: a test cannot reboot.
//! What must not live here: what is expected of the board.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub const BOARD: &str = env!("CARGO_BIN_EXE_kinglet-board");

pub struct Bench {
    directory: TempDir,
}

/// The user that runs the tests.
pub fn own_uid() -> u32 {
    fs::metadata("/proc/self").expect("there is a /proc").uid()
}

impl Bench {
    pub fn new() -> Bench {
        let bench = Bench {
            directory: tempfile::tempdir().expect("a test may make a directory"),
        };
        // Root is heard whatever its name; anybody else must be the server's user.
        let server = if own_uid() == 0 { 990 } else { own_uid() };
        let users = format!(
            "root:x:0:0::/:/bin/sh\nkinglet:x:{server}:991::/:/bin/false\nkinglet-admin:x:1000:1000::/:/bin/sh\n"
        );
        bench.file("etc/passwd", &users);
        for directory in [
            "run/kinglet-board",
            "etc/kinglet-board",
            "etc/ssh/sshd_config.d",
            "var/lib/kinglet-board",
        ] {
            fs::create_dir_all(bench.root().join(directory)).expect("the root is ours");
        }
        for program in [
            "systemctl",
            "hostnamectl",
            "timedatectl",
            "systemd-run",
            "loginctl",
            "systemd-mount",
            "systemd-umount",
        ] {
            bench.program(&format!("usr/bin/{program}"), "");
        }
        bench.program("usr/sbin/sshd", "");
        bench
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn file(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("it is below the root")).expect("the root is ours");
        fs::write(path, text).expect("the root is ours");
    }

    pub fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root().join(path)).ok()
    }

    /// A program that notes its call, then does what `more` says.
    pub fn program(&self, path: &str, more: &str) {
        let calls = self.root().join("calls");
        let text = format!(
            "#!/bin/sh\nprintf '%s\\n' \"${{0##*/}} $*\" >> '{}'\n{more}\n",
            calls.display()
        );
        self.file(path, &text);
        let path = self.root().join(path);
        let draft = path.with_extension("draft");
        fs::rename(&path, &draft).expect("the root is ours");
        installed(&draft, &path);
    }

    /// What was called since the last look.
    pub fn calls(&self) -> Vec<String> {
        let path = self.root().join("calls");
        let text = fs::read_to_string(&path).unwrap_or_default();
        // There is none yet where nothing was called.
        let _ = fs::remove_file(path);
        text.lines().map(str::to_owned).collect()
    }

    pub fn socket(&self) -> PathBuf {
        self.root().join("board.sock")
    }

    /// A connection, and the board started for it.
    pub fn connect(&self) -> (UnixStream, Child) {
        // One that an earlier question left.
        let _ = fs::remove_file(self.socket());
        let listener = UnixListener::bind(self.socket()).expect("the path is short");
        let client = UnixStream::connect(self.socket()).expect("it listens");
        (client, self.serve(&listener))
    }

    /// Starts the board for the next connection.
    pub fn serve(&self, listener: &UnixListener) -> Child {
        let (served, _) = listener.accept().expect("somebody connects");
        Command::new(BOARD)
            .arg("--root")
            .arg(self.root())
            .stdin(Stdio::from(OwnedFd::from(served)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the board can be run")
    }

    /// Sends bytes as they are, and nothing after them.
    pub fn send(&self, bytes: &[u8]) -> Value {
        let (mut client, child) = self.connect();
        // Who is refused early may not take all of it.
        let _ = client.write_all(bytes);
        let _ = client.shutdown(Shutdown::Write);
        let answer = answer(client);
        let output = child.wait_with_output().expect("it is our child");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        answer
    }

    pub fn ask(&self, request: &Value) -> Value {
        self.send(format!("{request}\n").as_bytes())
    }

    /// Asks for what must be done.
    #[track_caller]
    pub fn done(&self, request: &Value) -> Value {
        let answer = self.ask(request);
        assert_eq!(answer["ok"], true, "{request}: {answer}");
        answer
    }

    /// Asks for what must be refused, and gives the code.
    #[track_caller]
    pub fn refused(&self, request: &Value) -> String {
        code(&self.ask(request))
    }
}

/// The code of a refusal that is whole.
#[track_caller]
pub fn code(answer: &Value) -> String {
    assert_eq!(answer["ok"], false, "{answer}");
    let error = &answer["error"];
    assert!(
        error["message"].is_string() && error["next"].is_string(),
        "{answer}"
    );
    error["code"].as_str().expect("a code is text").to_owned()
}

/// The one line that comes.
pub fn answer(client: UnixStream) -> Value {
    let mut lines = BufReader::new(client);
    let mut line = String::new();
    lines.read_line(&mut line).expect("an answer");
    assert!(line.ends_with('\n'), "an answer is a line: {line:?}");
    let parsed = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    line.clear();
    // A reset after the answer is no second line.
    let _ = lines.read_line(&mut line);
    assert_eq!(line, "", "one answer, then the end");
    parsed
}

/// Copies a program by another process: what this one has open for writing, a child of a test beside may hold open, too, and
/// a file that is written to cannot be run.
pub fn installed(from: &Path, to: &Path) {
    let mut install = Command::new("install");
    install.args(["-m", "777"]).arg(from).arg(to);
    assert!(install.status().expect("coreutils are there").success());
    if from.extension().is_some_and(|extension| extension == "draft") {
        fs::remove_file(from).expect("the root is ours");
    }
}
