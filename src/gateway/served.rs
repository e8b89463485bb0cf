//! A connection while HTTP is served on it: it can be cut from outside, and then drops what the other end has not taken.
//! What must not live here: when that is, and the socket itself (see `io`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::accept::Work;
use super::io::Conn;

/// A connection, and what is known of the requests on it.
pub struct Served {
    conn: Option<Conn>,
    work: Arc<Work>,
}

impl Served {
    pub fn new(conn: Conn, work: Arc<Work>) -> Served {
        Served {
            conn: Some(conn),
            work,
        }
    }

    /// The connection, which goes on without HTTP.
    #[must_use]
    pub fn into_conn(mut self) -> Conn {
        self.conn.take().expect("it is taken once, by who has all of it")
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut Conn> {
        let conn = self.get_mut().conn.as_mut();
        Pin::new(conn.expect("whoever took it has nothing left to ask"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.as_ref().filter(|_| self.work.is_cut()) {
            conn.discard_unsent();
        }
    }
}

impl AsyncRead for Served {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.inner().poll_read(cx, buf)
    }
}

impl AsyncWrite for Served {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        self.inner().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}
