//! A server process of one's own: started on a free port with a directory of its own, killed, restarted, stopped; and the
//! people on it. When a test fails it tells the frames, the server's output and its limits.
//! What must not live here: frames (`live`), requests (`http`), stories.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

pub const BINARY: &str = env!("CARGO_BIN_EXE_kinglet");
/// Far beyond what anything here takes, on a machine that is busy with other things, too.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// A password of all people here.
pub const PASSWORD: &str = "seven quiet herons";
/// Frames that a failing test shows.
const FRAMES_SHOWN: usize = 300;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Where the server is, and all that was said to it.
pub struct World {
    address: Mutex<SocketAddr>,
    pub tls: Mutex<Option<Arc<rustls::ClientConfig>>>,
    frames: Mutex<VecDeque<String>>,
}

impl World {
    pub fn address(&self) -> SocketAddr {
        *lock(&self.address)
    }

    /// The server is somewhere else from now on.
    pub fn move_to(&self, address: SocketAddr) {
        *lock(&self.address) = address;
    }

    pub fn client_tls(&self) -> Option<Arc<rustls::ClientConfig>> {
        lock(&self.tls).clone()
    }

    /// Keeps a frame or a request for the report of a failure.
    pub fn note(&self, who: &str, direction: &str, what: &str) {
        let mut frames = lock(&self.frames);
        if frames.len() >= FRAMES_SHOWN {
            frames.pop_front();
        }
        let short: String = what.chars().take(400).collect();
        frames.push_back(format!("{who} {direction} {short}"));
    }
}

/// What the server printed, line by line, as it comes.
#[derive(Default)]
pub struct Output {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    ended: usize,
}

impl Output {
    pub fn follow(self: &Arc<Output>, pipe: impl Read + Send + 'static) {
        let output = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                lock(&output.said)
                    .lines
                    .push(String::from_utf8_lossy(&line).into_owned());
                output.changed.notify_all();
            }
            lock(&output.said).ended += 1;
            output.changed.notify_all();
        });
    }

    /// Waits until something can be found in the lines; nothing when the process ended first, or after `PATIENCE`.
    pub fn find<T>(&self, find: impl Fn(&[String]) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut said = lock(&self.said);
        loop {
            if let Some(found) = find(&said.lines) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if said.ended >= 2 || left.is_zero() {
                return None;
            }
            said = self
                .changed
                .wait_timeout(said, left)
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .0;
        }
    }

    pub fn text(&self) -> String {
        lock(&self.said).lines.join("\n")
    }
}

pub struct Server {
    pub dir: Arc<TempDir>,
    pub env: Vec<(String, String)>,
    pub world: Arc<World>,
    pub output: Arc<Output>,
    child: Option<Child>,
    owner: Option<Person>,
}

/// A user with one signed-in device.
#[derive(Clone)]
pub struct Person {
    pub name: String,
    pub user: String,
    pub device: String,
    pub token: String,
    /// A conversation for markers, of one who may not write to themselves.
    pub aside: Option<String>,
    pub world: Arc<World>,
}

/// For stories that move megabytes: one at a time. The kernel's socket memory is one of the server's pools and is counted
/// for the whole machine, the clients' side of these sockets included; beyond it slow readers are cut off.
pub async fn heavy() -> tokio::sync::MutexGuard<'static, ()> {
    static HEAVY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    HEAVY.lock().await
}

/// A fresh client id.
pub fn id() -> String {
    Uuid::now_v7().to_string()
}

impl Server {
    /// A server with the usual settings.
    pub async fn start() -> Server {
        Server::with(&[]).await
    }

    /// A server with some `KINGLET_...` variables of its own.
    pub async fn with(env: &[(&str, &str)]) -> Server {
        let dir = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        // A story is told faster than people talk; the one about the pace sets its own.
        let env = [("KINGLET_LIMITS_PACE", "1000")]
            .iter()
            .chain(env)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let world = Arc::new(World {
            address: Mutex::new(SocketAddr::from(([127, 0, 0, 1], 0))),
            tls: Mutex::default(),
            frames: Mutex::default(),
        });
        let mut server = Server {
            dir,
            env,
            world,
            output: Arc::default(),
            child: None,
            owner: None,
        };
        server.restart().await;
        server
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The program with this server's settings and the given arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.started_by(BINARY, arguments)
    }

    /// Another program, in this server's directory and with its settings: one that starts the server.
    pub fn started_by(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        let foreign = std::env::vars_os().map(|(name, _)| name);
        for name in foreign.filter(|name| name.to_string_lossy().starts_with("KINGLET_")) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_remove("NOTIFY_SOCKET")
            .env_remove("JOURNAL_STREAM")
            .env("KINGLET_DATA_DIR", self.data())
            .env("KINGLET_LISTEN_ADDRESS", "127.0.0.1:0")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the process, which must not run, and waits until it says where it listens.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let output = Arc::new(Output::default());
        let mut child = self.command(&["serve"]).spawn().expect("the binary can be run");
        output.follow(child.stdout.take().expect("it was piped"));
        output.follow(child.stderr.take().expect("it was piped"));
        self.child = Some(child);
        self.output = Arc::clone(&output);
        let found = tokio::task::spawn_blocking(move || {
            output.find(|lines| {
                let mut lines = lines.iter();
                lines.find_map(|line| {
                    address_in(line).filter(|_| line.contains("ready at") || line.contains("listens at"))
                })
            })
        })
        .await
        .expect("waiting does not panic");
        let address = found.expect("the server says where it listens");
        *lock(&self.world.address) = address;
        if !self.env.iter().any(|(name, _)| name == "KINGLET_TLS_MODE") {
            let health = self.world.get("/health", None).await;
            assert!(
                [200, 426].contains(&health.status),
                "the server is not ready: {}",
                health.text
            );
        }
    }

    /// Waits for a line that has these words, and gives it.
    pub async fn says(&self, words: &str) -> String {
        let (output, wanted) = (Arc::clone(&self.output), words.to_owned());
        let find = move |lines: &[String]| lines.iter().find(|line| line.contains(&wanted)).cloned();
        let found = tokio::task::spawn_blocking(move || output.find(find)).await;
        found
            .expect("no panic")
            .unwrap_or_else(|| panic!("no line says {words}"))
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Pulls the plug of the process.
    pub fn kill9(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let done = Command::new("sh")
            .args(["-c", &format!("kill -{name} {pid}")])
            .status();
        assert!(
            done.expect("there is a shell").success(),
            "the signal {name} was not sent"
        );
    }

    /// Asks the process to stop, and gives its exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.exited().await
    }

    /// Waits for the end of the process.
    pub async fn exited(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("the server runs");
        let ended = tokio::task::spawn_blocking(move || child.wait().expect("it is our child"));
        let status = tokio::time::timeout(PATIENCE, ended)
            .await
            .expect("the server ends in time");
        status.expect("waiting does not panic").code()
    }

    /// Runs a subcommand beside the server, and gives its exit code and what it printed.
    pub async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.command(arguments);
        let ran = tokio::task::spawn_blocking(move || command.output().expect("the binary can be run"));
        let output = tokio::time::timeout(PATIENCE, ran)
            .await
            .expect("it ends in time")
            .expect("no panic");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (
            output.status.code().unwrap_or(-1),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// The code on the screen.
    pub async fn claim_code(&self) -> String {
        let output = Arc::clone(&self.output);
        let found = tokio::task::spawn_blocking(move || {
            output.find(|lines| lines.iter().find_map(|line| code_in(line)))
        });
        found
            .await
            .expect("no panic")
            .expect("an unclaimed server prints its code")
    }

    /// The owner: claims the server at the first call.
    pub async fn owner(&mut self) -> Person {
        if let Some(owner) = &self.owner {
            return owner.clone();
        }
        let code = self.claim_code().await;
        let ask = json!({ "code": code, "name": "olga", "password": PASSWORD, "device": new_device() });
        let reply = self.world.post("/api/v1/claim", None, &ask).await;
        let owner = Person::from(&self.world, &reply.json(200));
        self.owner = Some(owner.clone());
        owner
    }

    /// A new user, invited by the owner.
    pub async fn person(&mut self, name: &str) -> Person {
        let owner = self.owner().await;
        let invitation = owner
            .post("/api/v1/invitations", &json!({ "client_id": id() }))
            .await
            .json(200);
        let ask =
            json!({ "code": invitation["code"], "name": name, "password": PASSWORD, "device": new_device() });
        let reply = self.world.post("/api/v1/join", None, &ask).await;
        Person::from(&self.world, &reply.json(200))
    }

    /// Some new users.
    pub async fn people<const N: usize>(&mut self, names: [&str; N]) -> [Person; N] {
        let mut people = Vec::new();
        for name in names {
            people.push(self.person(name).await);
        }
        people
            .try_into()
            .unwrap_or_else(|_| unreachable!("one for each name"))
    }

    /// A number of the server's metrics, summed over its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.world.get("/metrics", None).await.text;
        let values = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                let own = series.split('{').next()? == name;
                own.then(|| value.parse::<f64>().ok()).flatten()
            });
        let values: Vec<f64> = values.collect();
        assert!(!values.is_empty(), "there is no metric {name} in:\n{text}");
        values.iter().sum()
    }

    /// Memory of the process that is really there, in bytes.
    pub fn resident(&self) -> usize {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the server runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .expect("the kernel says so");
        let kib = line
            .split_whitespace()
            .nth(1)
            .and_then(|text| text.parse::<usize>().ok());
        kib.expect("a number") * 1024
    }
}

impl Person {
    pub fn from(world: &Arc<World>, signed_in: &Value) -> Person {
        let text = |key: &str| {
            signed_in[key]
                .as_str()
                .unwrap_or_else(|| panic!("{key} in {signed_in}"))
                .to_owned()
        };
        Person {
            name: text("name"),
            user: text("user"),
            device: text("device"),
            token: text("token"),
            aside: None,
            world: Arc::clone(world),
        }
    }

    /// A bot, from the answer to who made it or its token.
    pub fn bot(world: &Arc<World>, made: &Value) -> Person {
        let mut signed_in = made["bot"].clone();
        for key in ["device", "token"] {
            signed_in[key] = made[key].clone();
        }
        Person::from(world, &signed_in)
    }

    /// The same user on another, new device.
    pub async fn other_device(&self) -> Person {
        let ask = json!({ "name": self.name, "password": PASSWORD, "device": new_device() });
        let reply = self.world.post("/api/v1/sign-in", None, &ask).await;
        Person::from(&self.world, &reply.json(200))
    }
}

pub fn new_device() -> Value {
    json!({ "id": Uuid::now_v7().to_string(), "name": "test bench" })
}

/// `http://127.0.0.1:40123` somewhere in a line.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("://")?;
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))
        .unwrap_or(rest.len());
    rest[..end]
        .parse()
        .ok()
        .filter(|address: &SocketAddr| address.port() != 0)
}

/// `12345-67890` somewhere in a line.
fn code_in(line: &str) -> Option<String> {
    let is_code = |word: &&str| {
        word.len() == 11
            && word.bytes().enumerate().all(|(at, byte)| {
                if at == 5 {
                    byte == b'-'
                } else {
                    byte.is_ascii_digit()
                }
            })
    };
    line.split(|c: char| !(c.is_ascii_digit() || c == '-'))
        .find(is_code)
        .map(str::to_owned)
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if !std::thread::panicking() {
            return;
        }
        eprintln!("---- the last frames and requests");
        for frame in lock(&self.world.frames).iter() {
            eprintln!("{frame}");
        }
        eprintln!("---- what the server printed\n{}", self.output.text());
        if let Ok(limits) = self.command(&["limits"]).output() {
            eprintln!("---- its limits\n{}", String::from_utf8_lossy(&limits.stdout));
        }
    }
}
