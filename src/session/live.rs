//! A signed-in device on a live socket: what it asked, what it is owed, where it stands. It is given text and gives
//! frames; whoever owns the socket decides when. What must not live here: the socket.

use std::sync::Arc;

use super::deliver::{Deliver, Filled};
use super::desk::Desk;
use super::submit::{self, Submitted};
use super::{Services, Who, answer, settings};
use crate::core::change::Change;
use crate::core::cursor::{Position, Start};
use crate::core::permit::bots::{self, Errand};
use crate::core::roster::Roster;
use crate::hub::{Bell, Pos};
use crate::limits;
use crate::meters::{METERS, add, lower};
use crate::proto::answer::{CatchUp, Welcome, WelcomeLimits};
use crate::proto::command::Hello;
use crate::proto::{Answer, Code, Command, ConversationId, DeviceId, Notice, Refusal, RequestId, codec};
use crate::store::Waiter;

/// A connected, signed-in device. While nothing happens this is all that is kept of it.
pub struct Session {
    services: Arc<Services>,
    bell: Arc<Bell>,
    deliver: Deliver,
    /// What waits for the writer; put away at a pulse that finds nothing waiting.
    asking: Option<Box<Asking>>,
    accounts: u64,
    /// The position last told to the client.
    told: Pos,
    /// When something was last heard, in seconds of the pulse.
    heard: u32,
    /// Told to be behind: no position is told before a `sync` has been answered, or the skipped part would be lost.
    behind: bool,
}

/// Requests that wait for the writer, and where it puts its answers.
struct Asking {
    desk: Arc<Desk>,
    pending: Vec<(u32, RequestId)>,
    next_slot: u32,
}

/// A fresh session, and the welcome that opens it.
pub struct Signed {
    pub session: Session,
    pub welcome: Vec<u8>,
}

/// What only the store can answer; no further request is read until it is done.
pub struct Slow(Box<SlowKind>);

enum SlowKind {
    Ask(RequestId, Change),
    Question(RequestId, Command),
}

/// What a filling of the outgoing buffer came to.
pub enum Writing {
    /// Nothing more to say now.
    Idle,
    /// Write what is there, then fill again.
    Full,
    /// Events further back: `Session::page`.
    Page(PageAsk),
}

/// What of the store comes next.
pub struct PageAsk(Pages);

enum Pages {
    /// Events that delivery goes on with.
    Events(ConversationId, Pos, Arc<Roster>),
    /// Settings of one's own that have changed.
    Settings,
}

/// What to do when a pulse comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    Nothing,
    Ping,
    /// Nothing was heard for two intervals: the other end is gone.
    Silent,
}

impl Session {
    /// Signs a device in on a live socket.
    ///
    /// # Errors
    /// `signed_out` for a dead token, `forbidden` for a bot that may not read, `too_many_connections`, `busy`.
    pub async fn sign_in(
        services: &Arc<Services>,
        re: RequestId,
        hello: Hello,
        header_token: Option<&str>,
    ) -> Result<Signed, Refusal> {
        let token = hello.token.as_deref().or(header_token).ok_or(Code::NotSignedIn)?;
        let caller = services.accounts.authenticate(token).await?;
        let who = Who::from(caller);
        // A live socket is told of events from its first moment.
        bots::may_run(who.scopes, Errand::Read)?;
        let most = services.limits.connections_per_user;
        let bell = Arc::new(Bell::new(who.user, who.device, most).of(who.scopes));
        let is_first = services.hub.attach(&bell).map_err(|_| Code::TooManyConnections)?;
        let mut session = Session {
            services: Arc::clone(services),
            bell,
            deliver: Deliver::from(0, services.hub.stamp()),
            asking: None,
            accounts: 0,
            told: 0,
            heard: services.pulse.seconds(),
            behind: false,
        };
        add(&METERS.sessions_signed_in, 1);
        // From here on dropping the session takes it out of the hub again. The token is looked at once more now that a
        // revocation would reach the bell: one that came in between has not.
        let start = Position::start(hello.resume.as_deref(), services.store.head());
        open_conversations(services, token, who.user, &start).await?;
        let catch_up = session.place(start).await?;
        services.pulse.join(&session.bell);
        if is_first {
            services.hub.tell_presence(who.user, true);
        }
        let welcome = codec::encode_reply(re, Answer::Welcome(session.welcome(caller.device_id, catch_up)));
        Ok(Signed { session, welcome })
    }

    /// Decides where delivery starts.
    async fn place(&mut self, start: Start) -> Result<CatchUp, Refusal> {
        let head = self.services.store.head();
        let rung = self.services.hub.rung().min(head.log);
        self.accounts = head.accounts;
        self.deliver.position = rung;
        self.told = rung;
        // Whatever was rung before the bell hung is looked for.
        self.bell.hint_many();
        match start {
            Start::Walk(from) => {
                self.deliver.position = from.log.min(rung);
                self.accounts = from.accounts;
                self.told = self.deliver.position;
                self.catch_up_on_users(from).await?;
                Ok(CatchUp::Streaming)
            }
            Start::List => Ok(CatchUp::Sync),
            Start::Resync => Ok(CatchUp::Resync),
        }
    }

    /// Profiles and settings that changed since the token are told by a later `sync`; here only the number is moved on when
    /// nothing changed.
    async fn catch_up_on_users(&mut self, from: Position) -> Result<(), Refusal> {
        // Read before: what changes meanwhile lies after it.
        let head = self.services.store.head().accounts;
        if head == from.accounts {
            return Ok(());
        }
        let users = self.services.store.users_changed_since(from.accounts, 1).await?;
        let own = self
            .services
            .store
            .settings_since(self.bell.user(), from.accounts, 1)
            .await?;
        let follows = self
            .services
            .store
            .follows_since(self.bell.user(), from.accounts, 1)
            .await?;
        if users.is_empty() && own.settings.is_empty() && follows.is_empty() {
            self.accounts = head;
        }
        Ok(())
    }

    fn token(&self, log: Pos) -> String {
        Position {
            epoch: self.services.store.head().epoch,
            log,
            accounts: self.accounts,
        }
        .to_token()
    }

    fn welcome(&self, device: DeviceId, catch_up: CatchUp) -> Welcome {
        let now = self.services.store.clock().now();
        let epoch = self.services.store.head().epoch.to_le_bytes();
        Welcome {
            user: self.bell.user(),
            device,
            epoch: data_encoding::HEXLOWER.encode(&epoch),
            resume: self.token(self.deliver.position),
            catch_up,
            limits: WelcomeLimits {
                frame_bytes: self.services.limits.frame,
                body_bytes: limits::BODY_BYTES,
                in_flight: limits::IN_FLIGHT,
                page_events: limits::PAGE_EVENTS,
                ping_ms: u64::try_from(limits::PING_EVERY.as_millis()).expect("a short interval"),
            },
            capabilities: self.services.capabilities(),
            ts: now.ms,
            synchronised: now.synchronised,
        }
    }

    #[must_use]
    pub fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    #[must_use]
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Whether another request may be read.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.asking
            .as_ref()
            .is_none_or(|asking| asking.pending.len() < limits::IN_FLIGHT)
    }

    fn who(&self) -> Who {
        Who {
            user: self.bell.user(),
            device: self.bell.device(),
            scopes: self.bell.scopes(),
        }
    }

    /// Takes one request. Most are on their way (or refused) when this returns; what the store must answer is given back.
    pub fn receive(&mut self, text: &str, put: &mut dyn FnMut(&[u8])) -> Option<Slow> {
        let request = match codec::decode(text) {
            Ok(request) => request,
            Err(bad) => {
                self.refuse(bad.re, bad.refusal, put);
                return None;
            }
        };
        let afforded = self
            .services
            .quotas
            .take(self.bell.user(), &request.command, super::pulse::now_ms());
        if let Err(refusal) = afforded {
            self.refuse(Some(request.id), refusal, put);
            return None;
        }
        match Change::try_from_command(request.command) {
            Ok(change) => self.submit(request.id, change, put),
            Err(question) => Some(Slow(Box::new(SlowKind::Question(request.id, question)))),
        }
    }

    fn submit(&mut self, id: RequestId, change: Change, put: &mut dyn FnMut(&[u8])) -> Option<Slow> {
        let who = self.who();
        let asking = asking(&mut self.asking, &self.bell);
        let waiter: Arc<dyn Waiter> = Arc::clone(&asking.desk) as Arc<dyn Waiter>;
        match submit::submit(&self.services, &who, change, &waiter, asking.next_slot) {
            Ok(Submitted::Queued) => {
                asking.wait_for(id);
                None
            }
            Ok(Submitted::Ask(change)) => Some(Slow(Box::new(SlowKind::Ask(id, change)))),
            Err(refusal) => {
                self.refuse(Some(id), refusal, put);
                None
            }
        }
    }

    /// Answers what `receive` gave back.
    pub async fn answer(&mut self, slow: Slow, put: &mut (dyn FnMut(&[u8]) + Send)) {
        match *slow.0 {
            SlowKind::Ask(id, change) => {
                let who = self.who();
                let asking = asking(&mut self.asking, &self.bell);
                let waiter: Arc<dyn Waiter> = Arc::clone(&asking.desk) as Arc<dyn Waiter>;
                match submit::ask(&self.services, &who, change, &waiter, asking.next_slot).await {
                    Ok(Some(repeat)) => put(&codec::encode_reply(id, Answer::Ack(submit::ack(repeat)))),
                    Ok(None) => asking.wait_for(id),
                    Err(refusal) => self.refuse(Some(id), refusal, put),
                }
            }
            SlowKind::Question(id, question) => {
                if let Command::Presence(presence) = &question {
                    self.services.hub.set_presence(&self.bell, presence.on);
                }
                match answer::answer(&self.services, &self.who(), question).await {
                    Ok(answer) => {
                        // A page that says `more` has not caught up: the client goes on from its token.
                        self.behind &= !matches!(&answer, Answer::Sync(page) if !page.more);
                        put(&codec::encode_reply(id, answer));
                    }
                    Err(refusal) => self.refuse(Some(id), refusal, put),
                }
            }
        }
    }

    fn refuse(&self, re: Option<RequestId>, refusal: Refusal, put: &mut dyn FnMut(&[u8])) {
        METERS.refusal(refusal.code as usize);
        put(&codec::encode_refusal(re, refusal));
    }

    /// Gives what is owed: answers first, then events, then notices.
    pub fn fill(&mut self, put: &mut dyn FnMut(&[u8]) -> bool) -> Writing {
        if !self.give_answers(put) {
            return Writing::Full;
        }
        match self.deliver.fill(&self.services.hub, &self.bell, put) {
            Filled::Idle if self.bell.has_own() => Writing::Page(PageAsk(Pages::Settings)),
            Filled::Idle => Writing::Idle,
            Filled::Full => Writing::Full,
            Filled::Page {
                conversation,
                after,
                roster,
            } => Writing::Page(PageAsk(Pages::Events(conversation, after, roster))),
            Filled::Behind(from) => {
                self.behind = true;
                let resume = self.token(from);
                put(&codec::encode_notice(&Notice::Behind { resume }));
                Writing::Full
            }
        }
    }

    /// Gives the writer's answers; says whether there is room for more.
    fn give_answers(&mut self, put: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let Some(asking) = &mut self.asking else {
            return true;
        };
        let mut room = true;
        for (slot, outcome) in asking.desk.take() {
            let Some(at) = asking.pending.iter().position(|(waiting, _)| *waiting == slot) else {
                continue;
            };
            let (_, id) = asking.pending.swap_remove(at);
            match outcome {
                Ok(receipt) => {
                    add(&METERS.acks, 1);
                    room = put(&codec::encode_reply(id, Answer::Ack(submit::ack(receipt))));
                }
                Err(refusal) => {
                    METERS.refusal(refusal.code as usize);
                    room = put(&codec::encode_refusal(Some(id), refusal));
                }
            }
        }
        room
    }

    /// Reads a page that `fill` asked for, and gives its events.
    pub async fn page(
        &mut self,
        ask: PageAsk,
        put: &mut (dyn FnMut(&[u8]) -> bool + Send),
    ) -> Result<(), Refusal> {
        let Pages::Events(conversation, after, roster) = ask.0 else {
            // Rare: what it needs is not kept in the task of every connection.
            return Box::pin(self.tell_settings(put)).await;
        };
        let Session {
            services,
            bell,
            deliver,
            ..
        } = self;
        deliver
            .read_page(
                &services.store,
                &services.hub,
                bell,
                (conversation, after, roster),
                put,
            )
            .await
    }

    /// Tells what has changed of one's own settings since the bell was first rung for them.
    async fn tell_settings(&mut self, put: &mut (dyn FnMut(&[u8]) -> bool + Send)) -> Result<(), Refusal> {
        let head = self.services.store.head().accounts;
        let Some(from) = self.bell.take_own(head) else {
            return Ok(());
        };
        let (notices, next) = settings::notices(&self.services, &self.who(), from).await?;
        for notice in notices {
            put(&codec::encode_notice(&notice));
        }
        if let Some(next) = next {
            self.bell.ring_own(next);
        }
        Ok(())
    }

    /// Says that there is something new about the account, if there is.
    pub fn tell_news(&mut self, put: &mut dyn FnMut(&[u8])) {
        if self.bell.take_news() {
            put(&codec::encode_notice(&Notice::News {}));
        }
    }

    /// Something came from the other end.
    pub fn heard(&mut self) {
        self.heard = self.services.pulse.seconds();
    }

    /// The pulse came: looks for lost wakes, tells the position, and says what the socket's owner should do.
    pub fn beat(&mut self, put: &mut dyn FnMut(&[u8])) -> Beat {
        let silence = u64::from(self.services.pulse.seconds().wrapping_sub(self.heard));
        if silence >= 2 * limits::PING_EVERY.as_secs() {
            return Beat::Silent;
        }
        self.bell.hint_many();
        if self
            .asking
            .as_ref()
            .is_some_and(|asking| asking.pending.is_empty())
        {
            self.asking = None;
        }
        if !self.behind && !self.deliver.is_busy() && self.deliver.position > self.told {
            self.told = self.deliver.position;
            put(&codec::encode_notice(&Notice::Position {
                resume: self.token(self.told),
            }));
        }
        if silence >= limits::PING_EVERY.as_secs() / 2 {
            Beat::Ping
        } else {
            Beat::Nothing
        }
    }
}

impl Asking {
    /// A request was handed in as `next_slot`.
    fn wait_for(&mut self, id: RequestId) {
        self.pending.push((self.next_slot, id));
        self.next_slot = self.next_slot.wrapping_add(1);
    }
}

/// The place for answers, set up when it is first needed.
fn asking<'a>(asking: &'a mut Option<Box<Asking>>, bell: &Arc<Bell>) -> &'a mut Asking {
    asking.get_or_insert_with(|| {
        Box::new(Asking {
            desk: Arc::new(Desk::new(Arc::clone(bell))),
            pending: Vec::new(),
            next_slot: 0,
        })
    })
}

impl Drop for Session {
    fn drop(&mut self) {
        if std::thread::panicking() {
            add(&METERS.panics, 1);
        }
        lower(&METERS.sessions_signed_in, 1);
        self.services.hub.detach(&self.bell);
        self.services.store.seen(self.bell.device());
    }
}

/// Keeps a user's conversations in memory while the user is connected.
pub(super) async fn open_conversations(
    services: &Services,
    token: &str,
    user: crate::proto::UserId,
    start: &Start,
) -> Result<(), Refusal> {
    let since = match start {
        Start::Walk(from) => Some(from.log),
        Start::List | Start::Resync => None,
    };
    let conversations = services.accounts.arrival(token, user, since).await?;
    let unknown = services.hub.open(user, &conversations);
    if unknown.is_empty() {
        return Ok(());
    }
    for listed in services.store.list(user, unknown).await? {
        services.hub.fill(listed.roster, listed.standing.last_pos);
    }
    Ok(())
}
