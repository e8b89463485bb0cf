//! From a machine, a disk and what the server costs to people, messages and wear. The formulas stand in
//! `docs/decisions/0004-board-model.md`, too. What must not live here: figures of boards and costs, and any reading of
//! the machine.

use serde::Serialize;

use crate::limits::{self, BATCH_COMMANDS, Limits, USERS};

use super::boards::Machine;

const MIB: usize = 1024 * 1024;
const PAGE: f64 = 4096.0;
/// How much of the processors a server may use for long: the rest is for bursts, sign-ins and everything else.
pub const BUSY: f64 = 0.5;
/// What a person does on a busy day, assumed: messages, and the share of them in the busiest hour.
pub const MESSAGES_A_DAY: f64 = 100.0;
pub const BUSIEST_HOUR: f64 = 0.2;
/// Sessions of a person, assumed: a phone and a desk.
pub const SESSIONS_PER_PERSON: f64 = 2.0;

/// What the server costs; see `costs`.
#[derive(Debug, Clone, Copy)]
pub struct Costs {
    pub lone_send: f64,
    pub batched_send: f64,
    pub delivery: f64,
    pub kernel_share_lone: f64,
    pub kernel_share_batched: f64,
    pub kernel_share_delivery: f64,
    pub bytes_lone: f64,
    pub bytes_batched: f64,
}

#[derive(Debug, Clone, Copy)]
pub struct Disk {
    pub sync_ms: f64,
    pub pages_per_second: f64,
}

/// What the machine may be asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub limits: Limits,
    /// Bytes that the server may come to hold.
    pub allowed: usize,
    /// What the configuration takes at most.
    pub most_connections: usize,
    /// Sessions that each message is delivered to.
    pub receivers: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    Memory,
    Processor,
    Card,
    /// The server takes no more, whatever the machine.
    Server,
}

#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    pub connections: usize,
    /// The setting that makes room for them, in MiB.
    pub memory_mib: usize,
    pub people: u64,
    pub people_bound: Bound,
    pub messages_per_second: f64,
    pub messages_bound: Bound,
    pub processor_messages_per_second: f64,
    pub card_messages_per_second: f64,
    /// One message after another, none beside it.
    pub lone_messages_per_second: f64,
    pub lone_ack_ms: f64,
    /// Written to the card by 10,000 messages a day that come one by one.
    pub wear_mb_per_day: f64,
}

pub fn answer(machine: &Machine, disk: &Disk, costs: &Costs, question: &Question) -> Answer {
    let (connections, memory_mib) = connections(question);
    let core = machine.mhz * 1e6 * machine.ipc;
    let seconds = |instructions: f64, kernel: f64| instructions * (1.0 + kernel) / core;
    let lone = seconds(costs.lone_send, costs.kernel_share_lone);
    let batched = seconds(costs.batched_send, costs.kernel_share_batched);
    let delivery = seconds(costs.delivery, costs.kernel_share_delivery);
    // The log has one writer, one thread: all of a send counts as its work, which is more than it is.
    let writer = 1.0 / batched;
    let all = machine.cores as f64 / (batched + question.receivers * delivery);
    let processor = BUSY * writer.min(all);
    let card = (BATCH_COMMANDS as f64 / (disk.sync_ms / 1e3))
        .min(disk.pages_per_second * PAGE / costs.bytes_batched);
    let messages = processor.min(card);
    let lone = disk.sync_ms / 1e3 + lone;
    let messages_bound = if card < processor {
        Bound::Card
    } else {
        Bound::Processor
    };
    let by_memory = connections as f64 / SESSIONS_PER_PERSON;
    let by_messages = messages / (MESSAGES_A_DAY * BUSIEST_HOUR / 3600.0);
    let (people, people_bound) = if by_messages.min(by_memory) >= USERS as f64 {
        (USERS as u64, Bound::Server)
    } else if by_messages < by_memory {
        (by_messages as u64, messages_bound)
    } else {
        (by_memory as u64, Bound::Memory)
    };
    Answer {
        connections,
        memory_mib,
        people,
        people_bound,
        messages_per_second: messages,
        messages_bound,
        processor_messages_per_second: processor,
        card_messages_per_second: card,
        lone_messages_per_second: 1.0 / lone,
        lone_ack_ms: lone * 1e3,
        wear_mb_per_day: costs.bytes_lone * 10_000.0 / 1e6,
    }
}

/// How many connections the memory holds beside every other line of the budget, and the budget's sum with them.
fn connections(question: &Question) -> (usize, usize) {
    let with = |connections| {
        limits::memory_total(&Limits {
            connections,
            ..question.limits
        })
    };
    let each = with(1) - with(0);
    let room = question.allowed.saturating_sub(with(0)) / each;
    let connections = room.min(question.most_connections);
    (connections, with(connections).div_ceil(MIB))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            name: "test".to_owned(),
            cores: 4,
            mhz: 1_000.0,
            ipc: 0.5,
            memory_mib: 512,
        }
    }

    /// A core of the test's machine does 500 million instructions a second; a send takes 100 us of it, a delivery 20 us.
    fn costs() -> Costs {
        Costs {
            lone_send: 100_000.0,
            batched_send: 25_000.0,
            delivery: 5_000.0,
            kernel_share_lone: 1.0,
            kernel_share_batched: 1.0,
            kernel_share_delivery: 1.0,
            bytes_lone: 10_000.0,
            bytes_batched: 4_096.0,
        }
    }

    fn question(receivers: f64) -> Question {
        let limits = Limits::default();
        let none = limits::memory_total(&Limits {
            connections: 0,
            ..limits
        });
        Question {
            limits,
            allowed: none + 1_000 * (limits::CONNECTION_PLAIN + limits::CONNECTION_KERNEL) + 1,
            most_connections: 100_000,
            receivers,
        }
    }

    const FAST: Disk = Disk {
        sync_ms: 1.0,
        pages_per_second: 1e6,
    };

    #[test]
    fn memory_counts_connections() {
        let answer = answer(&machine(), &FAST, &costs(), &question(1.0));
        assert_eq!(answer.connections, 1_000);
        assert_eq!((answer.people, answer.people_bound), (500, Bound::Memory));
        let little = Question {
            allowed: 1,
            ..question(1.0)
        };
        assert_eq!(super::answer(&machine(), &FAST, &costs(), &little).people, 0);
        let much = Question {
            allowed: 1 << 40,
            ..question(1.0)
        };
        assert_eq!(
            super::answer(&machine(), &FAST, &costs(), &much).connections,
            100_000
        );
        let all = Question {
            most_connections: 1 << 20,
            ..much
        };
        let most = super::answer(&machine(), &FAST, &costs(), &all);
        assert_eq!((most.people, most.people_bound), (USERS as u64, Bound::Server));
    }

    #[test]
    fn one_writer_or_all_cores_bound_the_messages() {
        // Half of 1 / 100 us; all cores together would do 4 / 120 us.
        let few = answer(&machine(), &FAST, &costs(), &question(1.0));
        assert_eq!(few.messages_per_second.round(), 5_000.0);
        // Half of 4 / (100 us + 95 * 20 us).
        let many = answer(&machine(), &FAST, &costs(), &question(95.0));
        assert_eq!(many.messages_per_second.round(), 1_000.0);
        assert_eq!(many.messages_bound, Bound::Processor);
    }

    #[test]
    fn a_slow_card_bounds_the_messages() {
        let pages = Disk {
            sync_ms: 1.0,
            pages_per_second: 500.0,
        };
        let answer = |disk: Disk| super::answer(&machine(), &disk, &costs(), &question(1.0));
        assert_eq!(answer(pages).messages_per_second.round(), 500.0);
        assert_eq!(answer(pages).messages_bound, Bound::Card);
        let syncs = Disk {
            sync_ms: 1_000.0,
            ..FAST
        };
        assert_eq!(answer(syncs).messages_per_second.round(), BATCH_COMMANDS as f64);
        // A second of syncing, and 400 us of work.
        assert_eq!(answer(syncs).lone_ack_ms.round(), 1_000.0);
        assert_eq!(answer(FAST).lone_ack_ms, 1.4);
        assert_eq!(answer(FAST).wear_mb_per_day, 100.0);
    }
}
