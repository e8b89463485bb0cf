//! Listening sockets that somebody else holds: systemd passes them in, and they outlive the server. What must not live here:
//! how a passed descriptor is examined (`app/systemd.rs`).

use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hyper::Request;

use crate::harness::{BINARY, PATIENCE, Server};
use crate::manager::Manager;

/// What Debian's package systemd brings along for trying out socket activation.
const STARTER: &str = "systemd-socket-activate";

#[tokio::test]
async fn a_restart_refuses_no_connection() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let manager = Manager::of(server, ["https", "http"]).await;
    let world = Arc::clone(&manager.server.world);
    let (mut run, _) = manager.start_well(&["serve"]).await;
    anna.live().await.tell(&ben.user, "first").await;

    let (stop, refused, came_in) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let knocking = {
        let (world, stop, refused, came_in) = (world.clone(), stop.clone(), refused.clone(), came_in.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                match world.connect(&[]).await {
                    Ok(_) => came_in.fetch_add(1, Ordering::SeqCst),
                    Err(_) => refused.fetch_add(1, Ordering::SeqCst),
                };
                tokio::task::yield_now().await;
            }
        })
    };
    for round in 0..3 {
        let (code, said) = run.stopped().await;
        assert_eq!(code, Some(0), "{round}: {said}");
        // Nobody runs now. Who asks all the same waits, and the next server answers.
        let before = came_in.load(Ordering::SeqCst);
        let waiting = tokio::spawn({
            let (world, token) = (world.clone(), anna.token.clone());
            async move { world.get("/api/v1/profile", Some(&token)).await.json(200) }
        });
        (run, _) = manager.start_well(&["serve"]).await;
        assert_eq!(waiting.await.expect("an answer")["name"], "anna", "{round}");
        let knocked = async {
            while came_in.load(Ordering::SeqCst) == before {
                tokio::task::yield_now().await;
            }
        };
        let knocked = tokio::time::timeout(PATIENCE, knocked).await;
        assert!(knocked.is_ok(), "{round}: who knocked meanwhile comes in");
    }
    stop.store(true, Ordering::SeqCst);
    knocking.await.expect("no panic");
    assert_eq!(
        refused.load(Ordering::SeqCst),
        0,
        "of {}",
        came_in.load(Ordering::SeqCst)
    );
    assert_eq!(anna.live().await.tell(&ben.user, "last").await["seq"], 2);
    assert_eq!(run.stopped().await.0, Some(0));
}

#[tokio::test]
async fn the_socket_called_http_shows_how_to_trust_and_the_other_speaks_tls() {
    let (server, _) = crate::tls::trusted().await;
    let manager = Manager::of(server, ["https", "http"]).await;
    let (run, _) = manager.start_well(&["serve"]).await;
    let world = &manager.server.world;
    assert_eq!(world.get("/health", None).await.status, 200);
    let _ = std::mem::take(&mut *world.tls.lock().expect("nobody panicked"));
    world.move_to(manager.address(1));
    let page = world.get("/", None).await;
    assert!(
        page.status == 200 && page.text.contains("kinglet-ca.crt"),
        "{}",
        page.text
    );
    assert_eq!(run.stopped().await.0, Some(0));
}

#[tokio::test]
async fn systemds_own_starter_starts_it_with_the_first_connection() {
    let mut server = Server::start().await;
    assert_eq!(server.stop().await, Some(0));
    // Free a moment ago: the starter wants a number.
    let address = TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .expect("a port");
    let listen = format!("--listen={address}");
    let own: Vec<String> = ["KINGLET_DATA_DIR", "KINGLET_LIMITS_PACE"]
        .iter()
        .map(|name| format!("--setenv={name}"))
        .collect();
    let mut arguments = vec![listen.as_str(), "--fdname=https"];
    arguments.extend(own.iter().map(String::as_str));
    arguments.extend([BINARY, "serve", "--safe-mode"]);
    let mut child = server
        .started_by(STARTER, &arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("systemd-socket-activate is there; it comes with Debian's package systemd");
    let output = Arc::new(crate::harness::Output::default());
    output.follow(child.stderr.take().expect("it was piped"));
    let listening = Arc::clone(&output);
    let heard = tokio::task::spawn_blocking(move || {
        listening.find(|lines| {
            lines
                .iter()
                .any(|line| line.contains("Listening on"))
                .then_some(())
        })
    });
    assert_eq!(heard.await.expect("no panic"), Some(()), "{}", output.text());
    server.world.move_to(address);
    let asked = Request::get("/health").body(String::new()).expect("a request");
    let health = tokio::time::timeout(PATIENCE, server.world.send(asked)).await;
    assert_eq!(health.expect("in time").status, 200);
    let line = format!("kill -TERM {}", child.id());
    let told = std::process::Command::new("sh").args(["-c", &line]).status();
    assert!(told.expect("there is a shell").success());
    let ended = tokio::task::spawn_blocking(move || child.wait().expect("it is our child"));
    let status = tokio::time::timeout(PATIENCE, ended).await.expect("in time");
    assert_eq!(status.expect("no panic").code(), Some(0), "{}", output.text());
}

/// Whatever the settings say of an address: what is passed in decides how clients come, and so what each of them takes.
#[tokio::test]
async fn the_budget_is_that_of_the_sockets_that_were_passed_in() {
    let mut server = Server::start().await;
    assert_eq!(server.stop().await, Some(0));
    let manager = Manager::at("0.0.0.0:0", server, ["https", "http"]);
    let (run, _) = manager.start_well(&["serve"]).await;
    let said = run.output.text();
    assert!(said.contains("at most 5920 connections"), "{said}");
    assert_eq!(run.stopped().await.0, Some(0));
}

/// And where a setting leaves them to systemd, commands that are typed reckon with them, and a server that gets none is there for
/// this machine.
#[tokio::test]
async fn sockets_that_are_systemds_are_reckoned_with() {
    let mut server = Server::start().await;
    assert_eq!(server.stop().await, Some(0));
    server
        .env
        .push(("KINGLET_LISTEN_ADDRESS".into(), "systemd".into()));
    let (code, said, _) = server.run(&["check"]).await;
    assert!(code == 0 && said.contains("at most 5920 connections"), "{said}");
    let (_, said, _) = server.run(&["limits"]).await;
    assert!(said.contains("5920 with TLS"), "{said}");
    let manager = Manager::at("0.0.0.0:0", server, ["https", "http"]);
    let (run, _) = manager.start_well(&["serve"]).await;
    assert_eq!(run.stopped().await.0, Some(0));
}
