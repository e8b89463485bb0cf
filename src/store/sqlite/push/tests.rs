//! The tables of push on a real SQLite. What must not live here: the writer's thread, and sending.

use super::worth::Look;
use super::*;
use crate::clock::Clock;
use crate::core::discretion::{Discreet, Discretion};
use crate::core::roster::Roster;
use crate::proto::ConversationId;
use crate::store::sqlite::find::RecentSlice;
use crate::store::sqlite::push::outbox::{lay_out, sent};
use crate::store::sqlite::schema;

const ROOM: u64 = 77;

struct Desk {
    connection: Connection,
    interest: Interest,
    clock: Clock,
}

impl Desk {
    fn new() -> Desk {
        let mut connection = Connection::open_in_memory().expect("memory can hold a database");
        schema::migrate(&mut connection).expect("the steps run on an empty database");
        let interest = Interest::default();
        interest.begin(&connection).expect("the table is there");
        Desk {
            connection,
            interest,
            clock: Clock::manual(1_000_000, 1),
        }
    }

    /// Users 1 to `many`, each with one signed-in device of the same number, all in one room.
    fn with(many: u64) -> Desk {
        let desk = Desk::new();
        let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";
        for insert in [
            "INSERT INTO device (no, user, id, name, token, created, last_seen)
             SELECT i, i, cast('d' || i AS BLOB), '', cast('t' || i AS BLOB), 0, 0 FROM n",
            "INSERT INTO member (conversation, user, role, from_seq) SELECT 77, i, 0, 1 FROM n",
        ] {
            desk.connection
                .execute(&format!("{fill} {insert}"), [int(many)])
                .expect("the tables are empty");
        }
        desk
    }

    fn put(&self, device: u64, endpoint: &str) -> Outcome<Subscription> {
        let subscription = Subscription {
            endpoint: endpoint.to_owned(),
            p256dh: [4; POINT],
            auth: [5; AUTH],
            text: false,
            created: 0,
        };
        let mut change = 0;
        let put = put(
            &mut Registers {
                connection: &self.connection,
                now: self.clock.now(),
                clock: &self.clock,
                effects: &mut Vec::new(),
                appends: &mut Vec::new(),
                files: &mut false,
                gone: &mut Vec::new(),
                change: &mut change,
            },
            UserId(device),
            device,
            subscription,
        )?;
        self.interest.add(UserId(device));
        Ok(put)
    }

    fn note(&self, seq: u64) {
        note(&self.connection, &[(ROOM, seq)]).expect("it is noted");
    }

    fn lay_out(&self) -> Vec<u64> {
        let mut devices = Vec::new();
        loop {
            let laid = lay_out(&self.connection, &self.interest).expect("it is laid out");
            devices.extend(laid.slots.iter().map(|slot| slot.device));
            if !laid.more {
                return devices;
            }
        }
    }

    fn count(&self, of: &str) -> usize {
        let sql = format!("SELECT count(*) FROM {of}");
        let count: i64 = self
            .connection
            .query_row(&sql, [], |row| row.get(0))
            .expect("a number");
        usize::try_from(count).expect("a count")
    }
}

#[test]
fn subscriptions_are_limited_and_one_may_still_be_changed() {
    let most = limits::PUSH_SUBSCRIPTIONS as u64;
    let desk = Desk::with(most + 1);
    for device in 1..=most {
        desk.put(device, &format!("https://p/{device}"))
            .expect("there is room");
    }
    let refused = desk.put(most + 1, "https://p/more").expect_err("there is none");
    assert_eq!(refused.code, Code::LimitReached);
    desk.put(1, "https://p/other").expect("it takes its own place");
    desk.connection
        .execute("UPDATE device SET token = NULL WHERE no = 2", [])
        .expect("signed out");
    desk.put(most + 1, "https://p/more")
        .expect("a place was given back");
}

#[test]
fn who_has_no_session_cannot_subscribe() {
    let desk = Desk::with(2);
    desk.connection
        .execute("UPDATE device SET token = NULL WHERE no = 1", [])
        .expect("signed out");
    let refused = desk.put(1, "https://p/1").expect_err("signed out");
    assert_eq!(refused.code, Code::SignedOut);
}

#[test]
fn a_large_room_is_laid_out_in_steps_to_each_device_once() {
    let many = limits::PUSH_STEP as u64 * 2 + 7;
    let desk = Desk::with(many);
    for device in 1..=many {
        desk.put(device, &format!("https://p/{device}"))
            .expect("there is room");
    }
    desk.note(5);
    desk.note(6);
    let first = lay_out(&desk.connection, &desk.interest).expect("it is laid out");
    assert_eq!((first.slots.len(), first.more), (limits::PUSH_STEP, true));
    assert_eq!(desk.lay_out().len() as u64, many - limits::PUSH_STEP as u64);
    assert_eq!(
        (desk.count("push_waiting") as u64, desk.count("push_due")),
        (many, 0)
    );
    assert_eq!(desk.count("push_waiting WHERE seq <> 6"), 0);
    // A message in the middle of it begins anew, so that nobody is left with the older one.
    desk.note(7);
    lay_out(&desk.connection, &desk.interest).expect("it is laid out");
    desk.note(8);
    desk.lay_out();
    assert_eq!(desk.count("push_waiting WHERE seq <> 8"), 0);
}

#[test]
fn what_waits_is_limited_and_the_rest_is_counted() {
    let desk = Desk::with(3);
    for device in 1..=3 {
        desk.put(device, &format!("https://p/{device}"))
            .expect("there is room");
    }
    let room = i64::try_from(limits::PUSH_WAITING).expect("a small bound") - 2;
    desk.connection
        .execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO push_waiting (device, conversation, seq) SELECT 9, i, 1 FROM n",
            [room],
        )
        .expect("the table is empty");
    let before = crate::meters::get(&crate::meters::METERS.push_dropped);
    desk.note(1);
    assert_eq!(desk.lay_out(), [1, 2]);
    assert_eq!(desk.count("push_waiting"), limits::PUSH_WAITING);
    assert!(crate::meters::get(&crate::meters::METERS.push_dropped) > before);
    assert_eq!(desk.count("push_due"), 0, "what has no room does not stay due");
}

#[test]
fn what_came_while_something_was_sent_waits_on() {
    let desk = Desk::with(1);
    desk.put(1, "https://p/1").expect("there is room");
    desk.note(3);
    desk.lay_out();
    let slot = Slot {
        device: 1,
        conversation: ConversationId(ROOM),
    };
    desk.note(4);
    desk.lay_out();
    assert!(!sent(&desk.connection, slot, 3).expect("it is taken away"));
    assert!(sent(&desk.connection, slot, 4).expect("it is taken away"));
    assert_eq!(desk.count("push_waiting"), 0);
}

#[test]
fn the_writer_asks_for_those_who_subscribed_and_forgets_who_did_not_stay() {
    let desk = Desk::with(2);
    let roster = Roster::direct(ConversationId(ROOM), UserId(1), UserId(2));
    assert!(!desk.interest.concerns(&roster, UserId(1)));
    desk.put(2, "https://p/2").expect("there is room");
    assert!(desk.interest.concerns(&roster, UserId(1)));
    assert!(!desk.interest.concerns(&roster, UserId(2)), "not for the sender");
    let others = Roster::direct(ConversationId(8), UserId(3), UserId(4));
    assert!(!desk.interest.concerns(&others, UserId(3)));
    remove(&desk.connection, 2, Some("https://p/other")).expect("another one's");
    assert_eq!(desk.count("push_subscription"), 1);
    remove(&desk.connection, 2, None).expect("it goes");
    desk.note(1);
    assert!(desk.lay_out().is_empty());
    assert!(!desk.interest.concerns(&roster, UserId(1)));
    let off = Interest::default();
    off.add(UserId(2));
    assert!(
        !off.concerns(&roster, UserId(1)),
        "while push is off nobody counts"
    );
}

/// A message of `by` in the room, at the place of its seq.
fn said(desk: &Desk, seq: u64, by: u64) {
    let sql = "INSERT INTO log (pos, conversation, seq, count, kind, sender, device, client, ts, salt, body)
               VALUES (?1, 77, ?1, ?1, 1, ?2, 1, zeroblob(16), 0, zeroblob(16), x'61')";
    desk.connection
        .execute(sql, [seq, by].map(int))
        .expect("the place is free");
}

#[test]
fn so_many_messages_are_looked_at_for_one_to_tell_of() {
    let (desk, discretion) = (Desk::with(3), Discretion::default());
    let most = limits::PUSH_LOOKS_BACK;
    said(&desk, 1, 2);
    (2..=most + 1).for_each(|seq| said(&desk, seq, 3));
    discretion.apply(Discreet::Blocked {
        by: UserId(1),
        user: UserId(3),
        on: true,
    });
    let recent = RecentSlice {
        first: 1,
        positions: (1..=most + 1).collect(),
        standing: None,
    };
    let look = Look {
        connection: &desk.connection,
        recent: &recent,
        discretion: &discretion,
        user: UserId(1),
        conversation: ConversationId(ROOM),
    };
    let newest = |first, last| look.worth(first, last).expect("the tables are there").newest;
    assert_eq!(newest(1, most), Some(1));
    assert_eq!(newest(1, most + 1), None, "one too far back");
    assert_eq!(newest(2, most), None, "told before");
}
