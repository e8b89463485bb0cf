//! Accounts: sign-in, devices, invitations, claim.

pub mod password;
pub mod token;
