//! What nobody asked for just now: telling those who are away, sweeping away what is to be forgotten, backing up, and
//! ordering certificates. What must not live here: a client's socket, SQL, and the rules of what may be erased.

pub mod acme;
pub mod backup;
pub mod push;
pub mod sweeper;
