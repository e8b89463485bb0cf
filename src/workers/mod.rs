//! What nobody asked for just now, done beside the sessions. What must not live here: sessions, and clients' sockets.

pub mod push;
