//! Remembers. Knows no session, socket or hub.

pub mod sqlite;
