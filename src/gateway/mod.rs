//! Faces: WebSocket, HTTP, TLS. They speak proto and session, nothing below.

pub mod accept;
pub mod frame;
pub mod http;
pub mod io;
pub mod pace;
pub mod pools;
mod served;
mod socket;
pub mod tls;
pub mod ws;

use std::net::IpAddr;

/// Who is at the other end of a connection, as far as the network tells. The accept loop puts it into every request; a
/// trusted proxy's word about its client replaces the proxy's own address there, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub ip: IpAddr,
}
