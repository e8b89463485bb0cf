//! What the programs of this package have in common: the machine as they touch it, its programs, and what is said of it.
//! What must not live here: what either of them does.

pub mod answer;
pub mod machine;
pub mod program;
