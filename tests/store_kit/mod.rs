//! What the store's tests share: a place to open a store in, people, commands, and listeners that answer as the app does.
//! What must not live here: what a store must do (see `store_contract` and `power_cut`).
#![allow(dead_code)] // each test program uses its own part

pub mod words;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kinglet::clock::Clock;
use kinglet::core::change::{Change, Place};
use kinglet::core::permit::{Actor, Settings, authorise};
use kinglet::core::roster::Roster;
use kinglet::proto::{Code, Command, ConversationId, Event, Refusal, Seq, UserId};
use kinglet::store::{
    Append, Commit, Committed, OpenError, Options, Page, Pos, Receipt, Span, Store, Waiter,
};
use tokio::sync::oneshot;

pub const ALL: (Seq, Seq) = (1, Seq::MAX);

/// How a store under test is opened: a second backend joins the contract by its own factory.
pub trait Factory: Sync {
    fn open(&self, setup: &Setup, clock: Arc<Clock>, sink: Box<dyn Committed>) -> Result<Store, OpenError>;
    /// Enters users `1..=count` with one device each; the store is closed meanwhile.
    fn seed_users(&self, setup: &Setup, count: u64);
    /// How far the index for searches is made, without opening the store.
    fn indexed(&self, setup: &Setup) -> Pos;
    /// Waits until a closed store has let go of its files.
    fn settled(&self, setup: &Setup);
}

#[derive(Clone)]
pub struct Setup {
    pub directory: PathBuf,
    pub vfs: Option<String>,
    pub roster_members: usize,
    pub recall_seconds: u64,
    pub edit_seconds: u64,
    pub fatal: Arc<Mutex<Vec<String>>>,
    /// How the program that gave up ends; a real one leaves the process without closing anything.
    pub exit: Arc<dyn Fn() + Send + Sync>,
}

impl Setup {
    pub fn at(directory: &Path) -> Setup {
        Setup {
            directory: directory.to_owned(),
            vfs: None,
            roster_members: 100_000,
            recall_seconds: u64::MAX,
            edit_seconds: u64::MAX,
            fatal: Arc::default(),
            exit: Arc::new(|| ()),
        }
    }
}

/// The embedded store.
pub struct Sqlite;

impl Factory for Sqlite {
    fn open(&self, setup: &Setup, clock: Arc<Clock>, sink: Box<dyn Committed>) -> Result<Store, OpenError> {
        let (fatal, exit) = (Arc::clone(&setup.fatal), Arc::clone(&setup.exit));
        let options = Options {
            directory: setup.directory.clone(),
            vfs: setup.vfs.clone(),
            settings: Settings {
                recall_seconds: setup.recall_seconds,
                edit_seconds: setup.edit_seconds,
            },
            roster_members: setup.roster_members,
            fatal: Arc::new(move |why| {
                locked(&fatal).push(why.to_owned());
                exit();
            }),
        };
        Store::open(options, clock, sink)
    }

    fn seed_users(&self, setup: &Setup, count: u64) {
        let path = setup.directory.join("kinglet.db");
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
        let db = match &setup.vfs {
            Some(vfs) => rusqlite::Connection::open_with_flags_and_vfs(&path, flags, vfs.as_str()),
            None => rusqlite::Connection::open_with_flags(&path, flags),
        };
        let db = db.expect("the store has made its database");
        db.execute_batch("BEGIN").expect("nobody else is there");
        for user in 1..=count.cast_signed() {
            db.execute(
                "INSERT INTO user (id, name, skeleton, display_name, password, role, created, change)
                 VALUES (?1, 'user-' || ?1, 'user-' || ?1, 'User', '', 0, 0, 0)",
                [user],
            )
            .expect("a new user fits");
        }
        db.execute_batch("COMMIT").expect("the users are written");
    }

    fn indexed(&self, setup: &Setup) -> Pos {
        let path = setup.directory.join("kinglet.db");
        let db = rusqlite::Connection::open(&path).expect("the store has made its database");
        let mark = db.query_row("SELECT value FROM meta WHERE key = 'indexed'", [], |row| {
            row.get(0)
        });
        mark.map_or(0, Pos::from_le_bytes)
    }

    fn settled(&self, setup: &Setup) {
        // Its readers' threads close their connections on their own.
        let database = std::fs::canonicalize(&setup.directory)
            .expect("it exists")
            .join("kinglet.db");
        let open = || {
            let files = std::fs::read_dir("/proc/self/fd").expect("this is Linux");
            files
                .flatten()
                .any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == database))
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while open() {
            assert!(
                Instant::now() < deadline,
                "a closed store still holds its database"
            );
            std::thread::yield_now();
        }
    }
}

pub fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything the store told about its commits.
#[derive(Default)]
pub struct Heard {
    pub events: Vec<(Pos, Event)>,
    pub rosters: Vec<(Pos, Arc<Roster>)>,
    pub tombstones: Vec<Event>,
    /// Rows of each commit that wrote any.
    pub commits: Vec<usize>,
}

/// Holds the writer up inside the sink while it is shut.
#[derive(Default)]
pub struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *locked(&self.shut) = shut;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let shut = locked(&self.shut);
        drop(self.opened.wait_while(shut, |shut| *shut));
    }
}

/// The writer is held up until this is dropped.
pub struct Held(Arc<Gate>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// A listener as the app has one: notes the commit, then answers and wakes.
#[derive(Clone, Default)]
pub struct Ears {
    pub heard: Arc<Mutex<Heard>>,
    pub gate: Arc<Gate>,
    pub in_sink: Arc<AtomicUsize>,
}

impl Committed for Ears {
    fn committed(&mut self, commit: Commit) {
        {
            let mut heard = locked(&self.heard);
            if !commit.appended.is_empty() {
                heard.commits.push(commit.appended.len());
            }
            for appended in commit.appended {
                if let Some(roster) = appended.roster {
                    heard.rosters.push((appended.pos, roster));
                }
                heard.tombstones.extend(appended.tombstones);
                heard.events.push((appended.pos, appended.event));
            }
        }
        self.in_sink.fetch_add(1, Ordering::SeqCst);
        self.gate.pass();
        for (waiter, slot, outcome) in commit.answers {
            waiter.answer(slot, outcome);
            waiter.wake();
        }
    }
}

type Slot = oneshot::Sender<Result<Receipt, Refusal>>;

/// A session's waiter: an answer per slot, told once it is woken.
#[derive(Default)]
pub struct Slots {
    waiting: Mutex<HashMap<u32, Slot>>,
    answered: Mutex<Vec<(Slot, Result<Receipt, Refusal>)>>,
}

impl Waiter for Slots {
    fn answer(&self, slot: u32, outcome: Result<Receipt, Refusal>) {
        let sender = locked(&self.waiting)
            .remove(&slot)
            .expect("each slot is answered once");
        locked(&self.answered).push((sender, outcome));
    }

    fn wake(&self) {
        for (sender, outcome) in locked(&self.answered).drain(..) {
            drop(sender.send(outcome));
        }
    }
}

/// The answer to come; nothing comes when the store ends before it answers.
pub type Coming = oneshot::Receiver<Result<Receipt, Refusal>>;

pub fn actor(user: u64) -> Actor {
    Actor::person(UserId(user), user)
}

/// An open store and who listens to it.
pub struct Desk {
    pub store: Store,
    pub ears: Ears,
}

impl Desk {
    pub fn open(factory: &dyn Factory, setup: &Setup, clock: &Arc<Clock>) -> Result<Desk, OpenError> {
        let ears = Ears::default();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match factory.open(setup, Arc::clone(clock), Box::new(ears.clone())) {
                // The threads of the store before have not all ended yet.
                Err(OpenError::InUse(_)) if Instant::now() < deadline => std::thread::yield_now(),
                Ok(store) => return Ok(Desk { store, ears }),
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks as a session does: the rules first, then an earlier answer, then the writer.
    pub async fn submit(&self, who: Actor, command: Command) -> Result<Coming, Result<Receipt, Refusal>> {
        let change = Change::try_from_command(command).expect("a command that changes something");
        let roster = self.roster_for(who, &change).await.map_err(Err)?;
        let permit = match authorise(change, who, roster.as_deref(), self.store.clock().now()) {
            Ok(permit) => permit,
            Err(refused) => {
                let earlier = self.store.repeat(who, &refused.change).await;
                return Err(earlier.unwrap_or(Err(refused.refusal)));
            }
        };
        self.hand_in(permit).map_err(Err)
    }

    /// Holds the writer up behind the commit of one note that user `USERS` writes to themselves.
    pub async fn hold(&self) -> Held {
        let told = self.ears.in_sink.load(Ordering::SeqCst);
        self.ears.gate.set(true);
        let held = Held(Arc::clone(&self.ears.gate));
        let note = words::send_to(USERS, "hold on");
        drop(self.submit(actor(USERS), note).await.expect("there is room"));
        while self.ears.in_sink.load(Ordering::SeqCst) == told {
            tokio::task::yield_now().await;
        }
        held
    }

    /// Holds the writer up without writing anything: behind a message to nobody, which it refuses.
    pub async fn hold_probe(&self) -> Held {
        let told = self.ears.in_sink.load(Ordering::SeqCst);
        self.ears.gate.set(true);
        let held = Held(Arc::clone(&self.ears.gate));
        let nobody = words::send_to(u64::from(u32::MAX), "nobody");
        drop(self.submit(actor(USERS), nobody).await.expect("there is room"));
        while self.ears.in_sink.load(Ordering::SeqCst) == told {
            tokio::task::yield_now().await;
        }
        held
    }

    async fn roster_for(&self, who: Actor, change: &Change) -> Result<Option<Arc<Roster>>, Refusal> {
        let conversation = match change.place() {
            Place::Conversation(conversation) => Some(conversation),
            Place::Direct(peer) => self.store.direct(who.user, peer).await?,
            Place::New => None,
        };
        match conversation {
            Some(conversation) => self.store.roster(conversation).await,
            None => Ok(None),
        }
    }

    pub fn hand_in(&self, permit: kinglet::core::permit::Permit) -> Result<Coming, Refusal> {
        let (sender, coming) = oneshot::channel();
        let waiter = Arc::new(Slots::default());
        locked(&waiter.waiting).insert(7, sender);
        let asked = Instant::now();
        self.store.append(Append {
            permit,
            waiter,
            slot: 7,
            asked,
        })?;
        Ok(coming)
    }

    /// A command's outcome; a store that ends without an answer counts as shutting down.
    pub async fn ask(&self, who: Actor, command: Command) -> Result<Receipt, Refusal> {
        match self.submit(who, command).await {
            Ok(coming) => coming.await.unwrap_or_else(|_| Err(Code::ShuttingDown.into())),
            Err(outcome) => outcome,
        }
    }

    pub async fn done(&self, who: u64, command: Command) -> Receipt {
        let said = format!("{command:?}");
        self.ask(actor(who), command)
            .await
            .unwrap_or_else(|refusal| panic!("{said} of user {who} was refused: {refusal}"))
    }

    pub async fn refused(&self, who: u64, command: Command) -> Code {
        let said = format!("{command:?}");
        match self.ask(actor(who), command).await {
            Err(refusal) => refusal.code,
            Ok(receipt) => panic!("{said} of user {who} was done: {receipt:?}"),
        }
    }

    pub async fn roster(&self, conversation: ConversationId) -> Arc<Roster> {
        self.store
            .roster(conversation)
            .await
            .expect("readable")
            .expect("the conversation is there")
    }

    pub async fn page(&self, conversation: ConversationId, span: Span, limit: usize) -> Page {
        self.store
            .page(conversation, span, vec![ALL], limit)
            .await
            .expect("a page")
    }

    /// A whole conversation, page by page.
    pub async fn log(&self, conversation: ConversationId) -> Result<Vec<(Pos, Event)>, Refusal> {
        let mut events: Vec<(Pos, Event)> = Vec::new();
        loop {
            let after = events.last().map_or(0, |(_, event)| event.seq);
            let page = self
                .store
                .page(conversation, Span::After(after), vec![ALL], 1_000)
                .await?;
            assert!(
                !(page.more && page.events.is_empty()),
                "an empty page says there is more"
            );
            events.extend(page.events);
            if !page.more {
                return Ok(events);
            }
        }
    }
}

/// A desk in a directory of its own, with users `1..=USERS`, that can be closed and opened again.
pub struct World<'a> {
    pub factory: &'a dyn Factory,
    pub setup: Setup,
    pub clock: Arc<Clock>,
    pub desk: Desk,
    pub directory: tempfile::TempDir,
}

pub const USERS: u64 = 40;

impl<'a> World<'a> {
    pub async fn new(factory: &'a dyn Factory) -> World<'a> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let setup = Setup::at(directory.path());
        World::with(factory, directory, setup).await
    }

    pub async fn with(factory: &'a dyn Factory, directory: tempfile::TempDir, setup: Setup) -> World<'a> {
        let clock = Arc::new(Clock::manual(1_700_000_000_000, 11));
        let first = Desk::open(factory, &setup, &clock).expect("an empty directory opens");
        first.store.close().await;
        drop(first);
        factory.seed_users(&setup, USERS);
        let desk = Desk::open(factory, &setup, &clock).expect("it opens again");
        World {
            factory,
            setup,
            clock,
            desk,
            directory,
        }
    }

    pub async fn reopen(self) -> World<'a> {
        self.reopen_after(|_| {}).await
    }

    /// Closes, lets the test do something to the files, and opens.
    pub async fn reopen_after(self, meanwhile: impl FnOnce(&Path)) -> World<'a> {
        let World {
            factory,
            setup,
            clock,
            desk,
            directory,
        } = self;
        desk.store.close().await;
        drop(desk);
        factory.settled(&setup);
        meanwhile(directory.path());
        let desk = Desk::open(factory, &setup, &clock).expect("it opens again");
        World {
            factory,
            setup,
            clock,
            desk,
            directory,
        }
    }
}

impl std::ops::Deref for World<'_> {
    type Target = Desk;
    fn deref(&self) -> &Desk {
        &self.desk
    }
}

/// A seeded choice, so that a failure is its seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n.max(1)
    }

    pub fn of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.below(list.len() as u64)).unwrap_or(0);
        list.get(at)
    }
}
