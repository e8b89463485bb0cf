//! The first frame: a socket that has come in says who it is, at the door and in little room. What must not live here: what
//! it says afterwards.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::{End, LastWords, SIGNED_OUT, Socket, leave, serve};
use crate::gateway::frame::{self, Flow, Reader};
use crate::gateway::io::Conn;
use crate::limits;
use crate::proto::{Code, Command, Refusal, RequestId, codec};
use crate::session::{Services, Session, Signed};

/// A socket after its handshake: what was read behind it, and the token of its header.
pub struct Arrived {
    pub conn: Conn,
    pub early: Vec<u8>,
    pub token: Option<String>,
}

/// Opens a live socket: waits for `hello`, then serves in a task of its own, so that what signing in needed is freed.
/// It has come in at the door; signed in it goes to `live`, where nobody shakes hands.
pub async fn open(arrived: Arrived, services: Arc<Services>, live: &Handle) {
    let Arrived { conn, early, token } = arrived;
    let mut socket = Socket {
        conn,
        reader: Reader::new(),
        held: 0,
        max_message: limits::FRAME_BEFORE_SIGN_IN as u32,
        stale: false,
        rests: false,
    };
    let signing = sign_in(&mut socket, early, token, (&services, live));
    match tokio::time::timeout(limits::SIGN_IN_TIME, signing).await {
        Ok(Ok(signed)) => {
            socket.max_message = u32::try_from(services.limits.frame).unwrap_or(u32::MAX);
            socket.conn.seat.sign_in();
            let Signed { session, welcome } = signed;
            let mut out = Vec::new();
            frame::push_text(&mut out, &welcome);
            match socket.write(&mut out, Some(&session)).await {
                Ok(()) => {
                    if socket.conn.go(live).is_ok() {
                        live.spawn(serve(socket, session));
                    }
                }
                Err(end) => leave(socket, session, end).await,
            }
        }
        Ok(Err((told, end))) => socket.close(told, end).await,
        Err(_) => {
            let told = Some((None, Code::SlowSignIn.into()));
            socket.close(told, End::Code(4408, "slow_sign_in")).await;
        }
    }
}

type NotSigned = (LastWords, End);

async fn sign_in(
    socket: &mut Socket,
    mut early: Vec<u8>,
    header_token: Option<String>,
    (services, live): (&Arc<Services>, &Handle),
) -> Result<Signed, NotSigned> {
    let mut out = Vec::new();
    let mut hello = None;
    // Counted here and not in the socket: who has signed in need not carry it.
    let mut left = limits::BYTES_BEFORE_SIGN_IN.saturating_sub(early.len());
    if !early.is_empty() {
        socket
            .feed(&mut early, &mut out, &mut |text, _| take_hello(text, &mut hello))
            .map_err(|end| (None, end))?;
    }
    while hello.is_none() {
        if left == 0 {
            return Err(too_much_before_sign_in());
        }
        let fed =
            poll_fn(|cx| socket.poll_feed(cx, left, &mut out, &mut |text, _| take_hello(text, &mut hello)));
        left -= fed.await.map_err(|end| (None, end))?;
        socket.write(&mut out, None).await.map_err(|end| (None, end))?;
    }
    let refused = |re, refusal: Refusal, end| Err((Some((re, refusal)), end));
    let not_signed_in = End::Code(4401, "not_signed_in");
    let (re, ask) = match hello.expect("the loop ends with one") {
        Ok((re, Command::Hello(ask))) => (re, ask),
        Ok((re, _)) => return refused(Some(re), Code::NotSignedIn.into(), not_signed_in),
        Err(bad) => return refused(bad.re, bad.refusal, not_signed_in),
    };
    // Not at the door: signing in takes locks that those who talk want, too, and a thread that stands back keeps them long.
    let (services, told) = (Arc::clone(services), re.clone());
    let signing =
        live.spawn(async move { Session::sign_in(&services, told, ask, header_token.as_deref()).await });
    match signing.await.unwrap_or_else(|_| Err(Code::Internal.into())) {
        Ok(signed) => Ok(signed),
        Err(refusal) => {
            let end = match refusal.code {
                Code::TooManyConnections | Code::Busy => End::Code(1013, "try_later"),
                Code::Internal | Code::ShuttingDown => End::Code(1012, "stopping"),
                _ => SIGNED_OUT,
            };
            refused(Some(re), refusal, end)
        }
    }
}

/// Whatever came, frames' heads and pings included, there was no `hello` in it.
fn too_much_before_sign_in() -> NotSigned {
    let sentence = format!(
        "More than {} bytes came before `hello` was complete.",
        limits::BYTES_BEFORE_SIGN_IN
    );
    let refusal = Refusal {
        next: "Connect again and send `hello` as the first frame.".into(),
        ..Refusal::because(Code::TooLarge, sentence)
    };
    (Some((None, refusal)), End::Code(1009, "too_large"))
}

type HelloSlot = Option<Result<(RequestId, Command), Box<codec::Unreadable>>>;

fn take_hello(text: &str, hello: &mut HelloSlot) -> Flow {
    *hello = Some(match codec::decode(text) {
        Ok(request) => Ok((request.id, request.command)),
        Err(bad) => Err(bad),
    });
    Flow::Stop
}
