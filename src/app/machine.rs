//! The machine's health put together: from the settings to what looks, and to what admins are shown. What must not live here:
//! looking.

use std::sync::Arc;

use super::config::Config;
use crate::clock::Clock;
use crate::gateway::http::machine as face;
use crate::workers::backup::BOARD;
use crate::workers::machine::{Machine, MachineSettings};

/// The unit of `board.card_tbw`, as makers use it.
const TERABYTE: u64 = 1_000_000_000_000;

pub fn open(config: &Config, clock: Arc<Clock>) -> Arc<Machine> {
    let asked = &config.board;
    let settings = MachineSettings {
        data_dir: config.data_dir.clone(),
        root: asked.root.clone(),
        board: asked.root.join(BOARD.trim_start_matches('/')),
        endurance: u64::from(asked.card_tbw) * TERABYTE,
    };
    Machine::open(settings, clock)
}

/// What the routes ask.
pub fn face(machine: &Arc<Machine>) -> face::Machine {
    let (told, begun, ended) = (Arc::clone(machine), Arc::clone(machine), Arc::clone(machine));
    let (board, known, asked) = (Arc::clone(machine), Arc::clone(machine), Arc::clone(machine));
    face::Machine {
        plug_test: Box::new(move || told.plug_test()),
        begin: Box::new(move |run| begun.begin_plug_test(run)),
        end: Box::new(move |run, seen| ended.end_plug_test(run, seen)),
        board: Box::new(move || board.board()),
        known: Box::new(move |id, act| known.known_act(id, act)),
        act: Box::new(move |id, act| asked.act(id, act)),
    }
}
