//! News, reset links under a wrong clock, and who has left. What must not live here: the writer's thread.

use super::super::history::{self, Entrance};
use super::super::leaving::{Departed, Departure, deactivate};
use super::super::office::set_role;
use super::super::reset::{ResetRow, make, open, use_up};
use super::super::{audit, news};
use super::*;
use crate::proto::history::SignInHow;
use crate::proto::people::{AuditQuery, AuditWhat, NewsWhat};

const HOUR: u64 = 3_600_000;

fn link(n: u8) -> ResetRow {
    ResetRow {
        client: ClientId(uuid::Uuid::from_bytes([n; 16])),
        code: token(n),
        lasts_ms: HOUR,
    }
}

fn departure(n: u8) -> Departure {
    Departure {
        client: ClientId(uuid::Uuid::from_bytes([n; 16])),
        successor: None,
        verified: None,
    }
}

#[test]
fn the_oldest_news_go_first_and_only_ones_own_count() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 2, ServerRole::Member, 1);
    let bob = desk.join(2, "bob", 2).expect("the code is good");
    let told = |desk: &mut Desk, user| {
        let what = NewsWhat::ResetLinkMade { by: None };
        desk.write(|r| news::tell(r, user, &what)).expect("it is told").1
    };
    told(&mut desk, bob.profile.user);
    for _ in 0..limits::NEWS_PER_USER + 7 {
        let effects = told(&mut desk, owner.profile.user);
        assert_eq!(effects, [AccountEffect::News(owner.profile.user)]);
    }
    let page = |user, after, limit| news::page(&desk.connection, user, after, limit).expect("a page");
    let all = page(owner.profile.user, 0, 1_000).news;
    assert_eq!(all.len(), limits::NEWS_PER_USER);
    assert_eq!(all[0].no, 9, "the seven oldest are gone");
    let part = page(owner.profile.user, all[4].no, 10);
    assert_eq!(
        (part.news[0].no, part.news.len(), part.more),
        (all[5].no, 10, true)
    );
    assert_eq!(page(bob.profile.user, 0, 10).news.len(), 1);
}

#[test]
fn the_oldest_sign_ins_go_first_and_only_ones_own_are_listed() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 2, ServerRole::Member, 1);
    let bob = desk.join(2, "bob", 2).expect("the code is good");
    let mut note = |who: &Entered, refused| {
        let by = Entrance {
            how: SignInHow::DeviceCode,
            address: "192.0.2.0/24".into(),
            refused,
        };
        desk.write(|r| history::note(r, who, &by)).expect("it is noted");
    };
    note(&bob, 1_000);
    for refused in 0..limits::SIGN_INS_PER_USER as u32 + 3 {
        note(&owner, refused);
    }
    let list =
        |who: &Entered, current| history::list(&desk.connection, who.profile.user, current).expect("a list");
    let all = list(&owner, owner.device_no);
    assert_eq!(all.len(), limits::SIGN_INS_PER_USER);
    let counts = (all[0].refused, all[limits::SIGN_INS_PER_USER - 1].refused);
    assert_eq!(
        counts,
        (limits::SIGN_INS_PER_USER as u32 + 2, 3),
        "the three oldest are gone"
    );
    assert!(all[0].current && all[0].how == SignInHow::DeviceCode);
    let bobs = list(&bob, owner.device_no);
    assert_eq!((bobs.len(), bobs[0].refused, bobs[0].current), (1, 1_000, false));
}

#[test]
fn a_reset_link_runs_out_by_a_right_clock_only() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    let user = owner.profile.user;
    desk.write(|r| make(r, By::Operator, user, &link(1)))
        .expect("made");
    desk.clock.set(1_000_000 + HOUR, true);
    assert_eq!(
        code(open(&desk.connection, &token(1), desk.clock.now())),
        Some(Code::LinkInvalid)
    );
    desk.clock.set(1_000_000 + HOUR, false);
    assert!(open(&desk.connection, &token(1), desk.clock.now()).is_ok());

    desk.write(|r| make(r, By::Operator, user, &link(2)))
        .expect("made under a wrong clock");
    desk.clock.set(50 * HOUR, true);
    assert!(
        open(&desk.connection, &token(2), desk.clock.now()).is_ok(),
        "it has not begun to run"
    );
    desk.write(|r| make(r, By::Operator, user, &link(2)))
        .expect("the same again dates it");
    desk.clock.set(51 * HOUR - 1, true);
    assert!(open(&desk.connection, &token(2), desk.clock.now()).is_ok());
    desk.clock.set(51 * HOUR, true);
    let late = desk.write(|r| use_up(r, &token(2), "phc", &device(9), &token(9)));
    assert_eq!(code(late), Some(Code::LinkInvalid));
}

#[test]
fn who_was_disabled_or_demoted_meanwhile_has_no_office() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 2, ServerRole::Admin, 1);
    let adam = desk.join(2, "adam", 2).expect("the code is good");
    desk.invite(&owner, 3, ServerRole::Member, 1);
    let bob = desk.join(3, "bob", 3).expect("the code is good");
    let by = By::User(adam.profile.user, adam.device_no);
    desk.write(|r| make(r, by, bob.profile.user, &link(7)))
        .expect("an admin may");
    desk.write(|r| set_role(r, By::Operator, adam.profile.user, ServerRole::Member))
        .expect("the operator may");
    assert_eq!(
        code(open(&desk.connection, &token(7), desk.clock.now())),
        Some(Code::LinkInvalid)
    );
    let act = desk.write(|r| make(r, by, bob.profile.user, &link(8)));
    assert_eq!(code(act), Some(Code::Forbidden));
    let act = desk.write(|r| deactivate(r, by, bob.profile.user, &departure(1)));
    assert_eq!(code(act), Some(Code::Forbidden));
    let act = desk.write(|r| set_role(r, by, bob.profile.user, ServerRole::Admin));
    assert_eq!(code(act), Some(Code::Forbidden));
}

#[test]
fn a_departure_is_done_once_and_noted_once() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 2, ServerRole::Member, 1);
    let bob = desk.join(2, "bob", 2).expect("the code is good");
    let by = By::User(owner.profile.user, owner.device_no);
    let user = bob.profile.user;
    let (left, effects) = desk
        .write(|r| deactivate(r, by, user, &departure(1)))
        .expect("allowed");
    assert_eq!(left, Departed::Done);
    assert!(is_revoked(&effects, user, None, None));
    let (_, effects) = desk
        .write(|r| deactivate(r, by, user, &departure(1)))
        .expect("the same again");
    assert!(effects.is_empty());
    let page = audit::page(&desk.connection, &AuditQuery::default(), 10).expect("a page");
    assert_eq!(page.entries.len(), 2, "an invitation and a departure: {page:?}");
    let shown = users(&desk.connection, None, None, 10, false)
        .expect("a list")
        .users;
    assert_eq!(shown.len(), 1);
    let info = infos(&desk.connection, &[user]).expect("by id").remove(0);
    assert!(info.deactivated && info.disabled);
    let stale = Departure {
        verified: Some("phc of nobody".into()),
        ..departure(2)
    };
    let act = desk.write(|r| deactivate(r, by, owner.profile.user, &stale));
    assert_eq!(
        code(act),
        Some(Code::WrongCredentials),
        "the password was changed meanwhile"
    );
}

#[test]
fn a_search_in_the_journal_looks_at_so_many_entries_and_says_how_far() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    let by = By::User(owner.profile.user, owner.device_no);
    let whom = Some(owner.profile.user);
    let name = |team: &str| AuditWhat::TeamNamed { team: team.into() };
    desk.write(|r| {
        audit::note(r, By::Operator, None, &name("first"))?;
        (0..limits::AUDIT_LOOKED).try_for_each(|_| audit::note(r, by, whom, &AuditWhat::Enabled {}))
    })
    .expect("noted");
    let mut asked = AuditQuery {
        act: Some("team_named".into()),
        ..AuditQuery::default()
    };
    let first = audit::page(&desk.connection, &asked, 10).expect("a page");
    assert_eq!((first.entries.len(), first.more, first.last), (0, true, Some(2)));
    asked.before = first.last;
    let second = audit::page(&desk.connection, &asked, 10).expect("a page");
    assert_eq!((second.entries.len(), second.more, second.last), (1, false, None));
    assert_eq!(second.entries[0].what, name("first"));
}
