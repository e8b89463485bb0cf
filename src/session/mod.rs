//! One connected device, whatever its gateway.

pub mod accounts;
