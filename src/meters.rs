//! Counters that every floor may raise and only app reads. What must not live here: rendering.
