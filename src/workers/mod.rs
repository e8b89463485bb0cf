//! What nobody asked for just now: telling those who are away, and sweeping away what is to be forgotten. What must not live
//! here: a client's socket, SQL, and the rules of what may be erased.

pub mod backup;
pub mod push;
pub mod sweeper;
