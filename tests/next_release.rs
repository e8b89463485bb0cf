//! An update's step of the schema on the simulated disk: the power goes at each of its operations, and this release reads what
//! the next one has made of the database. What must not live here: the programs themselves (`cargo xtask deb-test`).
#![cfg(feature = "fault-injection")]

mod store_kit;

#[path = "power_cut/ledger.rs"]
mod ledger;
#[path = "power_cut/machine.rs"]
#[allow(dead_code)] // other ends than those here
mod machine;

use std::sync::atomic::Ordering;

use kinglet::planted::NEXT_RELEASE;
use kinglet::proto::JoinRule;
use kinglet::store::sqlite::fault_vfs::{Action, Cut};

use ledger::{Ledger, PEOPLE};
use machine::Machine;
use store_kit::words::group;
use store_kit::{Desk, Dice, actor};

/// Events before the update; so many that the step writes a number of pages.
const EVENTS: usize = 600;
const ENDS: [fn(u64) -> Action; 3] = [
    |_| Action::CrashHere,
    |_| Action::CutHere(Cut::DropAll),
    |n| Action::CutHere(Cut::Random(n)),
];

fn release(is_next: bool) {
    NEXT_RELEASE.store(is_next, Ordering::SeqCst);
}

/// How many steps the database has taken.
fn form(machine: &Machine) -> i64 {
    let copy = tempfile::tempdir().expect("a temporary directory");
    for name in ["kinglet.db", "kinglet.db-wal"] {
        let from = machine.setup.directory.join(name);
        if from.exists() {
            std::fs::copy(from, copy.path().join(name)).expect("a file can be copied");
        }
    }
    let database = rusqlite::Connection::open(copy.path().join("kinglet.db")).expect("it can be opened");
    let version = database.pragma_query_value(None, "user_version", |row| row.get(0));
    version.expect("every database has one")
}

async fn talk(ledger: &mut Ledger, desk: &Desk, dice: &mut Dice, events: usize) {
    for _ in 0..events / 20 {
        let commands = (0..20).map(|_| ledger.any(dice)).collect();
        ledger.burst(desk, commands).await;
    }
}

fn known(ledger: &Ledger) -> Ledger {
    Ledger {
        acked: ledger.acked.clone(),
        rooms: ledger.rooms.clone(),
        said: ledger.said.clone(),
        ..Ledger::default()
    }
}

/// A machine where people have talked in this release.
async fn before() -> (Machine, Ledger) {
    let machine = Machine::new(21).await;
    let desk = machine.start().expect("it starts");
    let (mut ledger, mut dice) = (Ledger::default(), Dice(21));
    let others: Vec<u64> = (2..=PEOPLE).collect();
    ledger
        .burst(
            &desk,
            vec![(actor(1), group("all", &others, JoinRule::Open, true))],
        )
        .await;
    talk(&mut ledger, &desk, &mut dice, EVENTS).await;
    desk.store.close().await;
    (machine, ledger)
}

/// How many there are until the next release has started.
fn operations(template: &Machine) -> u64 {
    let machine = Machine::copy_of(template, 22);
    release(true);
    let desk = machine.start().expect("it starts");
    let all = machine.disk.op_count();
    machine.go_down(Some(desk), Action::CrashHere);
    release(false);
    all
}

/// Back and forth between the releases, with people talking in each.
async fn goes_on(machine: &Machine, ledger: &mut Ledger, when: &str) {
    for (is_next, name) in [
        (false, "this release"),
        (true, "the next one"),
        (false, "this one again"),
    ] {
        let when = format!("{when}, {name}");
        release(is_next);
        let desk = machine
            .start()
            .unwrap_or_else(|error| panic!("{when}: it does not open: {error}"));
        ledger.check(&desk, &when).await;
        ledger.retry(&desk, &mut Dice(3)).await;
        talk(ledger, &desk, &mut Dice(4), 20).await;
        desk.store.close().await;
        // What empties the log may still be at it, and must not write while the files are copied.
        machine.go_down(Some(desk), Action::CrashHere);
        assert_eq!(machine.examined(), Vec::<String>::new(), "{when}");
    }
}

/// One test, since which release it is concerns the whole process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_is_cut_off_leaves_one_form_or_the_other_and_both_releases_read_it() {
    release(false);
    let (template, said) = before().await;
    let own = form(&template);
    let all = operations(&template);
    // A quarter of a hundred places; KINGLET_TEST_STEP=1 looks at each.
    let step =
        std::env::var("KINGLET_TEST_STEP").map_or(all.div_ceil(25), |text| text.parse().expect("a number"));
    let (mut states, mut old, mut new) = (0, 0, 0);
    for n in (1..=all + step).step_by(usize::try_from(step).expect("small")) {
        for (number, end) in ENDS.iter().enumerate() {
            let when = format!("operation {n} of {all}, end {number}");
            let machine = Machine::copy_of(&template, 22);
            release(true);
            machine.down_at(n, end(n));
            let desk = machine.start();
            machine.go_down(desk.ok(), end(n));
            release(false);
            match form(&machine) {
                found if found == own => old += 1,
                found if found == own + 1 => new += 1,
                found => panic!("{when}: neither form: {found}"),
            }
            goes_on(&machine, &mut known(&said), &when).await;
            assert_eq!(
                form(&machine),
                own + 1,
                "{when}: the next release has taken its step"
            );
            states += 1;
        }
    }
    println!("{states} states: {old} in the old form, {new} in the new one");
    assert!(
        states >= 50 && old > 10 && new > 2,
        "{states} states, {old} old, {new} new"
    );
}
