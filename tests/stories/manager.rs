//! What systemd does for the server, done by a test: it holds the listening sockets, starts the program with them, hears what
//! it says of itself, and starts it again. What must not live here: stories.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::sync::Arc;

use crate::harness::{BINARY, Output, PATIENCE, Server};

/// Moves the sockets to where systemd has them (3 and 4) and says so as systemd does; a listener of its own for each.
const AS_SYSTEMD: &str = r#"LISTEN_PID=$$ exec "$0" "$@" 3<&0 4<&1 0</dev/null 1>&2"#;

pub struct Manager {
    pub server: Server,
    sockets: Vec<(&'static str, TcpListener)>,
    heard: UnixDatagram,
}

/// The program, started once.
pub struct Run {
    child: Child,
    pub output: Arc<Output>,
}

impl Manager {
    /// Takes over a server with its data: it is stopped, and started from here from now on.
    pub async fn of(mut server: Server, names: [&'static str; 2]) -> Manager {
        assert_eq!(server.stop().await, Some(0));
        Manager::at("127.0.0.1:0", server, names)
    }

    /// The same with sockets elsewhere, of a server that is stopped.
    pub fn at(address: &str, mut server: Server, names: [&'static str; 2]) -> Manager {
        let sockets = names.map(|name| (name, TcpListener::bind(address).expect("a port")));
        let path = server.dir.path().join("notify.sock");
        let heard = UnixDatagram::bind(&path).expect("a socket in our own directory");
        heard.set_read_timeout(Some(PATIENCE)).expect("a socket can");
        server
            .env
            .push(("NOTIFY_SOCKET".into(), path.to_string_lossy().into_owned()));
        let manager = Manager {
            server,
            sockets: sockets.into(),
            heard,
        };
        manager.server.world.move_to(manager.address(0));
        manager
    }

    pub fn address(&self, socket: usize) -> SocketAddr {
        self.sockets[socket].1.local_addr().expect("it is bound")
    }

    pub fn start(&self, arguments: &[&str]) -> Run {
        let passed = |socket: usize| {
            let copy = self.sockets[socket].1.try_clone().expect("a descriptor is left");
            Stdio::from(OwnedFd::from(copy))
        };
        let names = self.sockets.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let mut all = vec!["-c", AS_SYSTEMD, BINARY];
        all.extend(arguments);
        let mut child = self
            .server
            .started_by("sh", &all)
            .env("LISTEN_FDS", "2")
            .env("LISTEN_FDNAMES", names.join(":"))
            .stdin(passed(0))
            .stdout(passed(1))
            .spawn()
            .expect("there is a shell");
        let output = Arc::new(Output::default());
        output.follow(child.stderr.take().expect("it was piped"));
        Run { child, output }
    }

    /// Starts the server and waits until it says it is ready; gives what it says of its state.
    pub async fn start_well(&self, arguments: &[&str]) -> (Run, String) {
        let run = self.start(arguments);
        let state = self.hears_ready().await;
        let state =
            state.unwrap_or_else(|| panic!("it does not say that it is ready:\n{}", run.output.text()));
        (run, state)
    }

    /// The message that says so, if one comes.
    async fn hears_ready(&self) -> Option<String> {
        let heard = self.heard.try_clone().expect("a descriptor is left");
        let state = tokio::task::spawn_blocking(move || {
            loop {
                let mut buffer = [0; 4096];
                let count = heard.recv(&mut buffer).ok()?;
                let said = String::from_utf8_lossy(&buffer[..count]).into_owned();
                if said.contains("READY=1") {
                    return Some(said);
                }
            }
        });
        state.await.expect("no panic")
    }
}

impl Run {
    pub fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        let done = std::process::Command::new("sh").args(["-c", &line]).status();
        assert!(done.expect("there is a shell").success(), "{line}");
    }

    /// Waits for the end of the process; gives its exit code and what it wrote.
    pub async fn ended(mut self) -> (Option<i32>, String) {
        let output = Arc::clone(&self.output);
        let waited = tokio::task::spawn_blocking(move || self.child.wait().expect("it is our child"));
        let status = tokio::time::timeout(PATIENCE, waited).await;
        let status = status
            .unwrap_or_else(|_| panic!("it does not end:\n{}", output.text()))
            .expect("no panic");
        (status.code(), output.text())
    }

    pub async fn stopped(self) -> (Option<i32>, String) {
        self.signal("TERM");
        self.ended().await
    }
}
