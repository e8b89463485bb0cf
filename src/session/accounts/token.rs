//! Opaque tokens, one-time codes and their hashes.
