//! TLS: certificate and key from files, or the box's own authority.

pub mod authority;
pub mod trust;
