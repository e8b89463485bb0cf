//! Faces: WebSocket, HTTP, TLS. They speak proto and session, nothing below.

pub mod frame;
pub mod tls;
