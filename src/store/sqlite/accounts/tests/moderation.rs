//! Mutes and bans under right and wrong clocks, and how much of moderation is kept. What must not live here: the writer's
//! thread, and messages.

use super::super::measures::{NewMeasure, lift, restrain, restraints, tend};
use super::super::office::{office, set_role};
use super::super::reports::{NewReportRow, resolve, room};
use super::*;
use crate::core::permit::moderation::Restraints;
use crate::core::permit::server::Office;
use crate::proto::ConversationId;
use crate::proto::moderation::{MeasureInfo, MeasureKind};

const HOUR: u64 = 3_600_000;

fn measure(n: u8, kind: MeasureKind, seconds: Option<u64>) -> NewMeasure {
    NewMeasure {
        client: ClientId(uuid::Uuid::from_bytes([n; 16])),
        kind,
        reason: "a reason".into(),
        seconds,
    }
}

/// The server with its owner, and a member whom the owner may restrain.
struct Yard {
    desk: Desk,
    by: By,
    bob: UserId,
    /// What the writer would keep in memory.
    kept: Restraints,
}

impl Yard {
    fn new() -> Yard {
        let mut desk = Desk::new();
        let owner = desk.owner();
        desk.invite(&owner, 2, ServerRole::Member, 1);
        let bob = desk.join(2, "bob", 2).expect("the code is good");
        Yard {
            by: By::User(owner.profile.user, owner.device_no),
            bob: bob.profile.user,
            kept: Restraints::default(),
            desk,
        }
    }

    fn keep(&self, effects: &[AccountEffect]) {
        for effect in effects {
            if let AccountEffect::Restrained(restraint) = effect {
                self.kept.apply(*restraint);
            }
        }
    }

    fn restrain(&mut self, new: &NewMeasure) -> Outcome<MeasureInfo> {
        let (by, bob) = (self.by, self.bob);
        let (made, effects) = self.desk.write(|r| restrain(r, by, bob, new))?;
        self.keep(&effects);
        Ok(made)
    }

    fn tend(&mut self) {
        let (_, effects) = self.desk.write(tend).expect("nothing refuses it");
        self.keep(&effects);
    }

    /// Whether they are muted, as the memory has it; a start from the rows must say the same.
    fn is_muted(&self) -> bool {
        let now = self.desk.clock.now();
        let from_rows = restraints(&self.desk.connection).expect("they are read");
        let is_muted = self.kept.is_muted(self.bob, now);
        assert_eq!(
            from_rows.is_muted(self.bob, now),
            is_muted,
            "a restart changes it"
        );
        is_muted
    }

    fn sign_in(&mut self) -> Outcome<()> {
        let device = device(2);
        let with = SignInWith {
            user: self.bob,
            verified: "phc of bob".into(),
            rehashed: None,
            device,
            token: token(2),
        };
        self.desk.write(|r| sign_in(r, &with)).map(drop)
    }

    fn count(&self, sql: &str) -> usize {
        let count: i64 = self
            .desk
            .connection
            .query_row(sql, [], |row| row.get(0))
            .expect("it is counted");
        usize::try_from(count).expect("a count")
    }
}

#[test]
fn a_mute_rests_while_the_clock_is_wrong_and_begins_with_a_right_one() {
    let mut yard = Yard::new();
    let start = 1_000_000;
    yard.restrain(&measure(1, MeasureKind::Mute, Some(3_600)))
        .expect("the owner may");
    assert!(yard.is_muted());
    yard.desk.clock.set(start + HOUR, false);
    yard.tend();
    assert!(yard.is_muted(), "nobody knows that an hour has gone by");
    yard.desk.clock.set(start + HOUR, true);
    assert!(!yard.is_muted());
    yard.tend();
    assert_eq!(yard.count("SELECT count(*) FROM measure WHERE ended = 3"), 1);

    yard.desk.clock.set(5, false);
    let made = yard
        .restrain(&measure(2, MeasureKind::Mute, Some(3_600)))
        .expect("the owner may");
    assert_eq!((made.until, made.unsynchronised), (Some(5 + HOUR), true));
    yard.desk.clock.set(50 * DAY, true);
    assert!(yard.is_muted(), "it has not begun to run");
    yard.tend();
    yard.desk.clock.set(50 * DAY + HOUR - 1, true);
    assert!(yard.is_muted());
    yard.desk.clock.set(50 * DAY + HOUR, true);
    assert!(!yard.is_muted());
    let again = yard
        .restrain(&measure(2, MeasureKind::Mute, Some(3_600)))
        .expect("the same request");
    assert_eq!(
        (again.no, again.holds),
        (made.no, false),
        "a retry mutes nobody anew"
    );
    let other = yard.restrain(&measure(2, MeasureKind::Mute, Some(7_200)));
    assert_eq!(code(other), Some(Code::IdReused));
}

#[test]
fn a_ban_keeps_every_door_shut_until_it_is_over() {
    let mut yard = Yard::new();
    let (by, bob) = (yard.by, yard.bob);
    yard.desk
        .write(|r| set_role(r, by, bob, ServerRole::Admin))
        .expect("the owner may");
    let made = yard
        .restrain(&measure(1, MeasureKind::Ban, Some(60)))
        .expect("the owner may");
    assert!(made.holds);
    assert!(yard.desk.session(2).is_none(), "the session is over");
    let device_of_bob = By::User(bob, 2);
    assert_eq!(office(&yard.desk.connection, device_of_bob), Ok(Office::Nobody));
    let refused = yard.sign_in().expect_err("banned");
    assert_eq!(
        (refused.code, refused.retry_after_ms),
        (Code::Banned, Some(60_000))
    );
    assert!(refused.message.contains("a reason"), "{}", refused.message);
    yard.desk.clock.set(1_000_000 + 60_000, false);
    let refused = yard.sign_in().expect_err("the clock says nothing");
    assert_eq!((refused.code, refused.retry_after_ms), (Code::Banned, None));
    yard.desk.clock.set(1_000_000 + 60_000, true);
    yard.sign_in().expect("it is over");
    assert_eq!(
        office(&yard.desk.connection, device_of_bob),
        Ok(Office::Holder(ServerRole::Admin))
    );
    yard.restrain(&measure(2, MeasureKind::Ban, None))
        .expect("the owner may");
    assert_eq!(code(yard.sign_in()), Some(Code::Banned));
    yard.desk
        .write(|r| lift(r, by, bob, MeasureKind::Ban))
        .expect("the owner may");
    yard.sign_in().expect("it was lifted");
}

#[test]
fn an_owner_who_is_banned_does_not_count_as_the_one_who_stays() {
    let mut yard = Yard::new();
    let (by, bob) = (yard.by, yard.bob);
    yard.desk
        .write(|r| set_role(r, by, bob, ServerRole::Owner))
        .expect("the owner may");
    yard.restrain(&measure(1, MeasureKind::Ban, None))
        .expect("an owner is left");
    let owner = by.user().expect("a user");
    let steps_down = yard.desk.write(|r| set_role(r, by, owner, ServerRole::Member));
    assert_eq!(code(steps_down), Some(Code::LastOwner));
    let turned = yard
        .desk
        .write(|r| restrain(r, By::User(bob, 2), owner, &measure(2, MeasureKind::Ban, None)));
    assert_eq!(
        code(turned),
        Some(Code::Forbidden),
        "one who is banned holds no office"
    );
}

#[test]
fn so_many_are_muted_at_once_and_so_much_is_kept() {
    let mut yard = Yard::new();
    let most = limits::MUTES;
    let fill = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})
         INSERT INTO measure (user, kind, reason, by, device, client, ts, unsynchronised, created, expires, ended)
         SELECT 1000000 + i, 1, '', 0, 0, CAST(i AS BLOB), 1, 0, 1, NULL, 0 FROM n"
    );
    yard.desk.connection.execute_batch(&fill).expect("they are muted");
    let refused = yard.restrain(&measure(1, MeasureKind::Mute, None));
    assert_eq!(code(refused), Some(Code::LimitReached));
    yard.desk
        .connection
        .execute_batch("UPDATE measure SET ended = 1 WHERE no = 1")
        .expect("one is lifted");
    yard.restrain(&measure(1, MeasureKind::Mute, None))
        .expect("there is a place");
    yard.restrain(&measure(2, MeasureKind::Mute, None))
        .expect("a newer one takes the place of the older");

    let (by, bob) = (yard.by, yard.bob);
    for n in 0..=limits::MEASURES_PER_USER {
        let new = NewMeasure {
            client: ClientId(uuid::Uuid::from_u128(1 << 64 | n as u128)),
            ..measure(0, MeasureKind::Warning, None)
        };
        yard.desk
            .write(|r| restrain(r, by, bob, &new))
            .expect("the owner may");
    }
    let of_bob = format!("SELECT count(*) FROM measure WHERE user = {}", to_sql(bob.0));
    assert_eq!(
        yard.count(&of_bob),
        limits::MEASURES_PER_USER + 1,
        "and the mute that holds"
    );
    assert!(yard.is_muted(), "what holds is never forgotten");
}

#[test]
fn reports_are_bounded_each_persons_and_all_together() {
    let yard = Yard::new();
    let report = |by: u64| NewReportRow {
        by: UserId(by),
        device: 1,
        client: ClientId(uuid::Uuid::from_bytes([9; 16])),
        conversation: ConversationId(1),
        seq: 1 << 40,
        reason: String::new(),
    };
    let fill = |by: &str, from: usize, to: usize, resolved: &str| {
        let sql = format!(
            "WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})
             INSERT INTO report (conversation, seq, shown_from, author, by, device, client, reason, ts, unsynchronised,
                 resolved)
             SELECT 1, i, 1, 1, {by}, 0, CAST(i AS BLOB), '', 1, 0, {resolved} FROM n"
        );
        yard.desk
            .connection
            .execute_batch(&sql)
            .expect("they are reported");
    };
    let asks = |by: u64| code(room(&yard.desk.connection, &report(by)));
    fill("7", 2, limits::REPORTS_OPEN_PER_USER, "NULL");
    assert_eq!(asks(7), None, "the last place");
    fill("7", 1, 1, "NULL");
    assert_eq!((asks(7), asks(8)), (Some(Code::LimitReached), None));
    fill(
        "1000 + i",
        limits::REPORTS_OPEN_PER_USER + 1,
        limits::REPORTS_OPEN,
        "NULL",
    );
    assert_eq!(asks(8), Some(Code::LimitReached));
    let kept = "SELECT count(*) FROM report WHERE resolved IS NOT NULL";
    fill("9", 100_001, 100_000 + limits::REPORTS_KEPT, "1");
    assert_eq!(yard.count(kept), limits::REPORTS_KEPT);
    let Yard { mut desk, by, .. } = yard;
    let author = by.user().expect("a user");
    desk.connection
        .execute(
            "UPDATE report SET author = ?1, by = ?1 WHERE no = 1",
            [to_sql(author.0)],
        )
        .expect("it is there");
    desk.write(|r| resolve(r, by, 1, "done")).expect("the owner may");
    let count: i64 = desk
        .connection
        .query_row(kept, [], |row| row.get(0))
        .expect("counted");
    assert_eq!(
        usize::try_from(count).expect("a count"),
        limits::REPORTS_KEPT,
        "the oldest one went"
    );
}
