//! The accept loop: counts who comes in, shakes hands, and gives each connection to HTTP. What must not live here: what
//! a request means.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tower::ServiceExt;

use super::Peer;
use super::io::{self, Conn};
use super::pace::Pace;
use super::pools;
use super::served::Served;
use super::tls::{ACME_PROTOCOL, Tls};
use crate::clock::monotonic;
use crate::limits::{self, Limits};
use crate::meters::{METERS, add};
use crate::proto::{Code, codec};

/// Counts connections: in total, not yet signed in, and per address (an IPv6 /64 is one address).
pub struct Gate {
    seats: Mutex<Seats>,
    total: usize,
    per_address: usize,
}

#[derive(Default)]
struct Seats {
    total: usize,
    unsigned: usize,
    addresses: HashMap<u64, u32>,
}

/// One connection's place; given back when it is dropped. It lies in the connection: a block of its own for each would be
/// much of what an idle one costs.
pub struct Seat {
    gate: Arc<Gate>,
    address: u64,
    /// Until it has signed in.
    stranger: Option<Arc<Stranger>>,
}

/// A connection that has not signed in yet, as its requests know it.
pub struct Stranger {
    gate: Arc<Gate>,
    signed: AtomicBool,
}

/// What the accept loop hands to each connection.
pub struct Context {
    pub gate: Arc<Gate>,
    pub pace: Arc<Pace>,
    pub router: Router,
}

/// What counts as one address: an IPv6 /64, or an IPv4 address, as one number. The numbers do not meet: no network begins
/// with 32 zero bits (::/8 is reserved, RFC 4291, 2.4).
fn block(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V6(six) => (six.to_bits() >> 64) as u64,
        IpAddr::V4(four) => u64::from(four.to_bits()),
    }
}

impl Gate {
    #[must_use]
    pub fn new(limits: &Limits) -> Arc<Gate> {
        Arc::new(Gate {
            seats: Mutex::default(),
            total: limits.connections,
            per_address: limits.connections_per_address,
        })
    }

    /// A seat for a connection from this address, if there is one.
    pub fn enter(self: &Arc<Gate>, ip: IpAddr) -> Option<Seat> {
        let address = block(ip);
        let mut seats = self.seats.lock();
        let unsigned = limits::CONNECTIONS_UNSIGNED.min(self.total);
        if seats.total >= self.total || seats.unsigned >= unsigned || pools::are_nearly_empty() {
            return None;
        }
        let of_address = seats.addresses.entry(address).or_insert(0);
        if *of_address as usize >= self.per_address {
            return None;
        }
        *of_address += 1;
        seats.total += 1;
        seats.unsigned += 1;
        METERS
            .connections_open
            .store(seats.total as u64, Ordering::Relaxed);
        Some(Seat {
            gate: Arc::clone(self),
            address,
            stranger: Some(Arc::new(Stranger {
                gate: Arc::clone(self),
                signed: AtomicBool::new(false),
            })),
        })
    }
}

impl Seat {
    /// The connection has signed in: it no longer counts among the strangers.
    pub fn sign_in(&mut self) {
        if let Some(stranger) = self.stranger.take() {
            stranger.sign_in();
        }
    }
}

impl Stranger {
    /// One no more.
    pub fn sign_in(&self) {
        if !self.signed.swap(true, Ordering::AcqRel) {
            self.gate.seats.lock().unsigned -= 1;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.sign_in();
        let mut seats = self.gate.seats.lock();
        seats.total -= 1;
        if let Some(count) = seats.addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                seats.addresses.remove(&self.address);
            }
        }
        METERS
            .connections_open
            .store(seats.total as u64, Ordering::Relaxed);
    }
}

/// Accepts until `stop` says so. A connection that is being served then is not waited for here.
pub async fn accept(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    context: Arc<Context>,
    mut stop: watch::Receiver<bool>,
) {
    io::cap(&listener);
    let mut turn = monotonic();
    loop {
        // Who must wait does so in the kernel's queue, without a seat.
        if tls.is_some() {
            tokio::select! {
                () = tokio::time::sleep_until(turn.into()) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors: the loop must not spin, and the log must not flood.
                log::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        add(&METERS.connections_total, 1);
        io::prepare(&stream);
        let Some(seat) = context.gate.enter(address.ip()) else {
            add(&METERS.connections_refused, 1);
            tokio::spawn(turn_away(stream, tls.is_some()));
            continue;
        };
        turn = context.pace.after(turn, monotonic());
        let peer = Peer {
            ip: address.ip().to_canonical(),
        };
        let (tls, context, mut stop) = (tls.clone(), Arc::clone(&context), stop.clone());
        tokio::spawn(async move {
            let conn = match tls {
                None => Conn::plain(stream, seat),
                Some(tls) => {
                    let shaking = context.pace.measured(tls.accept(stream));
                    let shaking = tokio::time::timeout(limits::SIGN_IN_TIME, shaking);
                    let shaken = tokio::select! {
                        shaken = shaking => shaken,
                        _ = stop.wait_for(|stop| *stop) => return,
                    };
                    let Ok(Ok(stream)) = shaken else { return };
                    // An authority that asked whether the name leads here has its answer (RFC 8737, section 3).
                    if stream.alpn_protocol() == Some(ACME_PROTOCOL) {
                        return;
                    }
                    Conn::tls(stream, seat)
                }
            };
            serve(conn, peer, &context, stop).await;
        });
    }
}

/// Serves HTTP on a connection until `stop` says so: what is asked by then is still answered. A WebSocket leaves it and goes
/// on in a task of its own.
async fn serve(conn: Conn, peer: Peer, context: &Context, stop: watch::Receiver<bool>) {
    let router = context.router.clone();
    let work = Arc::new(Work::default());
    let at_work = Arc::clone(&work);
    let stranger = conn.seat.stranger.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        if request.method() == hyper::Method::GET {
            request.extensions_mut().insert(Underway(Arc::clone(&at_work)));
        }
        let busy = Busy::new(&at_work);
        // Whoever's token proves good is no stranger any more, also while a long poll waits: see `auth`.
        let showed = request
            .headers()
            .contains_key(hyper::header::AUTHORIZATION)
            .then(|| stranger.clone());
        if let Some(stranger) = showed.flatten() {
            request.extensions_mut().insert(stranger);
        }
        let answering = router.clone().oneshot(request.map(Body::new));
        async move {
            let answer = answering.await;
            drop(busy);
            answer
        }
    });
    // Which HTTP it is was agreed in the handshake. To guess it from the first bytes would mean to wait for them, and
    // whoever sends none would keep a seat for ever.
    // What goes wrong on one connection is the other end's doing, and nobody else's business.
    let is_shared = conn.speaks_http2();
    let conn = Served::new(conn, Arc::clone(&work));
    let serving = async {
        if is_shared {
            let mut server = http2::Builder::new(TokioExecutor::new());
            server
                .timer(TokioTimer::new())
                .initial_stream_window_size(limits::HTTP_BODY as u32)
                .initial_connection_window_size(2 * limits::HTTP_BODY as u32)
                .max_send_buf_size(limits::SOCKET_SEND)
                .max_concurrent_streams(16)
                .max_header_list_size(limits::HEAD_BYTES as u32)
                .keep_alive_interval(limits::PING_EVERY)
                .keep_alive_timeout(limits::SIGN_IN_TIME);
            let serving = server.serve_connection(TokioIo::new(conn), service);
            until_over(serving, http2::Connection::graceful_shutdown, stop).await;
        } else {
            let mut server = http1::Builder::new();
            server
                .timer(TokioTimer::new())
                .header_read_timeout(limits::SIGN_IN_TIME)
                .max_buf_size(limits::HEAD_BYTES)
                .max_headers(limits::HEADERS);
            let serving = server
                .serve_connection(TokioIo::new(conn), service)
                .with_upgrades();
            until_over(serving, http1::UpgradeableConnection::graceful_shutdown, stop).await;
        }
    };
    tokio::select! {
        () = serving => {}
        () = work.rests() => {}
        // On a connection of HTTP/2 there may be requests of others: there only the stream ends.
        () = work.cut.notified(), if !is_shared => {}
    }
}

/// The connection to its own end, or to that of what it was asked before `stop`.
async fn until_over<C: Future>(connection: C, leave: impl Fn(Pin<&mut C>), mut stop: watch::Receiver<bool>) {
    let mut connection = pin!(connection);
    let mut goes_on = true;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop), if goes_on => {
                goes_on = false;
                leave(connection.as_mut());
            }
        }
    }
}

/// The requests that a connection is about. HTTP's own timers leave gaps: none of them runs while an HTTP/2 client
/// says nothing, or while the other end does not take what it asked for.
#[derive(Default)]
pub struct Work {
    at_once: AtomicU32,
    begun: AtomicU32,
    /// Told when the other end must get nothing more.
    cut: Notify,
    is_cut: AtomicBool,
}

/// For an answer that takes longer than its handler: as long as it holds a `Busy` the connection has work.
#[derive(Clone)]
pub struct Underway(Arc<Work>);

impl Underway {
    pub fn busy(&self) -> Busy {
        Busy::new(&self.0)
    }

    /// Ends the connection at once, also while a write to it is blocked: its session has ended.
    pub fn cut(&self) {
        self.0.is_cut.store(true, Ordering::Release);
        self.0.cut.notify_one();
    }
}

/// One request under way.
pub struct Busy(Arc<Work>);

impl Busy {
    fn new(work: &Arc<Work>) -> Busy {
        work.at_once.fetch_add(1, Ordering::AcqRel);
        work.begun.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(work))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Work {
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }

    /// Ends when no request was under way, and none came, for a while: the first must come sooner.
    async fn rests(&self) {
        tokio::time::sleep(limits::SIGN_IN_TIME).await;
        let mut seen = 0;
        loop {
            let begun = self.begun.load(Ordering::Acquire);
            if begun == seen && self.at_once.load(Ordering::Acquire) == 0 {
                return;
            }
            seen = begun;
            tokio::time::sleep(limits::HTTP_TIME).await;
        }
    }
}

/// Connections that are told at once that the house is full; beyond it they are just closed.
const TURNED_AWAY: usize = 64;
static TURNING_AWAY: AtomicUsize = AtomicUsize::new(0);

/// Tells a plain connection that the house is full; a TLS one is just closed, since a handshake costs more than the news.
async fn turn_away(stream: TcpStream, tls: bool) {
    if !tls && TURNING_AWAY.fetch_add(1, Ordering::Relaxed) < TURNED_AWAY {
        let _ = tokio::time::timeout(Duration::from_secs(1), say_full(stream)).await;
    }
    if !tls {
        TURNING_AWAY.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn say_full(mut stream: TcpStream) -> std::io::Result<()> {
    let body = codec::encode_refusal(None, Code::TooManyConnections.into());
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 5\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await?;
    // Closing on a request that nobody read resets the connection, and the other end may lose the news by it.
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// Neither silence nor the beginning of a version's first line keeps a seat.
    #[tokio::test]
    async fn a_connection_that_asks_nothing_loses_its_seat() {
        let gate = Gate::new(&Limits::default());
        let context = Arc::new(Context {
            gate: Arc::clone(&gate),
            pace: Arc::new(Pace::new(1)),
            router: Router::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (_stop, stopped) = watch::channel(false);
        tokio::spawn(accept(listener, None, context, stopped));
        let mut streams = Vec::new();
        for said in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n"] {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            stream.write_all(said).await.expect("written");
            streams.push((said, stream));
        }
        for (said, mut stream) in streams {
            let mut rest = Vec::new();
            let patience = limits::SIGN_IN_TIME + Duration::from_secs(5);
            let ended = tokio::time::timeout(patience, stream.read_to_end(&mut rest)).await;
            assert!(ended.is_ok(), "still open after {said:?}");
        }
        assert_eq!(gate.seats.lock().total, 0);
    }
}
