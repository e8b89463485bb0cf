//! A machine whose addresses change while the server runs, in a network of its own (`unshare`), as the kernel and a client in it
//! see it. What must not live here: what certificates contain (`tests/tls.rs`).

use std::process::{Child, Command, Output as Ran, Stdio};
use std::sync::Arc;

use crate::harness::{BINARY, Output, PATIENCE, Server};

/// Nothing but loopback, a name of its own, and a first address; then whatever is given.
const AS_A_MACHINE: &str = r#"echo "$1" >/proc/sys/kernel/hostname && ip link set lo up && ip addr add "$2" dev lo && exec "$0" serve"#;
const PORT: u16 = 8443;

/// A server on a machine of its own.
struct Machine {
    server: Server,
    child: Child,
    output: Arc<Output>,
}

impl Machine {
    /// With this name and address; the server has been there before, so that its directory is.
    async fn start(name: &str, address: &str, env: &[(&str, &str)]) -> Machine {
        let mut server = Server::start().await;
        assert_eq!(server.stop().await, Some(0));
        let mut child = server
            .started_by(
                "unshare",
                &["-rnu", "sh", "-c", AS_A_MACHINE, BINARY, name, address],
            )
            .env("KINGLET_LISTEN_ADDRESS", format!("0.0.0.0:{PORT}"))
            .envs(env.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Linux has unshare");
        let output = Arc::new(Output::default());
        output.follow(child.stdout.take().expect("it was piped"));
        output.follow(child.stderr.take().expect("it was piped"));
        let machine = Machine {
            server,
            child,
            output,
        };
        machine.says("ready at", 1).await;
        machine
    }

    /// Waits until so many lines have these words.
    async fn says(&self, words: &str, times: usize) {
        let (output, wanted) = (Arc::clone(&self.output), words.to_owned());
        let find = move |lines: &[String]| {
            let count = lines.iter().filter(|line| line.contains(&wanted)).count();
            (count >= times).then_some(())
        };
        let found = tokio::task::spawn_blocking(move || output.find(find)).await;
        found
            .expect("no panic")
            .unwrap_or_else(|| panic!("no line says {words}:\n{}", self.output.text()));
    }

    /// Runs something on that machine.
    async fn run(&self, arguments: &[&str]) -> Ran {
        let pid = self.child.id().to_string();
        let mut command = Command::new("nsenter");
        command
            .args(["--preserve-credentials", "-U", "-n", "-t", &pid, "--"])
            .args(arguments);
        let ran = tokio::task::spawn_blocking(move || command.output().expect("Linux has nsenter"));
        let ran = tokio::time::timeout(PATIENCE, ran).await;
        ran.expect("it ends in time").expect("no panic")
    }

    /// Whether a client there that trusts the authority is served at this address.
    async fn serves(&self, address: &str) -> bool {
        let authority = self.server.data().join("tls").join("ca.pem");
        let url = format!("https://{address}:{PORT}/health");
        let authority = authority.to_str().expect("a path in UTF-8");
        let ran = self.run(&["curl", "-sS", "--cacert", authority, &url]).await;
        ran.status.success()
    }

    async fn has(&self, act: &str, address: &str) {
        let ran = self.run(&["ip", "addr", act, address, "dev", "lo"]).await;
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_new_address_is_in_the_certificate_within_seconds() {
    let machine = Machine::start("kinglet", "10.77.1.5/32", &[]).await;
    assert!(machine.serves("10.77.1.5").await, "{}", machine.output.text());
    assert!(machine.serves("127.0.0.1").await, "this machine itself");
    machine.has("add", "10.77.1.6/32").await;
    machine.says("a new certificate is in use", 1).await;
    assert!(machine.serves("10.77.1.6").await, "{}", machine.output.text());
    machine.has("del", "10.77.1.5/32").await;
    machine.says("a new certificate is in use", 2).await;
    assert!(machine.serves("10.77.1.6").await, "the one that is left");
}

/// A short name is a country's, and most homes have public addresses: no newcomer can do anything about it, nor has to.
#[tokio::test]
async fn what_the_certificate_cannot_name_is_said_where_people_are_sent_there_and_nowhere_else() {
    let machine = Machine::start("de", "198.51.100.7/32", &[]).await;
    let said = machine.output.text();
    assert!(!said.contains("cannot name"), "{said}");
    drop(machine);
    let sent = [("KINGLET_LISTEN_CANONICAL_URL", "https://198.51.100.7:8443")];
    let machine = Machine::start("de", "198.51.100.7/32", &sent).await;
    machine.says("cannot name 198.51.100.7", 1).await;
    let said = machine.output.text();
    assert!(
        said.contains("public authority") && !said.contains("cannot name de"),
        "{said}"
    );
}
