//! Random work, random ends. What must not live here: chosen ends (see `chains`).

use kinglet::limits::FOLD_ROWS;
use kinglet::proto::JoinRule;

use crate::ledger::{Ledger, PEOPLE};
use crate::machine::{Machine, any_end};
use crate::setting;
use crate::store_kit::words::{group, send};
use crate::store_kit::{Desk, Dice, actor};

const CUTS: u64 = 300;
/// Ends of one machine before a fresh one takes its place.
const ENDS: u64 = 15;

/// Tells the seed when the test fails, and how to run it again.
struct Tell(u64);

impl Drop for Tell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("KINGLET_TEST_SEED={} runs this world again", self.0);
        }
    }
}

async fn work(ledger: &mut Ledger, desk: &Desk, dice: &mut Dice) {
    ledger.retry(desk, dice).await;
    for _ in 0..1 + dice.below(6) {
        let commands = (0..1 + dice.below(12)).map(|_| ledger.any(dice)).collect();
        ledger.burst(desk, commands).await;
        if let Some((room, seq, _)) = dice.of(&ledger.said).copied() {
            // Whatever comes of it: markers ride along, they are not promised.
            let _ = desk
                .store
                .mark_read(actor(1 + dice.below(PEOPLE)).user, room, seq)
                .await;
        }
        if dice.below(5) == 0 {
            desk.store.tidy().await;
        }
    }
}

/// Enough rows that the next few are folded together with them.
async fn prefill(ledger: &mut Ledger, desk: &Desk, dice: &mut Dice) {
    let others: Vec<u64> = (2..=PEOPLE).collect();
    ledger
        .burst(
            desk,
            vec![(actor(1), group("full", &others, JoinRule::Open, true))],
        )
        .await;
    let room = ledger.acked[0].2.conversation;
    let count = FOLD_ROWS as u64 - 50 - dice.below(200);
    for from in (0..count).step_by(1_000) {
        let commands =
            (from..count.min(from + 1_000)).map(|n| (actor(1 + n % PEOPLE), send(room, format!("{n}"))));
        ledger.burst(desk, commands.collect()).await;
    }
}

/// Gives how many changes were acknowledged.
async fn world(seed: u64, ends: u64) -> usize {
    let _tell = Tell(seed);
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9));
    let machine = Machine::new(seed).await;
    let mut ledger = Ledger::default();
    if seed % 7 == 3 {
        let desk = machine.start().expect("it starts");
        prefill(&mut ledger, &desk, &mut dice).await;
        desk.store.close().await;
    }
    for end in 0..ends {
        let when = format!("seed {seed}, after end {end}");
        let how = any_end(&mut dice);
        let during_start = dice.below(6) == 0;
        if during_start {
            machine.down_at(1 + dice.below(120), how);
        }
        let desk = match machine.start() {
            Ok(desk) => desk,
            Err(error) => {
                assert!(machine.is_down(), "{when}: it does not open: {error}");
                machine.go_down(None, how);
                continue;
            }
        };
        if !during_start {
            ledger.check(&desk, &when).await;
            machine.down_at(1 + dice.below(400), how);
        }
        work(&mut ledger, &desk, &mut dice).await;
        machine.go_down(Some(desk), how);
        assert_eq!(
            machine.examined(),
            Vec::<String>::new(),
            "{when}: the doctor's findings"
        );
        machine.lose_heads(&mut dice);
    }
    let desk = machine.start().expect("it starts");
    ledger.check(&desk, &format!("seed {seed}, at the end")).await;
    ledger.retry(&desk, &mut dice).await;
    assert!(ledger.open.is_empty(), "every retry is answered");
    ledger
        .check(&desk, &format!("seed {seed}, after the retries"))
        .await;
    assert_eq!(machine.fatal(), Vec::<String>::new());
    ledger.acked.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_messages_survive_every_cut() {
    if let Some(seed) = setting("KINGLET_TEST_SEED") {
        let _acknowledged = world(seed, ENDS).await;
        return;
    }
    let cuts = setting("KINGLET_TEST_CUTS").unwrap_or(CUTS);
    let mut acknowledged = 0;
    for seed in 0..cuts.div_ceil(ENDS) {
        acknowledged += world(seed, ENDS.min(cuts - seed * ENDS)).await;
    }
    println!("{cuts} ends, {acknowledged} acknowledged changes, none lost, none twice");
}
