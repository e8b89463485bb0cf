//! Wakes. Knows no disk.
