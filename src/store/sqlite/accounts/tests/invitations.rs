//! Invitations: made once, used as often as they say, over when they are over. What must not live here: sign-in.

use super::super::invitations::{invitations, invite, open_invitation, revoke};
use super::super::users::{set_disabled, user_by_name};
use super::*;

#[test]
fn an_invitation_is_idempotent_and_its_uses_are_counted() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    let made = desk.invite(&owner, 50, ServerRole::Admin, 2);
    // A retry draws another id and code, and still gets the first invitation.
    let retry = InvitationRow {
        id: InvitationId(99),
        code: token(99),
        ..row(50, ServerRole::Admin, 2)
    };
    let again = desk.write(|r| invite(r, &inviter(&owner, 50), &retry)).unwrap().0;
    assert_eq!(again, made);
    for other in [
        row(50, ServerRole::Member, 2),
        row(50, ServerRole::Admin, 3),
        InvitationRow {
            lasts_ms: DAY,
            ..row(50, ServerRole::Admin, 2)
        },
    ] {
        assert_eq!(
            code(desk.write(|r| invite(r, &inviter(&owner, 50), &other))),
            Some(Code::IdReused)
        );
    }
    let bob = desk.join(50, "bob", 2).unwrap();
    assert_eq!(bob.profile.role, ServerRole::Admin);
    desk.join(50, "cyd", 3).unwrap();
    assert_eq!(code(desk.join(50, "dan", 4)), Some(Code::InvitationInvalid));
    assert!(desk.session(4).is_none());
    assert!(
        invitations(&desk.connection, None, desk.clock.now())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_refused_join_uses_nothing_up() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 50, ServerRole::Member, 1);
    assert_eq!(code(desk.join(50, "ada", 2)), Some(Code::NameTaken), "the name");
    desk.invite(&owner, 51, ServerRole::Member, 1);
    desk.join(51, "paul", 3).unwrap();
    assert_eq!(
        code(desk.join(50, "pau1", 2)),
        Some(Code::NameTaken),
        "what it looks like"
    );
    assert_eq!(code(desk.join(50, "eve", 1)), Some(Code::DeviceTaken));
    assert_eq!(user_by_name(&desk.connection, "eve").unwrap(), None);
    assert_eq!(code(desk.join(77, "eve", 2)), Some(Code::InvitationInvalid));
    desk.join(50, "eve", 2).expect("the one use is still there");
}

#[test]
fn an_invitation_ends_by_time_only_when_the_time_is_known() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 50, ServerRole::Member, 9);
    desk.clock.set(1_000_000 + 8 * DAY, false);
    open_invitation(&desk.connection, &token(50), desk.clock.now()).expect("nobody knows what day it is");
    desk.clock.set(1_000_000 + 8 * DAY, true);
    let over = open_invitation(&desk.connection, &token(50), desk.clock.now());
    assert_eq!(code(over), Some(Code::InvitationInvalid));
    assert_eq!(code(desk.join(50, "bob", 2)), Some(Code::InvitationInvalid));

    // Made in 1970 as far as the box knows; it lives its seven days from when the clock is right.
    desk.clock.set(5, false);
    let undated = desk.invite(&owner, 51, ServerRole::Member, 9);
    assert_eq!(undated.expires, 5 + 7 * DAY);
    desk.clock.set(1_000 * DAY, true);
    open_invitation(&desk.connection, &token(51), desk.clock.now()).expect("not dated yet, so not over");
    desk.join(51, "cyd", 3).unwrap();
    let dated = open_invitation(&desk.connection, &token(51), desk.clock.now()).unwrap();
    assert_eq!(dated.expires, 1_007 * DAY);
    desk.write(|r| invite(r, &inviter(&owner, 51), &row(51, ServerRole::Member, 9)))
        .expect("still the same request");
    desk.clock.set(1_007 * DAY, true);
    assert_eq!(code(desk.join(51, "dan", 4)), Some(Code::InvitationInvalid));
}

#[test]
fn a_revoked_invitation_and_one_of_a_disabled_user_are_void() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 50, ServerRole::Member, 9);
    let bob = desk.join(50, "bob", 2).unwrap();
    desk.invite(&bob, 51, ServerRole::Member, 9);
    desk.write(|r| set_disabled(r, By::Operator, bob.profile.user, true))
        .unwrap();
    assert_eq!(code(desk.join(51, "bob2", 3)), Some(Code::InvitationInvalid));
    desk.write(|r| revoke(r, By::Operator, InvitationId(50))).unwrap();
    desk.write(|r| revoke(r, By::Operator, InvitationId(50)))
        .expect("again changes nothing");
    assert_eq!(code(desk.join(50, "cyd", 4)), Some(Code::InvitationInvalid));
    assert_eq!(
        code(desk.write(|r| revoke(r, By::Operator, InvitationId(52)))),
        Some(Code::NotFound)
    );
}

#[test]
fn open_invitations_are_limited() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    for n in 0..limits::INVITATIONS as u64 {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&n.to_le_bytes());
        let client = ClientId(uuid::Uuid::from_u64_pair(7, n));
        let by = Inviter {
            client,
            ..inviter(&owner, 0)
        };
        let row = InvitationRow {
            id: InvitationId(n + 10_000),
            code: hash,
            ..row(0, ServerRole::Member, 1)
        };
        desk.write(|r| invite(r, &by, &row)).unwrap();
    }
    let one_more = desk.write(|r| invite(r, &inviter(&owner, 200), &row(200, ServerRole::Member, 1)));
    assert_eq!(code(one_more), Some(Code::LimitReached));
    desk.write(|r| revoke(r, By::Operator, InvitationId(10_000)))
        .unwrap();
    desk.invite(&owner, 200, ServerRole::Member, 1);
}

#[test]
fn users_are_limited() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 50, ServerRole::Member, 9);
    let fill = format!(
        "WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < {})
         INSERT INTO user (id, name, skeleton, display_name, password, role, created, change)
         SELECT i, 'extra' || i, 'extra' || i, 'Extra', 'x', 0, 0, 1 FROM n",
        limits::USERS
    );
    desk.connection.execute_batch(&fill).unwrap();
    desk.join(50, "bob", 2).expect("the last place");
    assert_eq!(code(desk.join(50, "cyd", 3)), Some(Code::LimitReached));
}
