//! Signed-in connections that write to each other: so many messages in flight, or so many a second, each followed until it
//! arrived. One thread, no locks, raw bytes. What must not live here: a system's words, and what is made of the figures.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc};

use super::system::{Heard, Role, System, Voice};
use super::talk::{self, Talk};
use crate::idle::AT_ONCE;
use crate::latency::{Sorted, Times};
use crate::wire::{self, Frames};

/// What a message is for, and so when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To one other; done when it was acked, or where nothing is acked, when it arrived.
    Direct,
    /// To all; done when it arrived everywhere.
    Group,
}

struct Member {
    voice: RefCell<Box<dyn Voice>>,
    socket: OwnedWriteHalf,
    /// What the socket did not take at once.
    backlog: RefCell<Vec<u8>>,
}

/// All connections of one system.
pub struct Crowd {
    members: Vec<Member>,
    kind: Kind,
    acks: bool,
    start: Instant,
    next: Cell<usize>,
    last: Cell<u64>,
    /// Whether what is done lets the next one go.
    open: Cell<bool>,
    sent: Cell<u64>,
    acked: Cell<u64>,
    delivered: Cell<u64>,
    bytes: Cell<u64>,
    /// Messages to the group that have not arrived everywhere, and how many are missing.
    outstanding: RefCell<Vec<(u64, usize)>>,
    ack: Times,
    deliver: Times,
    all: Times,
    broken: RefCell<Option<String>>,
    quiet: Notify,
}

/// What a run came to. Everything sent has arrived.
pub struct Tally {
    pub sent: u64,
    pub delivered: u64,
    /// Bytes that the connections read.
    pub bytes: u64,
    pub elapsed: Duration,
    pub ack: Sorted,
    pub deliver: Sorted,
    /// Until a message was everywhere.
    pub all: Sorted,
    /// How much later than meant messages left; at a fixed rate.
    pub late: Option<Sorted>,
}

/// Signs the roles in, some at a time: Mosquitto looks at new WebSockets a few times a second only.
async fn enter_all(
    system: &Rc<dyn System>,
    host: SocketAddr,
    roles: &[Role],
) -> Result<Vec<(Talk, Box<dyn Voice>)>> {
    let mut entered = Vec::with_capacity(roles.len());
    // The first one alone: it makes the room.
    let (first, others) = roles.split_at(roles.len().min(1));
    for some in std::iter::once(first).chain(others.chunks(AT_ONCE)) {
        let entering: Vec<_> = some
            .iter()
            .map(|role| {
                let (system, role) = (Rc::clone(system), *role);
                tokio::task::spawn_local(async move { talk::enter(&*system, host, false, None, role).await })
            })
            .collect();
        for one in entering {
            entered.push(one.await??);
        }
    }
    Ok(entered)
}

impl Crowd {
    /// Connects the roles. Needs a `LocalSet` around it.
    pub async fn gather(
        system: &Rc<dyn System>,
        host: SocketAddr,
        roles: &[Role],
        kind: Kind,
    ) -> Result<Rc<Crowd>> {
        let (mut members, mut readers) = (Vec::new(), Vec::new());
        for (talk, voice) in enter_all(system, host, roles).await? {
            let stream = talk
                .stream
                .bare()
                .context("only plain connections carry a load")?;
            let (from, to) = stream.into_split();
            members.push(Member {
                voice: RefCell::new(voice),
                socket: to,
                backlog: RefCell::default(),
            });
            readers.push((from, talk.frames));
        }
        let crowd = Rc::new(Crowd {
            members,
            kind,
            acks: system.acks(),
            start: Instant::now(),
            next: Cell::new(0),
            last: Cell::new(0),
            open: Cell::new(false),
            sent: Cell::new(0),
            acked: Cell::new(0),
            delivered: Cell::new(0),
            bytes: Cell::new(0),
            outstanding: RefCell::default(),
            ack: Times::default(),
            deliver: Times::default(),
            all: Times::default(),
            broken: RefCell::default(),
            quiet: Notify::new(),
        });
        for (at, (from, frames)) in readers.into_iter().enumerate() {
            let crowd = Rc::clone(&crowd);
            tokio::task::spawn_local(async move {
                let ended = crowd.listen(at, from, frames).await;
                crowd.break_off(format!("connection {at} ended: {ended:?}"));
            });
        }
        Ok(crowd)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).expect("a run is shorter than centuries")
    }

    fn break_off(&self, why: String) {
        self.broken.borrow_mut().get_or_insert(why);
        self.quiet.notify_one();
    }

    async fn listen(self: &Rc<Self>, at: usize, mut from: OwnedReadHalf, mut frames: Frames) -> Result<()> {
        let mut bytes = vec![0; 16 * 1024];
        let mut reply = Vec::new();
        loop {
            while let Some((opcode, range)) = frames.take()? {
                let payload = frames.payload(range);
                match opcode {
                    wire::PING => reply.extend_from_slice(&wire::frame(wire::PONG, payload)),
                    wire::PONG => {}
                    wire::CLOSE => bail!("closed: {}", String::from_utf8_lossy(payload)),
                    _ => {
                        let heard = self.members[at].voice.borrow_mut().hear(payload, &mut reply);
                        self.heard(heard);
                    }
                }
            }
            if !reply.is_empty() {
                self.write(at, &reply)?;
                reply.clear();
            }
            let count = from.read(&mut bytes).await?;
            ensure!(count > 0, "the server closed the socket");
            self.bytes.set(self.bytes.get() + count as u64);
            frames.push(&bytes[..count]);
        }
    }

    fn write(self: &Rc<Self>, at: usize, bytes: &[u8]) -> Result<()> {
        let member = &self.members[at];
        let mut backlog = member.backlog.borrow_mut();
        if !backlog.is_empty() {
            backlog.extend_from_slice(bytes);
            return Ok(());
        }
        let count = match member.socket.try_write(bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error.into()),
        };
        if count < bytes.len() {
            backlog.extend_from_slice(&bytes[count..]);
            let crowd = Rc::clone(self);
            tokio::task::spawn_local(async move {
                if let Err(error) = crowd.flush(at).await {
                    crowd.break_off(format!("writing to connection {at}: {error}"));
                }
            });
        }
        Ok(())
    }

    async fn flush(&self, at: usize) -> std::io::Result<()> {
        let member = &self.members[at];
        loop {
            member.socket.writable().await?;
            let mut backlog = member.backlog.borrow_mut();
            match member.socket.try_write(&backlog) {
                Ok(count) => drop(backlog.drain(..count)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if backlog.is_empty() {
                return Ok(());
            }
        }
    }

    /// Sends one message from the next member, as meant for this moment: times are measured from there.
    fn send(self: &Rc<Self>, meant: u64) {
        let at = self.next.get();
        self.next.set((at + 1) % self.members.len());
        // No two messages have one stamp.
        let stamp = meant.max(self.last.get() + 1);
        self.last.set(stamp);
        let mut frame = Vec::with_capacity(512);
        {
            let mut voice = self.members[at].voice.borrow_mut();
            match self.kind {
                Kind::Direct => voice.direct(stamp, &mut frame),
                Kind::Group => voice.post(stamp, &mut frame),
            }
        }
        self.sent.set(self.sent.get() + 1);
        if self.kind == Kind::Group {
            self.outstanding.borrow_mut().push((stamp, self.members.len()));
        }
        if let Err(error) = self.write(at, &frame) {
            self.break_off(format!("writing to connection {at}: {error:#}"));
        }
    }

    fn heard(self: &Rc<Self>, heard: Heard) {
        let since = |stamp: u64| Duration::from_nanos(self.now().saturating_sub(stamp));
        let done = match heard {
            Heard::Else => return,
            Heard::Refused(why) => return self.break_off(why),
            Heard::Ack(stamp) => {
                self.acked.set(self.acked.get() + 1);
                self.ack.note(since(stamp));
                self.kind == Kind::Direct
            }
            Heard::Delivery(stamp) => {
                self.delivered.set(self.delivered.get() + 1);
                self.deliver.note(since(stamp));
                match self.kind {
                    Kind::Direct => !self.acks,
                    Kind::Group => self.is_everywhere(stamp),
                }
            }
        };
        if done && self.open.get() {
            self.send(self.now());
        }
        if !self.open.get() && self.is_still() {
            self.quiet.notify_one();
        }
    }

    /// Counts an arrival of a message to the group; whether it was the last.
    fn is_everywhere(&self, stamp: u64) -> bool {
        let mut outstanding = self.outstanding.borrow_mut();
        let Some(at) = outstanding.iter().position(|(known, _)| *known == stamp) else {
            return false;
        };
        outstanding[at].1 -= 1;
        if outstanding[at].1 > 0 {
            return false;
        }
        outstanding.swap_remove(at);
        self.all
            .note(Duration::from_nanos(self.now().saturating_sub(stamp)));
        true
    }

    /// Whether everything that was sent is done.
    fn is_still(&self) -> bool {
        let (sent, acked) = (self.sent.get(), self.acked.get());
        let copies = match self.kind {
            Kind::Direct => 1,
            Kind::Group => self.members.len() as u64,
        };
        self.delivered.get() == sent * copies && (!self.acks || acked == sent)
    }

    fn begin(&self) -> Instant {
        for count in [&self.sent, &self.acked, &self.delivered, &self.bytes] {
            count.set(0);
        }
        for times in [&self.ack, &self.deliver, &self.all] {
            times.take();
        }
        Instant::now()
    }

    async fn end(&self, begun: Instant, late: Option<Sorted>) -> Result<Tally> {
        self.open.set(false);
        let still = async {
            while !self.is_still() && self.broken.borrow().is_none() {
                self.quiet.notified().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), still).await.is_ok();
        let elapsed = begun.elapsed();
        if let Some(why) = &*self.broken.borrow() {
            bail!("refused or broken, which spoils the figures: {why}");
        }
        ensure!(
            in_time,
            "of {} messages {} were acked and {} copies arrived within 30 s of the last",
            self.sent.get(),
            self.acked.get(),
            self.delivered.get()
        );
        Ok(Tally {
            sent: self.sent.get(),
            delivered: self.delivered.get(),
            bytes: self.bytes.get(),
            elapsed,
            ack: self.ack.take(),
            deliver: self.deliver.take(),
            all: self.all.take(),
            late,
        })
    }

    /// A closed loop: `in_flight` messages at any time, all members together.
    pub async fn circulate(self: &Rc<Self>, in_flight: usize, time: Duration) -> Result<Tally> {
        let begun = self.begin();
        self.open.set(true);
        for _ in 0..in_flight {
            self.send(self.now());
        }
        let broken = async {
            while self.broken.borrow().is_none() {
                self.quiet.notified().await;
            }
        };
        // Over before its time only if something broke.
        let _ = tokio::time::timeout(time, broken).await;
        self.end(begun, None).await
    }

    /// A fixed rate, whatever the answers do.
    pub async fn pace(self: &Rc<Self>, rate: u64, time: Duration) -> Result<Tally> {
        let begun = self.begin();
        let (start, late) = (self.start, Times::default());
        let total = rate * time.as_secs();
        let (say, mut hear) = mpsc::channel(1024);
        // A thread of its own: the runtime's timer counts whole milliseconds.
        let pacer = std::thread::spawn(move || {
            let now = || start.elapsed().as_nanos() as u64;
            let first = now();
            for number in 0..total {
                let meant = first + number * 1_000_000_000 / rate;
                while let Some(wait) = meant.checked_sub(now()).filter(|wait| *wait > 0) {
                    std::thread::park_timeout(Duration::from_nanos(wait));
                }
                if say.blocking_send(meant).is_err() {
                    return;
                }
            }
        });
        while let Some(meant) = hear.recv().await {
            if self.broken.borrow().is_some() {
                break;
            }
            late.note(Duration::from_nanos(self.now().saturating_sub(meant)));
            self.send(meant);
        }
        drop(hear);
        ensure!(pacer.join().is_ok(), "the pacer panicked");
        self.end(begun, Some(late.take())).await
    }
}
