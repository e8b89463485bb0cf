//! The n-th operation fails, for every n of a standard run: no false acknowledgement, no panic, and a whole log afterwards.
//! What must not live here: ends of the machine.

use kinglet::store::sqlite::fault_vfs::{Action, Cut, Fault, Op};

use crate::ledger::{Ledger, PEOPLE};
use crate::machine::Machine;
use crate::setting;
use crate::store_kit::{Dice, actor};

/// A life of the program: it starts, works, closes. It may stop working at any point.
async fn life(machine: &Machine, ledger: &mut Ledger) {
    let Ok(desk) = machine.start() else { return };
    let mut dice = Dice(77);
    for _ in 0..3 {
        let commands = (0..8).map(|_| ledger.any(&mut dice)).collect();
        ledger.burst(&desk, commands).await;
        if let Some((room, seq, _)) = dice.of(&ledger.said).copied() {
            let _ = desk
                .store
                .mark_read(actor(1 + dice.below(PEOPLE)).user, room, seq)
                .await;
        }
        desk.store.tidy().await;
    }
    desk.store.close().await;
}

async fn every(op: Op, fault: Fault, step: u64) {
    let template = Machine::new(5).await;
    let mut before = Ledger::default();
    life(&template, &mut before).await;
    let start = template.disk.op_count();
    let counting = Machine::copy_of(&template, 6);
    life(&counting, &mut Ledger::default()).await;
    let counts = counting.disk.counts();
    let all = match op {
        Op::Write => counts.writes,
        Op::Sync => counts.syncs,
        _ => counting.disk.op_count(),
    };
    assert!(all > 5 && start > 0, "{all} operations");
    for n in (1..=all + 2).step_by(usize::try_from(step).expect("small")) {
        let when = format!("{fault:?} on operation {n} of {all} ({op:?})");
        let machine = Machine::copy_of(&template, 7);
        let mut ledger = Ledger {
            acked: before.acked.clone(),
            rooms: before.rooms.clone(),
            said: before.said.clone(),
            ..Ledger::default()
        };
        machine.disk.fail_nth(op, n, fault, false);
        life(&machine, &mut ledger).await;
        machine.disk.clear_faults();
        let how = if n % 2 == 0 {
            Action::CrashHere
        } else {
            Action::CutHere(Cut::Random(n))
        };
        machine.go_down(None, how);
        assert_eq!(machine.examined(), Vec::<String>::new(), "{when}");
        let desk = machine
            .start()
            .unwrap_or_else(|error| panic!("{when}: it does not open again: {error}"));
        ledger.check(&desk, &when).await;
        ledger.retry(&desk, &mut Dice(n)).await;
        assert!(ledger.open.is_empty(), "{when}: every retry is answered");
        ledger.check(&desk, &format!("{when}, after the retries")).await;
    }
}

fn step() -> u64 {
    setting("KINGLET_TEST_STEP").unwrap_or(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_operation_may_fail() {
    every(Op::Any, Fault::Eio, step()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_write_may_find_the_disk_full() {
    every(Op::Write, Fault::Enospc, step()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_write_may_tear() {
    every(Op::Write, Fault::TornWrite, step()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_sync_may_fail() {
    every(Op::Sync, Fault::Eio, step()).await;
}
