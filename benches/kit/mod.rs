//! What the benches share: a whole server without its sockets, the people on it, and a client that is a session fed with
//! frames. What must not live here: what is measured.
#![allow(dead_code)] // each bench uses its own part

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinglet::app::tie::Tie;
use kinglet::clock::Clock;
use kinglet::core::permit::Settings;
use kinglet::gateway::frame::{self, Flow, Incoming, Reader};
use kinglet::hub::Hub;
use kinglet::limits::{self, Limits};
use kinglet::proto::{Command, codec};
use kinglet::session::accounts::{AccountSettings, Accounts, KeptAddress, WhoMayInvite};
use kinglet::session::files::Files;
use kinglet::session::{Pulse, Quotas, Services, Session, Signed, Writing};
use kinglet::store::{Committed, OpenError, Options, Store};
use kinglet_load::seed::{self, Seed};
use kinglet_load::wire;

/// Opens a store as the server does, with time that stands still and chance from a seed: a run repeats itself.
pub fn open_store(directory: &Path, sink: Box<dyn Committed>) -> Result<Store, OpenError> {
    let options = Options {
        directory: directory.to_owned(),
        vfs: None,
        settings: Settings {
            recall_seconds: u64::MAX,
            edit_seconds: u64::MAX,
        },
        roster_members: limits::ROSTER_MEMBERS,
        fatal: Arc::new(|why| panic!("the store gave up: {why}")),
    };
    Store::open(options, Arc::new(Clock::manual(1_700_000_000_000, 11)), sink)
}

struct Nobody;

impl Committed for Nobody {
    fn committed(&mut self, _: kinglet::store::Commit) {}
}

/// Makes the tables, writes the people into them, and opens the store again.
pub async fn planted(directory: &Path, people: &Seed, sink: impl Fn() -> Box<dyn Committed>) -> Store {
    let store = open_store(directory, Box::new(Nobody)).expect("an empty directory opens");
    store.close().await;
    drop(store);
    seed::write(&directory.join("kinglet.db"), people).expect("the tables are there and nobody uses them");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match open_store(directory, sink()) {
            // The threads of the store that made the tables have not all ended yet.
            Err(OpenError::InUse(_)) if Instant::now() < deadline => tokio::task::yield_now().await,
            opened => return opened.expect("the planted database opens"),
        }
    }
}

/// A server without its sockets.
pub struct House {
    pub services: Arc<Services>,
    directory: tempfile::TempDir,
}

impl House {
    pub async fn with(people: &Seed) -> House {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let hub = Hub::new(0);
        let limits = Limits {
            pace: limits::PACE_MAX,
            ..Limits::default()
        };
        let tie = || Tie::new(Arc::clone(&hub), limits.tail_bytes).expect("a thread can be started");
        let store = planted(directory.path(), people, || Box::new(tie())).await;
        hub.begin_at(store.head_pos());
        let settings = AccountSettings {
            who_may_invite: WhoMayInvite::Admins,
            invitation_days: 7,
            canonical_url: "http://127.0.0.1".into(),
            address_is_set: false,
            encrypted: false,
            sign_in_addresses: KeptAddress::default(),
        };
        let (accounts, _) = Accounts::open(store.clone(), settings)
            .await
            .expect("the accounts can be read");
        let files =
            Files::open(store.clone(), directory.path(), limits.files).expect("the directory is ours");
        let services = Services {
            files: Arc::new(files),
            store,
            hub,
            accounts: Arc::new(accounts),
            limits,
            pulse: Pulse::new(),
            quotas: Quotas::new(limits.pace),
            push: kinglet::session::push::Push::default(),
            exports: kinglet::session::export::Exports::default(),
        };
        House {
            services: Arc::new(services),
            directory,
        }
    }

    /// Signs a user's device in.
    pub async fn sign_in(&self, user: usize, resume: Option<&str>) -> Client {
        let resume = resume.map_or(String::new(), |token| format!(r#","resume":"{token}""#));
        let token = seed::token(user, 0);
        let mut hello = wire::frame(
            wire::TEXT,
            format!(r#"{{"id":0,"type":"hello","token":"{token}"{resume}}}"#).as_bytes(),
        );
        let mut reader = Reader::new();
        let mut request = None;
        let mut take = |incoming: Incoming<'_>| {
            if let Incoming::Text(text) = incoming {
                request = codec::decode(text).ok();
            }
            Flow::Continue
        };
        let limits = frame_limits(limits::FRAME_BEFORE_SIGN_IN);
        reader.feed(&mut hello, &limits, &mut take).expect("a good frame");
        let request = request.expect("a good request");
        let Command::Hello(hello) = request.command else {
            panic!("hello was read as something else");
        };
        let Signed { session, welcome } = Session::sign_in(&self.services, request.id, hello, None)
            .await
            .expect("the user is there");
        let mut out = Vec::new();
        frame::push_text(&mut out, &welcome);
        Client {
            session,
            reader,
            welcome: out,
        }
    }
}

const fn frame_limits(max_message: usize) -> frame::Limits {
    frame::Limits {
        max_message,
        max_fragments: limits::FRAGMENTS,
    }
}

/// A signed-in session between frames that come in and frames that go out, as `gateway::ws` holds one.
pub struct Client {
    session: Session,
    reader: Reader,
    pub welcome: Vec<u8>,
}

impl Client {
    /// Takes the bytes of one read.
    pub async fn feed(&mut self, bytes: &mut [u8]) {
        let (session, mut slow) = (&mut self.session, None);
        let mut refused = Vec::new();
        let mut take = |incoming: Incoming<'_>| {
            if let Incoming::Text(text) = incoming {
                slow = session.receive(text, &mut |payload| refused.extend_from_slice(payload));
            }
            if slow.is_some() {
                Flow::Stop
            } else {
                Flow::Continue
            }
        };
        let limits = frame_limits(limits::FRAME_DEFAULT);
        self.reader.feed(bytes, &limits, &mut take).expect("a good frame");
        if let Some(slow) = slow {
            let mut put = |payload: &[u8]| refused.extend_from_slice(payload);
            self.session.answer(slow, &mut put).await;
        }
        assert!(refused.is_empty(), "{}", String::from_utf8_lossy(&refused));
    }

    /// Waits until there is something, and gives all of it as frames; says how many there were.
    pub async fn next(&mut self) -> usize {
        let bell = Arc::clone(self.session.bell());
        poll_fn(|context| bell.poll_rung(context)).await;
        let _ = bell.take();
        self.fill().await
    }

    /// Waits for so many frames.
    pub async fn take(&mut self, frames: usize) {
        let mut came = 0;
        while came < frames {
            came += self.next().await;
        }
        assert_eq!(came, frames, "more came than was meant");
    }

    /// Gives what is owed now.
    pub async fn fill(&mut self) -> usize {
        let mut frames = 0;
        loop {
            let mut out = Vec::new();
            let writing = self.session.fill(&mut |payload| {
                frames += 1;
                frame::push_text(&mut out, payload);
                out.len() < limits::WRITE_BYTES
            });
            std::hint::black_box(&out);
            match writing {
                Writing::Idle => return frames,
                Writing::Full => {}
                Writing::Page(ask) => {
                    let mut put = |payload: &[u8]| {
                        frames += 1;
                        frame::push_text(&mut out, payload);
                        true
                    };
                    self.session
                        .page(ask, &mut put)
                        .await
                        .expect("a page can be read");
                }
            }
        }
    }

    /// The token that a client would keep.
    pub fn resume(&self) -> String {
        // The header of a frame of this size is four bytes.
        let welcome: serde_json::Value = serde_json::from_slice(&self.welcome[4..]).expect("a welcome");
        welcome["resume"].as_str().expect("it has a token").to_owned()
    }
}

/// The n-th message to somewhere; `to` is the member that says where.
pub fn request(number: u64, to: &str) -> String {
    let client_id = uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(number));
    let text = format!("{number:<100}");
    format!(
        r#"{{"id":{number},"type":"send","client_id":"{client_id}",{to},"body":{{"kind":"text","text":"{text}"}}}}"#
    )
}

/// The same as it comes in.
pub fn message(number: u64, to: &str) -> Vec<u8> {
    wire::frame(wire::TEXT, request(number, to).as_bytes())
}
