//! The live socket: bytes to frames to a session and back. While nothing happens it holds no buffer at all: bytes are read
//! into a scratch of the thread and only a frame that is split across reads is kept.
//! What must not live here: what a request means, or what is delivered.

mod hello;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Semaphore;

pub use self::hello::{Arrived, open};
use super::frame::{self, Flow, Incoming, Reader};
use super::io::Conn;
use super::pools::{OUTGOING, PARTIAL, SOCKETS, Share};
use crate::limits;
use crate::proto::{Code, Refusal, RequestId, codec};
use crate::session::{Beat, PageAsk, Rung, Session, Slow, Writing};

const SCRATCH: usize = 32 * 1024;

thread_local! {
    /// What is read.
    static SCRATCH_BYTES: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
    /// What is said.
    static OUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What a thread keeps of the room in which frames are put together.
const OUT_KEPT: usize = 2 * limits::WRITE_BYTES;

/// Why a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The other end is gone, or closed properly.
    Gone,
    /// The session ended while the other end took nothing: no farewell, and what it has not taken is dropped.
    Cut,
    /// The connection ends for a reason that is told: the close code.
    Code(u16, &'static str),
}

const SIGNED_OUT: End = End::Code(4401, "signed_out");
const SILENT: End = End::Code(4408, "silent");
const STOPPING: End = End::Code(1012, "stopping");

/// A socket with its reader of frames.
pub struct Socket {
    conn: Conn,
    reader: Reader,
    /// What of `PARTIAL` is this socket's.
    held: usize,
    max_message: u32,
    /// Whether it held something at the last pulse already: a frame must not take longer than from pulse to pulse.
    stale: bool,
    /// Whether the store was too busy to be read just now: the reader rests until it is rung.
    rests: bool,
}

/// What a turn of a socket cannot do at once. Whatever needs room while it runs is boxed, so that a resting connection
/// does not pay for it.
enum Next {
    /// The socket takes no more: these bytes are left.
    Blocked(Vec<u8>),
    /// A page of the store comes behind these bytes.
    Page(Vec<u8>, PageAsk),
    /// An answer of the store comes behind these bytes.
    Slow(Vec<u8>, Slow),
    End(End),
}

/// What one turn of a socket works with. It lives on the thread's stack while the turn is polled, never in the future.
struct Turn<'a, 'c> {
    cx: &'a mut Context<'c>,
    session: &'a mut Session,
    /// What is to be said.
    out: Vec<u8>,
    /// What was asked that the store must answer.
    slow: Option<Slow>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        PARTIAL.change(self.held, 0);
    }
}

/// A refusal as the last words, with the request it answers where that could be read.
type LastWords = Option<(Option<RequestId>, Refusal)>;

/// Serves a signed-in socket until it ends. Its future is what an idle connection costs: what needs room while it runs is
/// boxed, and the block uses its captures in place, where an `async fn` would keep each parameter twice.
#[allow(clippy::manual_async_fn)] // see above
fn serve(mut socket: Socket, mut session: Session) -> impl Future<Output = ()> + Send {
    async move {
        let end = loop {
            let next = poll_fn(|cx| socket.poll_turn(cx, &mut session)).await;
            if let Next::End(end) = next {
                break end;
            }
            if let Err(end) = Box::pin(work(&mut socket, &mut session, next)).await {
                break end;
            }
        };
        if end == End::Gone {
            Box::pin(depart(socket, session)).await;
            return;
        }
        Box::pin(leave(socket, session, end)).await;
    }
}

/// When a network breaks, thousands go at once, and each is work to take out of everything: they go one by one, so that those
/// who are still here have their turns in between.
async fn depart(socket: Socket, session: Session) {
    static TURN: Semaphore = Semaphore::const_new(1);
    let _turn = TURN.acquire().await;
    drop((socket, session));
}

/// Does what a turn could not do at once, and says all of it.
async fn work(socket: &mut Socket, session: &mut Session, next: Next) -> Result<(), End> {
    let mut out = match next {
        Next::Blocked(rest) => rest,
        Next::Page(mut out, ask) => {
            socket.rests = read_page(ask, session, &mut out).await?;
            out
        }
        Next::Slow(mut out, slow) => {
            session
                .answer(slow, &mut |payload| frame::push_text(&mut out, payload))
                .await;
            out
        }
        Next::End(end) => return Err(end),
    };
    socket.write(&mut out, Some(session)).await
}

/// A server that stops waits for its sessions to say goodbye; all others are out of the hub before they do.
async fn leave(socket: Socket, session: Session, end: End) {
    let leaving = (end == STOPPING).then_some(session);
    match end {
        End::Gone => {}
        End::Cut => socket.conn.discard_unsent(),
        End::Code(..) => socket.close(None, end).await,
    }
    drop(leaving);
}

/// Reads a page into `out`. True: too many read the store just now, and this reader stays where it is until it is rung
/// again.
async fn read_page(ask: PageAsk, session: &mut Session, out: &mut Vec<u8>) -> Result<bool, End> {
    let mut put = |payload: &[u8]| {
        frame::push_text(out, payload);
        true
    };
    match session.page(ask, &mut put).await {
        Ok(()) => Ok(false),
        Err(refusal) if refusal.code == Code::Busy => Ok(true),
        Err(_) => Err(End::Code(1011, "internal")),
    }
}

/// Whether the session has ended.
fn over(rung: Rung) -> Option<End> {
    if rung.revoked {
        return Some(SIGNED_OUT);
    }
    rung.stopped.then_some(STOPPING)
}

impl Socket {
    /// Says what is owed, takes what is asked, again and again until there is neither, or something that takes time.
    fn poll_turn(&mut self, cx: &mut Context<'_>, session: &mut Session) -> Poll<Next> {
        let mut turn = Turn {
            cx,
            session,
            out: OUT.take(),
            slow: None,
        };
        let turned = self.poll_turns(&mut turn);
        let mut out = turn.out;
        out.clear();
        if out.capacity() <= OUT_KEPT {
            OUT.set(out);
        }
        turned.map(|next| next.unwrap_or_else(Next::End))
    }

    fn poll_turns(&mut self, turn: &mut Turn<'_, '_>) -> Poll<Result<Next, End>> {
        loop {
            // Also asked here: to a reader that takes everything at once, the loop may not end for a while.
            if let Some(end) = over(turn.session.bell().ends()) {
                return Poll::Ready(Err(end));
            }
            let writing = if std::mem::take(&mut self.rests) {
                Writing::Idle
            } else {
                let out = &mut turn.out;
                turn.session.fill(&mut |payload| {
                    frame::push_text(out, payload);
                    out.len() < limits::WRITE_BYTES
                })
            };
            if let Writing::Page(ask) = writing {
                return Poll::Ready(Ok(Next::Page(std::mem::take(&mut turn.out), ask)));
            }
            if let Some(rest) = self.poll_say(turn.cx, &mut turn.out)? {
                return Poll::Ready(Ok(Next::Blocked(rest)));
            }
            if matches!(writing, Writing::Full) {
                continue;
            }
            if self.reader.is_stopped() && turn.session.has_room() {
                self.feed_session(turn)?;
            } else {
                ready!(self.poll_wait(turn))?;
                self.look_at_bell(turn.session, &mut turn.out)?;
            }
            if let Some(slow) = turn.slow.take() {
                return Poll::Ready(Ok(Next::Slow(std::mem::take(&mut turn.out), slow)));
            }
        }
    }

    /// Waits for either side: the bell, or something to read.
    fn poll_wait(&mut self, turn: &mut Turn<'_, '_>) -> Poll<Result<(), End>> {
        if turn.session.bell().poll_rung(turn.cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if self.reader.is_stopped() || !turn.session.has_room() || !self.may_read() {
            return Poll::Pending;
        }
        self.poll_session(turn)
    }

    /// What the bell was rung for, beside what there is to say.
    fn look_at_bell(&mut self, session: &mut Session, out: &mut Vec<u8>) -> Result<(), End> {
        let rung = session.bell().take();
        if let Some(end) = over(rung) {
            return Err(end);
        }
        session.tell_news(&mut |payload| frame::push_text(out, payload));
        if !rung.pulse {
            return Ok(());
        }
        let unfinished = (self.held > 0 || self.conn.is_halfway()) && !self.reader.is_stopped();
        if unfinished && self.stale {
            return Err(SILENT);
        }
        self.stale = unfinished;
        match session.beat(&mut |payload| frame::push_text(out, payload)) {
            Beat::Nothing => {}
            Beat::Ping => frame::push_ping(out, b""),
            Beat::Silent => return Err(SILENT),
        }
        Ok(())
    }

    /// Says what is there, as far as the socket takes it at once; gives what it does not.
    fn poll_say(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Result<Option<Vec<u8>>, End> {
        if out.is_empty() {
            return Ok(None);
        }
        let mut said = 0;
        loop {
            match self.poll_out(cx, &out[said..])? {
                Poll::Ready(None) => {
                    out.clear();
                    return Ok(None);
                }
                Poll::Ready(Some(count)) => said += count,
                Poll::Pending => return Ok(Some(out.split_off(said))),
            }
        }
    }

    /// Whether this socket may take bytes in: one that holds part of a frame may always go on.
    fn may_read(&self) -> bool {
        self.held > 0 || self.conn.is_halfway() || PARTIAL.has_room()
    }

    /// Reads once into the thread's scratch, at most so much, and feeds it. Gives how much it was.
    fn poll_feed(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        out: &mut Vec<u8>,
        text: &mut dyn FnMut(&str, &mut Vec<u8>) -> Flow,
    ) -> Poll<Result<usize, End>> {
        SCRATCH_BYTES.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(&mut scratch[..most.min(SCRATCH)]);
            let read = match Pin::new(&mut self.conn).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Gone)),
                Poll::Ready(Ok(())) => buffer.filled().len(),
            };
            if read == 0 {
                return Poll::Ready(Err(End::Gone));
            }
            Poll::Ready(self.feed(&mut scratch[..read], out, text).map(|()| read))
        })
    }

    /// Reads for the session.
    fn poll_session(&mut self, turn: &mut Turn<'_, '_>) -> Poll<Result<(), End>> {
        let Turn {
            cx,
            session,
            out,
            slow,
        } = turn;
        let polled = self.poll_feed(cx, SCRATCH, out, &mut |text, out| {
            to_session(text, session, out, slow)
        });
        polled.map_ok(|_| session.heard())
    }

    /// Goes on with what was read before the session had enough.
    fn feed_session(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), End> {
        let Turn {
            session, out, slow, ..
        } = turn;
        self.feed(&mut [], out, &mut |text, out| {
            to_session(text, session, out, slow)
        })
    }

    /// Feeds bytes to the reader of frames. Control frames are answered here.
    fn feed(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        text: &mut dyn FnMut(&str, &mut Vec<u8>) -> Flow,
    ) -> Result<(), End> {
        let limits = frame::Limits {
            max_message: self.max_message as usize,
            max_fragments: limits::FRAGMENTS,
        };
        let mut end = None;
        let fed = self.reader.feed(bytes, &limits, &mut |incoming| match incoming {
            Incoming::Text(words) => text(words, out),
            Incoming::Ping(payload) => {
                frame::push_pong(out, payload);
                if out.len() < limits::WRITE_BYTES {
                    Flow::Continue
                } else {
                    Flow::Stop
                }
            }
            Incoming::Pong(_) => Flow::Continue,
            Incoming::Binary(_) => {
                end = Some(End::Code(1003, "text_only"));
                Flow::Stop
            }
            Incoming::Close { .. } => {
                end = Some(End::Code(1000, ""));
                Flow::Stop
            }
        });
        let held = self.reader.held();
        if held == 0 {
            self.stale = false;
        }
        PARTIAL.change(std::mem::replace(&mut self.held, held), held);
        match (fed, end) {
            (Err(violation), _) => Err(End::Code(violation.code(), violation.reason())),
            (Ok(_), Some(end)) => Err(end),
            (Ok(_), None) => Ok(()),
        }
    }

    /// Writes everything out, as the socket takes it. A revocation ends it at once, no progress ends it in a while; and one
    /// that does not take its bytes while the pool for such bytes is empty is cut: it resumes where it stood.
    async fn write(&mut self, out: &mut Vec<u8>, session: Option<&Session>) -> Result<(), End> {
        let mut written = 0;
        let seconds = || session.map_or(0, |session| session.services().pulse.seconds());
        let mut moved = seconds();
        let mut share: Option<Share> = None;
        // Flushing is writing, too: TLS keeps a record of its own until the socket takes it.
        loop {
            let wrote = poll_fn(|cx| {
                match self.poll_out(cx, &out[written..]) {
                    Poll::Ready(step) => return Poll::Ready(step),
                    Poll::Pending => {}
                }
                if share.is_none() {
                    share = OUTGOING.take(out.len()).filter(|_| SOCKETS.has_room());
                    if share.is_none() {
                        return Poll::Ready(Err(End::Cut));
                    }
                }
                let Some(session) = session else {
                    return Poll::Pending;
                };
                if session.bell().poll_urgent(cx).is_pending() {
                    return Poll::Pending;
                }
                let rung = session.bell().take();
                let stuck = u64::from(seconds().wrapping_sub(moved)) >= limits::WRITE_TIME.as_secs();
                if rung.revoked || rung.stopped || stuck {
                    return Poll::Ready(Err(End::Cut));
                }
                // Asked again: the bell's waker was used up, and so may be the socket's.
                cx.waker().wake_by_ref();
                Poll::Ready(Ok(Some(0)))
            });
            match wrote.await? {
                None => break,
                Some(0) => {}
                Some(count) => {
                    written += count;
                    moved = seconds();
                }
            }
        }
        // An idle connection keeps no buffer.
        *out = Vec::new();
        Ok(())
    }

    /// Writes some of `rest`, or flushes when there is none left. Nothing, when all is out.
    fn poll_out(&mut self, cx: &mut Context<'_>, rest: &[u8]) -> Poll<Result<Option<usize>, End>> {
        let conn = Pin::new(&mut self.conn);
        if rest.is_empty() {
            return conn
                .poll_flush(cx)
                .map(|flushed| flushed.map(|()| None).map_err(|_| End::Gone));
        }
        conn.poll_write(cx, rest).map(|wrote| match wrote {
            Ok(0) | Err(_) => Err(End::Gone),
            Ok(count) => Ok(Some(count)),
        })
    }

    /// Reads once and keeps nothing. An error at the end.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        SCRATCH_BYTES.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut self.conn).poll_read(cx, &mut buffer) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => Poll::Ready(Ok(())),
                Poll::Ready(_) => Poll::Ready(Err(End::Gone)),
            }
        })
    }

    /// Says why, if the socket still takes it, and closes.
    async fn close(mut self, told: LastWords, end: End) {
        let End::Code(code, reason) = end else { return };
        let mut out = Vec::new();
        if let Some((re, refusal)) = told {
            crate::meters::METERS.refusal(refusal.code as usize);
            frame::push_text(&mut out, &codec::encode_refusal(re, refusal));
        }
        frame::push_close(&mut out, code, reason);
        let goodbye = async {
            self.write(&mut out, None).await?;
            poll_fn(|cx| Pin::new(&mut self.conn).poll_shutdown(cx))
                .await
                .map_err(|_| End::Gone)?;
            // Closing on bytes that nobody read resets the connection, and the other end may lose the farewell by it.
            loop {
                poll_fn(|cx| self.poll_discard(cx)).await?;
            }
        };
        // Whoever is revoked is out within a second, whether or not the farewell arrived.
        let _: Result<Result<(), End>, _> = tokio::time::timeout(limits::REVOKE_WITHIN / 2, goodbye).await;
    }
}

/// Hands one text to the session; stops reading when the session has enough, or must ask the store first.
fn to_session(text: &str, session: &mut Session, out: &mut Vec<u8>, slow: &mut Option<Slow>) -> Flow {
    *slow = session.receive(text, &mut |payload| frame::push_text(out, payload));
    if slow.is_some() || !session.has_room() || out.len() >= limits::WRITE_BYTES {
        Flow::Stop
    } else {
        Flow::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the compiler made of an async function's state.
    fn size<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_stays_small() {
        let (serving, session, socket) = (size(serve), size_of::<Session>(), size_of::<Socket>());
        assert!(
            serving <= 232,
            "serve {serving}, session {session}, socket {socket}"
        );
    }
}
