//! The registers' functions on a real SQLite, one transaction per change. What must not live here: the writer's thread.

mod bots;
mod invitations;
mod moderation;
mod people;

use super::devices::{devices, kick, put_device, rename, revoke_all, session, sign_in, sign_out};
use super::directory::users;
use super::invitations::{invite, join};
use super::users::{
    all_usable, change_display_name, changed_since, claim, credentials, infos, profile, reset_password,
    set_disabled, set_password,
};
use super::*;
use crate::clock::Clock;
use crate::limits;
use crate::proto::account::NewDevice;
use crate::proto::{ClientId, Code, InvitationId};
use crate::store::AccountEffect;
use crate::store::sqlite::reads::arrival;
use crate::store::sqlite::schema;

const DAY: u64 = 86_400_000;

/// A database and what the writer would hand to a change.
struct Desk {
    connection: Connection,
    clock: Clock,
    change: u64,
}

impl Desk {
    fn new() -> Desk {
        let mut connection = Connection::open_in_memory().expect("memory can hold a database");
        schema::migrate(&mut connection).expect("the steps run on an empty database");
        Desk {
            connection,
            clock: Clock::manual(1_000_000, 1),
            change: 0,
        }
    }

    /// One change in its savepoint, as the writer runs it: a refusal undoes it and its effects.
    fn write<T>(
        &mut self,
        change: impl FnOnce(&mut Registers<'_>) -> Outcome<T>,
    ) -> Outcome<(T, Vec<AccountEffect>)> {
        self.connection
            .execute_batch("SAVEPOINT one")
            .expect("a savepoint opens");
        let mut effects = Vec::new();
        let outcome = change(&mut Registers {
            connection: &self.connection,
            now: self.clock.now(),
            clock: &self.clock,
            effects: &mut effects,
            appends: &mut Vec::new(),
            files: &mut false,
            gone: &mut Vec::new(),
            change: &mut self.change,
        });
        let end = if outcome.is_ok() {
            "RELEASE one"
        } else {
            "ROLLBACK TO one; RELEASE one"
        };
        self.connection.execute_batch(end).expect("a savepoint closes");
        outcome.map(|value| (value, effects))
    }

    fn owner(&mut self) -> Entered {
        self.write(|r| claim(r, &person("ada"), &device(1), &token(1)))
            .expect("nobody has claimed yet")
            .0
    }

    fn invite(&mut self, by: &Entered, n: u8, role: ServerRole, uses: u32) -> InvitationFacts {
        let inviter = inviter(by, n);
        self.write(|r| invite(r, &inviter, &row(n, role, uses)))
            .expect("there is room")
            .0
    }

    fn join(&mut self, code: u8, name: &str, n: u8) -> Outcome<Entered> {
        self.write(|r| join(r, &token(code), &person(name), &device(n), &token(n)))
            .map(|(entered, _)| entered)
    }

    fn session(&self, n: u8) -> Option<SessionFacts> {
        session(&self.connection, &token(n)).expect("the read works")
    }
}

fn person(name: &str) -> NewUser {
    NewUser {
        name: name.into(),
        skeleton: name.replace('1', "l"),
        display_name: name.to_uppercase(),
        password: format!("phc of {name}"),
        scopes: Scopes::PERSON,
    }
}

fn device(n: u8) -> NewDevice {
    NewDevice {
        id: device_id(n),
        name: format!("device {n}"),
    }
}

fn device_id(n: u8) -> DeviceId {
    DeviceId(uuid::Uuid::from_bytes([n; 16]))
}

fn token(n: u8) -> SecretHash {
    [n; 32]
}

fn inviter(by: &Entered, n: u8) -> Inviter {
    let client = ClientId(uuid::Uuid::from_bytes([n; 16]));
    Inviter {
        user: by.profile.user,
        device: by.device_no,
        client,
    }
}

fn row(n: u8, role: ServerRole, uses: u32) -> InvitationRow {
    InvitationRow {
        id: InvitationId(u64::from(n)),
        code: token(n),
        role,
        uses,
        lasts_ms: 7 * DAY,
        conversation: None,
    }
}

fn with(user: &Entered, name: &str, n: u8, token_of: u8) -> SignInWith {
    SignInWith {
        user: user.profile.user,
        verified: format!("phc of {name}"),
        rehashed: None,
        device: device(n),
        token: token(token_of),
    }
}

fn code<T>(outcome: Outcome<T>) -> Option<Code> {
    outcome.err().map(|refusal| refusal.code)
}

fn is_revoked(
    effects: &[AccountEffect],
    user: UserId,
    device: Option<DeviceNo>,
    except: Option<DeviceNo>,
) -> bool {
    effects.contains(&AccountEffect::Revoked { user, device, except })
}

#[test]
fn only_the_first_claim_makes_an_owner() {
    let mut desk = Desk::new();
    assert!(!owner_exists(&desk.connection).unwrap());
    let owner = desk.owner();
    assert!(owner_exists(&desk.connection).unwrap());
    assert_eq!(owner.profile.role, ServerRole::Owner);
    let again = desk.write(|r| claim(r, &person("eve"), &device(2), &token(2)));
    assert_eq!(code(again), Some(Code::ClaimClosed));
    let facts = desk.session(1).expect("the owner is signed in");
    assert_eq!(
        (facts.user, facts.device_id, facts.role),
        (owner.profile.user, device_id(1), ServerRole::Owner)
    );
    assert_eq!(desk.session(2), None);
}

/// Who comes in is told of what it is in, and of what it left since it was last here; of nothing with a token that has ended
/// or is another's.
#[test]
fn who_comes_in_finds_its_conversations() {
    let mut desk = Desk::new();
    let owner = desk.owner().profile.user;
    let of = owner.0.cast_signed();
    for (table, columns, row) in [
        (
            "member",
            "conversation, user, role, from_seq",
            format!("7, {of}, 1, 1"),
        ),
        ("gone", "user, conversation, pos", format!("{of}, 8, 20")),
        ("gone", "user, conversation, pos", format!("{of}, 9, 21")),
    ] {
        desk.connection
            .execute(&format!("INSERT INTO {table} ({columns}) VALUES ({row})"), [])
            .expect("a row");
    }
    let found = |n, user, since| {
        let found = arrival(&desk.connection, &token(n), user, since).expect("the read works");
        found.map(|ids| ids.into_iter().map(|id| id.0).collect::<Vec<_>>())
    };
    assert_eq!(found(1, owner, None), Some(vec![7]));
    assert_eq!(found(1, owner, Some(20)), Some(vec![7, 9]));
    assert_eq!(found(1, owner, Some(19)), Some(vec![7, 8, 9]));
    assert_eq!(found(2, owner, Some(19)), None, "a token of nobody");
    assert_eq!(found(1, UserId(owner.0 + 1), Some(19)), None, "another's token");
}

#[test]
fn the_secret_is_made_once() {
    let mut desk = Desk::new();
    let (first, _) = desk.write(server_secret).unwrap();
    let (second, _) = desk.write(server_secret).unwrap();
    assert_eq!(first, second);
    assert_ne!(first, [0; 32]);
    assert_eq!(stored_secret(&desk.connection).unwrap(), Some(first));
}

#[test]
fn a_device_keeps_its_number_and_its_owner() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 50, ServerRole::Member, 9);
    let bob = desk.join(50, "bob", 2).unwrap();
    let user = bob.profile.user;
    let (again, effects) = desk.write(|r| sign_in(r, &with(&bob, "bob", 2, 12))).unwrap();
    assert_eq!(again.device_no, bob.device_no);
    assert!(
        is_revoked(&effects, user, Some(bob.device_no), None),
        "the old token's socket must go"
    );
    assert_eq!(desk.session(2), None);
    assert!(desk.session(12).is_some());
    let foreign = desk.write(|r| sign_in(r, &with(&bob, "bob", 1, 13)));
    assert_eq!(code(foreign), Some(Code::DeviceTaken));
    let (_, effects) = desk.write(|r| sign_out(r, user, bob.device_no)).unwrap();
    assert!(is_revoked(&effects, user, Some(bob.device_no), None));
    assert_eq!(desk.session(12), None);
    assert!(
        desk.write(|r| sign_out(r, user, bob.device_no))
            .unwrap()
            .1
            .is_empty()
    );
    let (back, effects) = desk.write(|r| sign_in(r, &with(&bob, "bob", 2, 14))).unwrap();
    assert_eq!(
        back.device_no, bob.device_no,
        "client ids live as long as the row"
    );
    assert!(effects.is_empty(), "nobody was connected");
}

#[test]
fn signed_in_devices_and_device_ids_are_limited() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    let user = owner.profile.user;
    let new = |n: u64| NewDevice {
        id: DeviceId(uuid::Uuid::from_u64_pair(9, n)),
        name: String::new(),
    };
    let hash = |n: u64| {
        let mut hash = [9; 32];
        hash[..8].copy_from_slice(&n.to_le_bytes());
        hash
    };
    for n in 1..limits::DEVICES_PER_USER as u64 {
        desk.write(|r| put_device(r, user, &new(n), &hash(n))).unwrap();
    }
    assert_eq!(
        code(desk.write(|r| put_device(r, user, &new(0), &hash(0)))),
        Some(Code::LimitReached)
    );
    desk.write(|r| put_device(r, user, &new(1), &hash(0)))
        .expect("a signed-in one may sign in again");
    desk.write(|r| sign_out(r, user, owner.device_no)).unwrap();
    desk.write(|r| put_device(r, user, &new(0), &hash(1_000)))
        .expect("there is room again");
    desk.write(|r| revoke_all(r, user, None)).unwrap();
    for n in 1_000.. {
        let put = desk.write(|r| {
            put_device(r, user, &new(n), &hash(n))?;
            revoke_all(r, user, None)
        });
        if put.is_err() {
            assert_eq!(code(put), Some(Code::LimitReached));
            break;
        }
        assert!(
            n < 1_000 + limits::DEVICE_IDS_PER_USER as u64,
            "the limit never came"
        );
    }
    desk.write(|r| put_device(r, user, &new(1), &hash(1)))
        .expect("a known id is always welcome");
}

#[test]
fn devices_are_listed_renamed_and_kicked_by_their_owner_only() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 50, ServerRole::Member, 9);
    let bob = desk.join(50, "bob", 2).unwrap();
    desk.clock.set(2_000_000, true);
    desk.write(|r| sign_in(r, &with(&bob, "bob", 3, 3))).unwrap();
    desk.write(|r| rename(r, bob.profile.user, device_id(3), "kitchen"))
        .unwrap();
    for outcome in [
        desk.write(|r| rename(r, bob.profile.user, device_id(1), "mine"))
            .map(drop),
        desk.write(|r| kick(r, bob.profile.user, device_id(1))).map(drop),
    ] {
        assert_eq!(code(outcome), Some(Code::NotFound));
    }
    let list = devices(&desk.connection, bob.profile.user, bob.device_no, |_| {
        Some(3_000_000)
    })
    .unwrap();
    assert_eq!(
        (list[0].created, list[0].last_seen),
        (2_000_000, 3_000_000),
        "what is not written yet counts"
    );
    let shape: Vec<_> = list
        .iter()
        .map(|d| (d.name.as_str(), d.current, d.signed_in))
        .collect();
    assert_eq!(shape, [("kitchen", false, true), ("device 2", true, true)]);
    let (_, effects) = desk.write(|r| kick(r, bob.profile.user, device_id(3))).unwrap();
    assert_eq!(effects.len(), 1);
    assert_eq!(desk.session(3), None);
    let list = devices(&desk.connection, bob.profile.user, bob.device_no, |_| {
        Some(3_000_000)
    })
    .unwrap();
    assert_eq!(list[1].name, "kitchen", "signed-out ones come last");
    assert!(!list[1].signed_in);
}

#[test]
fn a_password_change_ends_the_other_sessions() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    let user = owner.profile.user;
    desk.write(|r| sign_in(r, &with(&owner, "ada", 2, 2))).unwrap();
    let stale = desk.write(|r| set_password(r, user, "another", "new", Some(owner.device_no)));
    assert_eq!(code(stale), Some(Code::WrongCredentials));
    assert!(desk.session(2).is_some());
    let keep = Some(owner.device_no);
    let (_, effects) = desk
        .write(|r| set_password(r, user, "phc of ada", "new", keep))
        .unwrap();
    assert!(is_revoked(&effects, user, None, keep));
    assert!(desk.session(1).is_some(), "the one that asked stays");
    assert_eq!(desk.session(2), None);
    // A sign-in whose password was verified before the change must not slip through after it.
    assert_eq!(
        code(desk.write(|r| sign_in(r, &with(&owner, "ada", 2, 2)))),
        Some(Code::WrongCredentials)
    );
    let (_, effects) = desk
        .write(|r| reset_password(r, By::Operator, user, "given"))
        .unwrap();
    assert!(is_revoked(&effects, user, None, None));
    assert_eq!(desk.session(1), None);
    let found = credentials(&desk.connection, "ada", device_id(1))
        .unwrap()
        .expect("ada exists");
    assert_eq!((found.password.as_str(), found.knows_device), ("given", true));
    let found = credentials(&desk.connection, "ada", device_id(7))
        .unwrap()
        .expect("ada exists");
    assert!(!found.knows_device);
}

#[test]
fn a_rehash_is_stored_with_the_sign_in() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    let sign = SignInWith {
        rehashed: Some("stronger".into()),
        ..with(&owner, "ada", 1, 2)
    };
    desk.write(|r| sign_in(r, &sign)).unwrap();
    let found = credentials(&desk.connection, "ada", device_id(1))
        .unwrap()
        .expect("ada exists");
    assert_eq!(found.password, "stronger");
}

#[test]
fn a_disabled_user_has_no_session_until_enabled() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 50, ServerRole::Member, 9);
    let bob = desk.join(50, "bob", 2).unwrap();
    let (user, by) = (bob.profile.user, By::User(owner.profile.user, 0));
    let (_, effects) = desk.write(|r| set_disabled(r, by, user, true)).unwrap();
    assert!(is_revoked(&effects, user, None, None));
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, AccountEffect::Profile(info) if info.disabled))
    );
    assert_eq!(desk.session(2), None);
    assert!(!all_usable(&desk.connection, &[owner.profile.user, user]).unwrap());
    assert_eq!(
        code(desk.write(|r| sign_in(r, &with(&bob, "bob", 2, 2)))),
        Some(Code::WrongCredentials)
    );
    assert!(
        desk.write(|r| set_disabled(r, by, user, true))
            .unwrap()
            .1
            .is_empty(),
        "again changes nothing"
    );
    desk.write(|r| set_disabled(r, by, user, false)).unwrap();
    assert_eq!(desk.session(2), None, "the token is gone, not asleep");
    desk.write(|r| sign_in(r, &with(&bob, "bob", 2, 2))).unwrap();
    assert!(desk.session(2).is_some());
}

#[test]
fn a_token_that_outlived_its_user_opens_nothing() {
    let mut desk = Desk::new();
    desk.owner();
    desk.connection
        .execute("UPDATE user SET disabled = 1", [])
        .expect("the row changes");
    assert_eq!(desk.session(1), None);
}

#[test]
fn only_those_above_administer() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 50, ServerRole::Admin, 9);
    desk.invite(&owner, 51, ServerRole::Member, 9);
    let (admin, other) = (desk.join(50, "adm", 2).unwrap(), desk.join(50, "bdm", 3).unwrap());
    let (bob, cyd) = (desk.join(51, "bob", 4).unwrap(), desk.join(51, "cyd", 5).unwrap());
    let mut may = |by: &Entered, target: &Entered| {
        code(desk.write(|r| reset_password(r, By::User(by.profile.user, 0), target.profile.user, "x")))
    };
    assert_eq!(may(&bob, &cyd), Some(Code::Forbidden));
    assert_eq!(may(&bob, &bob), Some(Code::Forbidden));
    assert_eq!(may(&admin, &bob), None);
    assert_eq!(may(&admin, &other), Some(Code::Forbidden));
    assert_eq!(may(&admin, &owner), Some(Code::Forbidden));
    assert_eq!(may(&owner, &admin), None);
    let last = desk.write(|r| set_disabled(r, By::User(owner.profile.user, 0), owner.profile.user, true));
    assert_eq!(code(last), Some(Code::LastOwner));
    let last = desk.write(|r| set_disabled(r, By::Operator, owner.profile.user, true));
    assert_eq!(code(last), Some(Code::LastOwner));
    desk.write(|r| set_disabled(r, By::User(owner.profile.user, 0), admin.profile.user, true))
        .unwrap();
    let disabled = desk.write(|r| reset_password(r, By::User(admin.profile.user, 0), bob.profile.user, "x"));
    assert_eq!(code(disabled), Some(Code::Forbidden), "a disabled admin is none");
    let nobody = desk.write(|r| set_disabled(r, By::Operator, UserId(7), true));
    assert_eq!(code(nobody), Some(Code::NotFound));
}

#[test]
fn profiles_change_with_a_number_that_sync_can_ask_for() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 50, ServerRole::Member, 9);
    let bob = desk.join(50, "bob", 2).unwrap();
    let seen = desk.change;
    assert!(changed_since(&desk.connection, seen, 10).unwrap().is_empty());
    let (new, effects) = desk
        .write(|r| change_display_name(r, owner.profile.user, "Ada L."))
        .unwrap();
    assert_eq!(new.display_name, "Ada L.");
    assert_eq!(effects.len(), 1);
    let changed = changed_since(&desk.connection, seen, 10).unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(
        (changed[0].0, changed[0].1.display_name.as_str()),
        (seen + 1, "Ada L.")
    );
    assert!(
        desk.write(|r| change_display_name(r, owner.profile.user, "Ada L."))
            .unwrap()
            .1
            .is_empty()
    );
    assert_eq!(
        changed_since(&desk.connection, 0, 1).unwrap()[0].1.user,
        bob.profile.user,
        "oldest change first"
    );
    assert_eq!(
        profile(&desk.connection, owner.profile.user)
            .unwrap()
            .display_name,
        "Ada L."
    );
    let asked = [bob.profile.user, UserId(7), owner.profile.user];
    let names: Vec<_> = infos(&desk.connection, &asked)
        .unwrap()
        .into_iter()
        .map(|info| info.name)
        .collect();
    assert_eq!(names, ["bob", "ada"]);
    assert!(!all_usable(&desk.connection, &asked).unwrap());
    assert!(all_usable(&desk.connection, &[bob.profile.user]).unwrap());
}

#[test]
fn users_are_listed_by_name_in_pages() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    desk.invite(&owner, 50, ServerRole::Member, 9);
    for (name, n) in [("dan", 2), ("bob", 3), ("cyd", 4)] {
        desk.join(50, name, n).unwrap();
    }
    let page = |after: Option<&str>, limit| {
        let list = users(&desk.connection, None, after, limit, false).unwrap();
        (
            list.users
                .into_iter()
                .map(|info| info.name)
                .collect::<Vec<_>>()
                .join(" "),
            list.more,
        )
    };
    assert_eq!(page(None, 3), ("ada bob cyd".into(), true));
    assert_eq!(page(Some("cyd"), 3), ("dan".into(), false));
    assert_eq!(page(None, 4), ("ada bob cyd dan".into(), false));
    assert_eq!(page(None, 0).0, "ada");
}

#[test]
fn roles_have_fixed_numbers() {
    for (role, number) in [
        (ServerRole::Member, 0),
        (ServerRole::Admin, 1),
        (ServerRole::Owner, 2),
    ] {
        assert_eq!(role_number(role), number);
        assert_eq!(role_from(number), role);
    }
    assert_eq!(role_from(9), ServerRole::Member);
}
