//! User names: which are allowed, and which look alike.
