//! A TLS stream on rustls' unbuffered connection. At rest it keeps keys and no buffer: records are read into a scratch of
//! the thread and made there; only a record's beginning, or what the socket has not taken, is kept.
//! What must not live here: certificates, and whose stream it is.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use crate::gateway::io::take_to;
use crate::gateway::pools::PARTIAL;
use crate::limits;

/// Room for a kept beginning and what completes it: the longest record is 16,645 bytes (RFC 8446, 5.2).
const SCRATCH: usize = 2 * limits::TLS_HELD;

thread_local! {
    static RECORDS: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// A TLS connection over TCP.
pub struct TlsStream {
    tcp: TcpStream,
    tls: UnbufferedServerConnection,
    held: Option<Box<Held>>,
    /// The other end has said that nothing more comes.
    closed: bool,
    said_goodbye: bool,
}

/// What a connection keeps between two calls; nothing, most of the time.
#[derive(Default)]
struct Held {
    /// The beginning of a record.
    incoming: Vec<u8>,
    /// What was opened and not taken yet, from `taken` on.
    plain: Vec<u8>,
    taken: usize,
    /// Records that the socket has not taken yet, from `sent` on.
    outgoing: Vec<u8>,
    sent: usize,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.incoming.is_empty() && self.plain.is_empty() && self.outgoing.is_empty()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        PARTIAL.change(self.incoming.len(), 0);
    }
}

impl TlsStream {
    /// Shakes hands.
    ///
    /// # Errors
    /// What the other end did wrong, or the socket's end. It has been told where TLS has a word for it.
    pub async fn accept(config: Arc<ServerConfig>, tcp: TcpStream) -> io::Result<Box<TlsStream>> {
        let tls = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = Box::new(TlsStream {
            tcp,
            tls,
            held: None,
            closed: false,
            said_goodbye: false,
        });
        poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    /// Goes over to another runtime.
    ///
    /// # Errors
    /// The socket cannot be registered there.
    pub fn go(self: Box<Self>, live: &Handle) -> io::Result<Box<TlsStream>> {
        let TlsStream {
            tcp,
            tls,
            held,
            closed,
            said_goodbye,
        } = *self;
        Ok(Box::new(TlsStream {
            tcp: take_to(live, tcp)?,
            tls,
            held,
            closed,
            said_goodbye,
        }))
    }

    /// The protocol that both ends agreed on.
    #[must_use]
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    /// The socket below.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Bytes of a record that is here in part.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.incoming.len())
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send(cx))?;
            if !self.tls.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            let mut none = ReadBuf::new(&mut []);
            ready!(self.poll_records(cx, &mut none))?;
            if self.closed {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Reads once and opens what is whole: into `buf`, and what has no room there is held.
    fn poll_records(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        RECORDS.with_borrow_mut(|scratch| {
            let kept = self.kept();
            let mut room = ReadBuf::new(&mut scratch[kept..]);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut room))?;
            let count = room.filled().len();
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            if let Some(held) = &self.held {
                scratch[..kept].copy_from_slice(&held.incoming);
            }
            let opened = self.open(&mut scratch[..kept + count], buf);
            if opened.is_err() {
                // The other end should learn why; that it may not take it is its own loss.
                let _ = self.poll_send(cx)?;
            }
            let used = opened?;
            self.keep(&scratch[used..kept + count])?;
            Poll::Ready(Ok(()))
        })
    }

    /// Keeps the beginning of a record. A handshake message may be longer than a record; none that is honest needs that.
    fn keep(&mut self, rest: &[u8]) -> io::Result<()> {
        if rest.len() > limits::TLS_HELD {
            return Err(io::Error::other("a handshake message is too long"));
        }
        PARTIAL.change(self.kept(), rest.len());
        if !rest.is_empty() {
            self.held.get_or_insert_default().incoming = rest.to_vec();
        } else if let Some(held) = &mut self.held {
            held.incoming = Vec::new();
        }
        self.release();
        Ok(())
    }

    /// Frees what is held once it is empty.
    fn release(&mut self) {
        if self.held.as_ref().is_some_and(|held| held.is_empty()) {
            self.held = None;
        }
    }

    /// Opens the records that are whole; gives how many bytes they were.
    fn open(&mut self, records: &mut [u8], buf: &mut ReadBuf<'_>) -> io::Result<usize> {
        let TlsStream {
            tls, held, closed, ..
        } = self;
        let mut used = 0;
        let mut failure = None;
        loop {
            let UnbufferedStatus { discard, state, .. } = tls.process_tls_records(&mut records[used..]);
            used += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        let now = record.payload.len().min(buf.remaining());
                        let (now, later) = record.payload.split_at(now);
                        buf.put_slice(now);
                        if !later.is_empty() {
                            held.get_or_insert_default().plain.extend_from_slice(later);
                        }
                        used += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, held)?,
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => *closed = true,
                Ok(_) => break,
                // Once more, for the alert that says so.
                Err(error) if failure.is_none() => failure = Some(error),
                Err(_) => break,
            }
        }
        failure.map_or(Ok(used), |error| {
            Err(io::Error::new(io::ErrorKind::InvalidData, error))
        })
    }

    /// Sends what is held.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(held) = &mut self.held else {
            return Poll::Ready(Ok(()));
        };
        while held.sent < held.outgoing.len() {
            let count = ready!(Pin::new(&mut self.tcp).poll_write(cx, &held.outgoing[held.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            held.sent += count;
        }
        (held.outgoing, held.sent) = (Vec::new(), 0);
        self.release();
        Poll::Ready(Ok(()))
    }

    /// Makes a record of `plain`, or of the farewell, and sends what the socket takes of it.
    fn seal(&mut self, cx: &mut Context<'_>, plain: Option<&[u8]>) -> io::Result<()> {
        RECORDS.with_borrow_mut(|scratch| {
            let length = loop {
                let UnbufferedStatus { state, .. } = self.tls.process_tls_records(&mut []);
                match state.map_err(io::Error::other)? {
                    ConnectionState::WriteTraffic(mut traffic) => {
                        break match plain {
                            Some(plain) => traffic.encrypt(plain, scratch),
                            None => traffic.queue_close_notify(scratch),
                        }
                        .map_err(io::Error::other)?;
                    }
                    ConnectionState::EncodeTlsData(mut data) => encode(&mut data, &mut self.held)?,
                    ConnectionState::TransmitTlsData(sent) => sent.done(),
                    ConnectionState::PeerClosed => self.closed = true,
                    _ => return Err(io::ErrorKind::BrokenPipe.into()),
                }
            };
            // Whatever rustls had to say before goes first.
            let first = matches!(self.poll_send(cx)?, Poll::Ready(()));
            let mut sent = 0;
            while first && sent < length {
                match Pin::new(&mut self.tcp).poll_write(cx, &scratch[sent..length])? {
                    Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(count) => sent += count,
                    Poll::Pending => break,
                }
            }
            if sent < length {
                let held = self.held.get_or_insert_default();
                held.outgoing.extend_from_slice(&scratch[sent..length]);
            }
            Ok(())
        })
    }
}

fn encode(
    data: &mut rustls::unbuffered::EncodeTlsData<'_, rustls::server::ServerConnectionData>,
    held: &mut Option<Box<Held>>,
) -> io::Result<()> {
    use rustls::unbuffered::EncodeError;
    let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) else {
        return Ok(());
    };
    let outgoing = &mut held.get_or_insert_default().outgoing;
    let from = outgoing.len();
    outgoing.resize(from + needed.required_size, 0);
    data.encode(&mut outgoing[from..]).map_err(io::Error::other)?;
    Ok(())
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        // What TLS owes by itself, such as the answer to a key update, waits for no word of ours.
        let _ = this.poll_send(cx)?;
        loop {
            if let Some(held) = this.held.as_mut().filter(|held| !held.plain.is_empty()) {
                let rest = &held.plain[held.taken..];
                let count = rest.len().min(buf.remaining());
                buf.put_slice(&rest[..count]);
                held.taken += count;
                if held.taken == held.plain.len() {
                    (held.plain, held.taken) = (Vec::new(), 0);
                    this.release();
                }
                return Poll::Ready(Ok(()));
            }
            if this.closed || buf.filled().len() > before || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            ready!(this.poll_records(cx, buf))?;
            let _ = this.poll_send(cx)?;
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        let count = buf.len().min(limits::WRITE_BYTES);
        if count > 0 {
            this.seal(cx, Some(&buf[..count]))?;
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        if !this.said_goodbye {
            this.said_goodbye = true;
            this.seal(cx, None)?;
            ready!(this.poll_send(cx))?;
        }
        Pin::new(&mut this.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::super::{Names, Source, Tls, TlsConfig};
    use super::*;

    /// A hello that announces 60,000 bytes is within TLS's bound, not within ours.
    #[tokio::test]
    async fn a_hello_that_does_not_end_is_kept_up_to_its_limit() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = Source::Local {
            dir: folder.path().to_owned(),
            names: Names::new("kinglet"),
        };
        let tls = Tls::open(TlsConfig::of(source), std::time::UNIX_EPOCH).expect("an authority is made");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let sending = async {
            let mut stranger = TcpStream::connect(address).await.expect("it listens");
            let mut hello = vec![1, 0, 0xea, 0x60];
            hello.resize(limits::TLS_HELD + 1, 0);
            for part in hello.chunks(16 * 1024) {
                let length = u16::try_from(part.len()).expect("a record").to_be_bytes();
                let record = [&[22, 3, 1, length[0], length[1]][..], part].concat();
                stranger.write_all(&record).await.expect("taken");
            }
            stranger
        };
        let taking = async {
            let (tcp, _) = listener.accept().await.expect("somebody came");
            TlsStream::accept(tls.server_config(), tcp).await.err()
        };
        let both = async { tokio::join!(sending, taking) };
        let (_stranger, refused) = tokio::time::timeout(limits::SIGN_IN_TIME, both)
            .await
            .expect("refused, not waited for");
        let refused = refused.expect("no handshake").to_string();
        assert!(refused.contains("too long"), "{refused}");
    }
}
