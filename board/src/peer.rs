//! Who asks, by the kernel's word. What must not live here: what they may ask; whoever is heard at all may ask everything.

use std::os::unix::net::UnixStream;

use rustix::net::sockopt::socket_peercred;

use crate::answer::{Code, Wrong};
use crate::machine::Machine;

/// The server's user.
const SERVER: &str = "kinglet";

/// The asking user's id, if it may ask.
pub fn allowed(machine: &Machine, stream: &UnixStream) -> Result<u32, Wrong> {
    let peer = socket_peercred(stream).map_err(|error| {
        Wrong::because(
            Code::NotAllowed,
            format!("the kernel does not say who asks: {error}"),
        )
    })?;
    let uid = peer.uid.as_raw();
    let server = machine.user(SERVER).map(|(uid, _)| uid);
    if uid == 0 || Some(uid) == server {
        return Ok(uid);
    }
    crate::note(&format!("user {uid} is not heard"));
    Err(Wrong::of(Code::NotAllowed))
}
