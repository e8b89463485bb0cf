//! How much a message costs the card, counted at the file system's door. What must not live here: a limit on it.

use std::sync::atomic::Ordering;

use kinglet::limits::WAL_PAGES;
use kinglet::proto::{ConversationId, JoinRule};
use kinglet::store::sqlite::fault_vfs::FileKind;

use crate::ledger::Ledger;
use crate::machine::Machine;
use crate::setting;
use crate::store_kit::words::{group, send};
use crate::store_kit::{Desk, Dice, actor};

const ROOMS: u64 = 100;
const STORED: u64 = 50_000;

/// `KINGLET_TEST_BYTES=1 cargo test --features fault-injection --test power_cut wear -- --nocapture` prints the table; otherwise
/// a small run only shows that the counting works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_written_per_message() {
    let whole = setting("KINGLET_TEST_BYTES").is_some();
    let (stored, measured) = if whole { (STORED, 16_384) } else { (500, 256) };
    let machine = Machine::new(8).await;
    let desk = machine.start().expect("it starts");
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        rooms.push(
            desk.done(1, group("room", &[2], JoinRule::Open, false))
                .await
                .conversation,
        );
    }
    let mut dice = Dice(3);
    let mut ledger = Ledger::default();
    for from in (0..stored).step_by(1_000) {
        let many = (from..stored.min(from + 1_000)).map(|_| (actor(1), message(&rooms, &mut dice)));
        ledger.burst(&desk, many.collect()).await;
        ledger.acked.clear();
        ledger.said.clear();
    }
    println!("rows of a commit | written per message: log, database, together | syncs per commit");
    for batch in [1, 8, 64] {
        let before = [FileKind::Wal, FileKind::Db].map(|kind| machine.disk.counts_of(kind));
        commits(&desk, &rooms, &mut dice, batch, measured).await;
        let after = [FileKind::Wal, FileKind::Db].map(|kind| machine.disk.counts_of(kind));
        let bytes = |at: usize| (after[at].bytes_written - before[at].bytes_written) as f64 / measured as f64;
        let syncs = (after[0].syncs + after[1].syncs - before[0].syncs - before[1].syncs) as f64;
        let commits = measured as f64 / batch as f64;
        println!(
            "{batch:16} | {:8.0} {:8.0} {:8.0} | {:.3}",
            bytes(0),
            bytes(1),
            bytes(0) + bytes(1),
            syncs / commits
        );
        let log = std::fs::metadata(machine.setup.directory.join("kinglet.db-wal")).expect("there is one");
        let most = u64::from(4 * WAL_PAGES) * 4096;
        assert!(
            log.len() < most,
            "the write-ahead log starts again under load: {} bytes",
            log.len()
        );
        assert!(bytes(0) > 100.0, "a message is at least its own body");
    }
}

/// A 100-byte message with a time-ordered client id, as clients are told to choose them.
fn message(rooms: &[ConversationId], dice: &mut Dice) -> kinglet::proto::Command {
    let mut command = send(*dice.of(rooms).expect("rooms"), "x".repeat(100));
    if let kinglet::proto::Command::Send(send) = &mut command {
        send.client_id = kinglet::proto::ClientId(uuid::Uuid::now_v7());
    }
    command
}

/// Commits of just `batch` rows: while the writer is held up after one, the next one's rows are queued.
async fn commits(desk: &Desk, rooms: &[ConversationId], dice: &mut Dice, batch: u64, rows: u64) {
    for _ in 0..rows / batch {
        let mut waiting = Vec::new();
        if batch == 1 {
            waiting.push(desk.submit(actor(1), message(rooms, dice)).await.expect("queued"));
        } else {
            let mut commands = Vec::new();
            for _ in 0..batch {
                commands.push(message(rooms, dice));
            }
            let held = desk.hold_probe().await;
            for command in commands {
                waiting.push(desk.submit(actor(1), command).await.expect("queued"));
            }
            drop(held);
        }
        for answer in waiting {
            answer.await.expect("an answer").expect("a receipt");
        }
    }
    assert!(desk.ears.in_sink.load(Ordering::SeqCst) > 0);
}
