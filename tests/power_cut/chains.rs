//! Chosen ends: the chains of events that have lost messages elsewhere. What must not live here: chance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kinglet::limits::FOLD_ROWS;
use kinglet::proto::{Code, JoinRule};
use kinglet::store::Receipt;
use kinglet::store::sqlite::fault_vfs::{Action, Cut, Fault, FileKind, Op};

use crate::ledger::Ledger;
use crate::machine::Machine;
use crate::store_kit::words::{group, recall, send, send_to};
use crate::store_kit::{Dice, actor};

/// A crash between the write and the sync leaves a row in the page cache. After the restart its retry is acknowledged as a
/// duplicate; from then on it must survive a power cut, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_acknowledged_after_a_crash_survives_the_power_cut() {
    for round in 0..4 {
        let machine = Machine::new(round).await;
        let mut ledger = Ledger::default();
        let desk = machine.start().expect("it starts");
        ledger.burst(&desk, vec![(actor(1), send_to(2, "before"))]).await;
        let room = ledger.acked[0].2.conversation;
        let written = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&written);
        machine.disk.before_op(Box::new(move |info| {
            if info.kind == FileKind::Wal && info.op == Op::Write {
                seen.store(true, Ordering::SeqCst);
            }
            let synced = info.kind == FileKind::Wal && info.op == Op::Sync && seen.load(Ordering::SeqCst);
            if synced { Action::CrashHere } else { Action::Go }
        }));
        let said = send(room, "written, not synced");
        ledger.burst(&desk, vec![(actor(1), said.clone())]).await;
        assert_eq!(ledger.open.len(), 1, "nothing was acknowledged");
        machine.disk.clear_before_op();
        drop(desk);

        let desk = machine.start().expect("it starts again");
        let receipt = desk.ask(actor(1), said.clone()).await.expect("a receipt");
        assert!(receipt.duplicate, "the row was in the page cache");
        ledger.open.clear();
        ledger.note(actor(1), said.clone(), Some(Ok(receipt)));
        let how = if round == 0 {
            Cut::DropAll
        } else {
            Cut::Random(round)
        };
        machine.go_down(Some(desk), Action::CutHere(how));

        let desk = machine.start().expect("it starts after the cut");
        ledger.check(&desk, "after the power cut").await;
        assert_eq!(desk.ask(actor(1), said).await.expect("a receipt"), receipt);
    }
}

/// The same for a row that is merely shown: what a reader was given must not vanish.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_shown_after_a_crash_survives_the_power_cut() {
    let machine = Machine::new(1).await;
    let mut ledger = Ledger::default();
    let desk = machine.start().expect("it starts");
    ledger.burst(&desk, vec![(actor(1), send_to(2, "before"))]).await;
    let room = ledger.acked[0].2.conversation;
    machine
        .disk
        .fail_nth_on(FileKind::Wal, Op::Sync, 1, Fault::Eio, false);
    machine.disk.forget_on_failed_sync(false);
    ledger
        .burst(&desk, vec![(actor(1), send(room, "written, not synced"))])
        .await;
    assert_eq!(ledger.open.len(), 1, "a failed sync is no acknowledgement");
    assert_eq!(
        desk.refused(1, send(room, "and nothing after it")).await,
        Code::ShuttingDown
    );
    machine.go_down(Some(desk), Action::CrashHere);
    let desk = machine.start().expect("it starts again");
    let shown = desk.log(room).await.expect("readable");
    machine.go_down(Some(desk), Action::CutHere(Cut::DropAll));
    let desk = machine.start().expect("it starts after the cut");
    assert_eq!(desk.log(room).await.expect("readable"), shown);
}

/// A checkpoint beside the writer leaves pages for a later one to sync. When that sync fails, no further one may succeed
/// without them: the program ends, and the next start moves the whole log anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_whose_sync_fails_ends_the_program() {
    for round in 0..4 {
        let machine = Machine::new(round).await;
        let mut ledger = Ledger::default();
        let desk = machine.start().expect("it starts");
        ledger.burst(&desk, vec![(actor(1), send_to(2, "before"))]).await;
        let (room, seq) = (ledger.acked[0].2.conversation, ledger.acked[0].2.seq);
        machine
            .disk
            .fail_nth_on(FileKind::Db, Op::Sync, 1, Fault::Eio, false);
        // What is erased must leave the log, so a checkpoint follows.
        ledger.burst(&desk, vec![(actor(1), recall(room, seq))]).await;
        let ended = async {
            while machine.fatal().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        drop(tokio::time::timeout(Duration::from_secs(20), ended).await);
        let why = machine.fatal();
        assert!(
            why.iter().any(|why| why.contains("could not be synced")),
            "{why:?}"
        );
        machine.go_down(Some(desk), Action::CutHere(Cut::Random(round)));
        assert_eq!(machine.examined(), Vec::<String>::new(), "round {round}");
        let desk = machine.start().expect("it starts after the cut");
        ledger.check(&desk, "after the power cut").await;
        ledger.retry(&desk, &mut Dice(round)).await;
    }
}

/// No answer leaves before the sync of its commit has returned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_leaves_before_the_sync() {
    let machine = Machine::new(2).await;
    let desk = machine.start().expect("it starts");
    let room = desk.done(1, send_to(2, "before")).await.conversation;
    let (syncs, told) = (Arc::new(AtomicU64::new(0)), Arc::clone(&desk.ears.in_sink));
    let (count, early) = (Arc::clone(&syncs), Arc::new(AtomicU64::new(0)));
    let too_early = Arc::clone(&early);
    let before = told.load(Ordering::SeqCst);
    machine.disk.before_op(Box::new(move |info| {
        if info.kind == FileKind::Wal && info.op == Op::Sync {
            let synced = count.fetch_add(1, Ordering::SeqCst);
            let ahead = (told.load(Ordering::SeqCst) - before) as u64 > synced;
            too_early.fetch_add(u64::from(ahead), Ordering::SeqCst);
        }
        Action::Go
    }));
    for n in 0..20 {
        desk.done(1, send(room, format!("{n}"))).await;
    }
    assert_eq!(syncs.load(Ordering::SeqCst), 20, "each commit is synced, once");
    assert_eq!(early.load(Ordering::SeqCst), 0, "an answer left before its sync");
}

/// The same id gets the same answer for ever: after a restart, and after its index left the memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_is_known_for_ever() {
    let machine = Machine::new(3).await;
    let desk = machine.start().expect("it starts");
    let room = desk
        .done(1, group("room", &[2], JoinRule::Open, false))
        .await
        .conversation;
    let said = send(room, "once");
    let receipt = desk.done(1, said.clone()).await;
    let mut ledger = Ledger::default();
    for n in 0..6u64 {
        let many = (0..FOLD_ROWS as u64 / 5).map(|at| (actor(1), send(room, format!("{n} {at}"))));
        ledger.burst(&desk, many.collect()).await;
    }
    assert_eq!(
        desk.done(1, said.clone()).await,
        Receipt {
            duplicate: true,
            ..receipt
        }
    );
    machine.go_down(Some(desk), Action::CutHere(Cut::DropAll));
    let desk = machine.start().expect("it starts");
    assert_eq!(
        desk.done(1, said).await,
        Receipt {
            duplicate: true,
            ..receipt
        }
    );
    ledger.check(&desk, "after the cut").await;
    ledger.retry(&desk, &mut Dice(5)).await;
}
