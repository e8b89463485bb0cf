//! What nobody asked for just now: telling those who are away, sweeping away what is to be forgotten, backing up,
//! ordering certificates, and looking after the board. What must not live here: a client's socket, SQL, and the rules of what may be erased.

pub mod acme;
mod asking;
pub mod backup;
pub mod machine;
pub mod push;
pub mod sweeper;
