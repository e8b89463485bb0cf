//! The trust page.
