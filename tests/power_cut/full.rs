//! A full disk: refused, not lost, not a hang; and it goes on by itself. What must not live here: any other failure.

use kinglet::limits::{self, FOLD_ROWS, FileLimits};
use kinglet::proto::{Code, JoinRule};
use kinglet::session::files::Files;
use kinglet::store::sqlite::fault_vfs::{Action, Fault, FileKind, Op};
use kinglet::store::{Span, Writable};

use crate::ledger::Ledger;
use crate::machine::Machine;
use crate::store_kit::actor;
use crate::store_kit::words::{group, send};

async fn full_after(rows: usize) {
    let machine = Machine::new(rows as u64).await;
    let desk = machine.start().expect("it starts");
    let mut ledger = Ledger::default();
    ledger
        .burst(
            &desk,
            vec![(actor(1), group("room", &[2], JoinRule::Open, false))],
        )
        .await;
    let room = ledger.acked[0].2.conversation;
    for from in (0..rows).step_by(1_000) {
        let many = (from..rows.min(from + 1_000)).map(|n| (actor(1), send(room, format!("{n}"))));
        ledger.burst(&desk, many.collect()).await;
    }
    assert_eq!(ledger.acked.len(), rows + 1);
    desk.store
        .mark_read(actor(2).user, room, 2)
        .await
        .expect("there is a seq 2");
    machine.disk.fail_nth(Op::Write, 1, Fault::Enospc, true);
    let said = send(room, "no room");
    for _ in 0..3 {
        let refusal = desk
            .ask(actor(1), said.clone())
            .await
            .expect_err("the disk is full");
        assert_eq!(refusal.code, Code::StorageFull);
        assert!(refusal.retry_after_ms.is_some());
        assert_eq!(desk.store.writable(), Writable::Full);
        assert!(desk.store.probe().await, "a full disk is not a hang");
        assert_eq!(
            desk.store.writable(),
            Writable::Full,
            "a probe writes nothing, so it shows nothing"
        );
        assert_eq!(
            desk.page(room, Span::After(0), 5).await.events.len(),
            5.min(rows + 1)
        );
        let listed = desk
            .store
            .list(actor(2).user, vec![room])
            .await
            .expect("readable");
        assert_eq!(listed[0].marker.0, 2);
        let renamed = desk
            .store
            .change_display_name(actor(2).user, "Renamed".into())
            .await;
        let refusal = renamed.expect_err("accounts are on the same disk");
        assert_eq!(refusal.code, Code::StorageFull);
        desk.store.tidy().await;
    }
    let burst = (0..50)
        .map(|n| (actor(2), send(room, format!("refused {n}"))))
        .collect();
    ledger.burst(&desk, burst).await;
    assert_eq!(ledger.open.len(), 50);
    machine.disk.clear_faults();
    let receipt = desk
        .ask(actor(1), said.clone())
        .await
        .expect("there is room again");
    assert_eq!(
        (receipt.seq, receipt.duplicate),
        (rows as u64 + 2, false),
        "nothing of it had been stored"
    );
    assert_eq!(desk.store.writable(), Writable::Yes);
    ledger.note(actor(1), said, Some(Ok(receipt)));
    ledger.retry(&desk, &mut crate::store_kit::Dice(4)).await;
    assert!(ledger.open.is_empty());
    ledger.check(&desk, "with room again").await;
    let listed = desk
        .store
        .list(actor(2).user, vec![room])
        .await
        .expect("readable");
    assert!(listed[0].marker.0 >= 2);
    assert_eq!(machine.fatal(), Vec::<String>::new());
    machine.go_down(Some(desk), Action::CrashHere);
    assert_eq!(machine.examined(), Vec::<String>::new());
    let desk = machine.start().expect("it starts");
    ledger.check(&desk, "after a restart").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_recovers() {
    full_after(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_while_folding_recovers() {
    full_after(FOLD_ROWS - 3).await;
}

/// The log can be read, and the server can be started, also when there is no room for a single page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_wait_for_room() {
    let machine = Machine::new(9).await;
    let desk = machine.start().expect("it starts");
    let mut ledger = Ledger::default();
    ledger
        .burst(
            &desk,
            vec![(actor(1), group("room", &[2], JoinRule::Open, false))],
        )
        .await;
    let room = ledger.acked[0].2.conversation;
    machine
        .disk
        .fail_nth_on(FileKind::Db, Op::Write, 1, Fault::Enospc, true);
    for n in 0..300 {
        let long = send(room, format!("{n}").repeat(8_000));
        ledger.burst(&desk, vec![(actor(1), long)]).await;
    }
    assert_eq!(
        ledger.acked.len(),
        301,
        "the write-ahead log takes what the database cannot"
    );
    machine.disk.clear_faults();
    for n in 0..3 {
        ledger
            .burst(&desk, vec![(actor(1), send(room, format!("{n}")))])
            .await;
    }
    ledger.check(&desk, "with room again").await;
    machine.go_down(Some(desk), Action::CrashHere);
    let desk = machine.start().expect("it starts");
    ledger.check(&desk, "after a restart").await;
}

/// When the disk is full all the same, the room of the ballast is for what makes room; with room it is made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ballast_is_given_up_on_a_full_disk_and_made_again() {
    let machine = Machine::new(11).await;
    let desk = machine.start().expect("it starts");
    let beside = tempfile::tempdir().expect("a directory");
    let files = Files::open(desk.store.clone(), beside.path(), FileLimits::default()).expect("it opens");
    let ballast = beside.path().join("blobs/ballast");
    files.look_at_disk().await.expect("it can be looked at");
    let size = ballast.metadata().expect("there is room for it").len();
    assert_eq!(size, limits::DISK_BALLAST);
    machine.disk.fail_nth(Op::Write, 1, Fault::Enospc, true);
    let founding = group("room", &[2], JoinRule::Open, false);
    let refusal = desk
        .ask(actor(1), founding.clone())
        .await
        .expect_err("the disk is full");
    assert_eq!(refusal.code, Code::StorageFull);
    files.look_at_disk().await.expect("it can be looked at");
    assert!(!ballast.exists());
    machine.disk.clear_faults();
    desk.ask(actor(1), founding).await.expect("there is room again");
    files.look_at_disk().await.expect("it can be looked at");
    assert!(ballast.exists());
    machine.go_down(Some(desk), Action::CrashHere);
}
