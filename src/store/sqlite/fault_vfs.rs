//! A storage layer for tests that forgets what was not synced.
