//! Passwords: argon2id behind a small bounded pool.
