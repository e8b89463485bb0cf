//! One socket, plain or TLS, with its seat in the house. What must not live here: what is said on it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::accept::Seat;
use super::tls::TlsStream;
use crate::limits;

/// A connection. Dropping it gives its seat back.
pub struct Conn {
    wire: Wire,
    pub seat: Seat,
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
    /// It could not be taken to another runtime.
    Lost,
}

/// Takes a socket from one runtime to another.
pub(super) fn take_to(live: &Handle, stream: TcpStream) -> std::io::Result<TcpStream> {
    let stream = stream.into_std()?;
    let _inside = live.enter();
    TcpStream::from_std(stream)
}

fn lost() -> std::io::Error {
    std::io::ErrorKind::NotConnected.into()
}

impl Conn {
    #[must_use]
    pub fn plain(stream: TcpStream, seat: Seat) -> Conn {
        Conn {
            wire: Wire::Plain(stream),
            seat,
        }
    }

    #[must_use]
    pub fn tls(stream: Box<TlsStream>, seat: Seat) -> Conn {
        Conn {
            wire: Wire::Tls(stream),
            seat,
        }
    }

    /// Goes over to another runtime.
    ///
    /// # Errors
    /// The socket cannot be registered there; it is closed then.
    pub fn go(&mut self, live: &Handle) -> std::io::Result<()> {
        self.wire = match std::mem::replace(&mut self.wire, Wire::Lost) {
            Wire::Plain(stream) => Wire::Plain(take_to(live, stream)?),
            Wire::Tls(stream) => Wire::Tls(stream.go(live)?),
            Wire::Lost => return Err(lost()),
        };
        Ok(())
    }

    /// Whether both ends agreed on HTTP/2 when they shook hands.
    #[must_use]
    pub fn speaks_http2(&self) -> bool {
        match &self.wire {
            Wire::Plain(_) | Wire::Lost => false,
            Wire::Tls(stream) => stream.alpn_protocol() == Some(b"h2"),
        }
    }

    /// Whether the beginning of something is here whose rest must be read.
    #[must_use]
    pub fn is_halfway(&self) -> bool {
        matches!(&self.wire, Wire::Tls(stream) if stream.kept() > 0)
    }

    /// Makes closing drop what the other end has not taken: a revoked reader gets nothing more.
    pub fn discard_unsent(&self) {
        let stream = match &self.wire {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => stream.tcp(),
            Wire::Lost => return,
        };
        let _ = socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
    }
}

/// Caps the kernel's buffers of all sockets that a listener accepts, since they are charged to us. What comes in is capped
/// by its window, not by a fixed receive buffer: small frames fill such a buffer with the kernel's own overhead, it drops
/// what it had promised to take, and with that data the other end's acknowledgements. A connection with much under way in
/// both directions would then stand still for ever.
pub fn cap<L: std::os::fd::AsFd>(listener: &L) {
    // The kernel doubles what it is asked for. A failure leaves its default, which only costs memory.
    let _ = socket2::SockRef::from(listener).set_send_buffer_size(limits::SOCKET_SEND / 2);
    let _ = super::socket::clamp_window(listener, limits::SOCKET_RECEIVE);
}

/// Makes a fresh socket ready to talk.
pub fn prepare(stream: &TcpStream) {
    // Without it small frames only wait longer.
    let _ = stream.set_nodelay(true);
}

/// A listening socket.
pub fn listen(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

impl AsyncRead for Conn {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().wire {
            Wire::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Wire::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
            Wire::Lost => Poll::Ready(Err(lost())),
        }
    }
}

impl AsyncWrite for Conn {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match &mut self.get_mut().wire {
            Wire::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Wire::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
            Wire::Lost => Poll::Ready(Err(lost())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().wire {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Wire::Lost => Poll::Ready(Err(lost())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().wire {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Wire::Lost => Poll::Ready(Err(lost())),
        }
    }
}
