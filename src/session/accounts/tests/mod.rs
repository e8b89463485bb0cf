//! The doors on the real store, with real argon2. What must not live here: HTTP; `gateway::http` has its own tests.

mod inside;

use std::net::IpAddr;
use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::core::permit::Settings;
use crate::proto::ClientId;
use crate::proto::account::{
    ChangePassword, ChangeProfile, Claim, InvitationInfo, JoinServer, ListAfter, NewInvitation, SignIn,
    SignOutEverywhere, SignedIn,
};
use crate::store::{AccountEffect, Commit, Committed, sqlite};

pub(crate) const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// The accounts on a store of their own, and what the store said must be cut or told.
pub(crate) struct Hall {
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) code: Option<String>,
    pub(crate) store: Store,
    effects: Arc<Mutex<Vec<AccountEffect>>>,
    _directory: tempfile::TempDir,
}

struct Sink(Arc<Mutex<Vec<AccountEffect>>>);

impl Committed for Sink {
    fn committed(&mut self, commit: Commit) {
        self.0.lock().extend(commit.effects);
        for (waiter, slot, outcome) in commit.answers {
            waiter.answer(slot, outcome);
            waiter.wake();
        }
    }
}

impl Hall {
    pub(crate) async fn open() -> Hall {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let effects = Arc::new(Mutex::new(Vec::new()));
        let options = sqlite::Options {
            directory: directory.path().to_owned(),
            vfs: None,
            settings: Settings {
                recall_seconds: u64::MAX,
                edit_seconds: u64::MAX,
            },
            roster_members: 1_000,
            fatal: Arc::new(|why| panic!("the store gave up: {why}")),
        };
        let clock = Arc::new(Clock::manual(1_750_000_000_000, 3));
        let store =
            Store::open(options, clock, Box::new(Sink(Arc::clone(&effects)))).expect("the store opens");
        let (accounts, code) = Accounts::open(store.clone(), settings())
            .await
            .expect("accounts open");
        Hall {
            accounts: Arc::new(accounts),
            code,
            store,
            effects,
            _directory: directory,
        }
    }

    /// What a face works with, around these accounts.
    pub(crate) fn services(&self) -> Arc<crate::session::Services> {
        let limits = crate::limits::FileLimits::default();
        let files = crate::session::files::Files::open(self.store.clone(), self._directory.path(), limits);
        Arc::new(crate::session::Services {
            files: Arc::new(files.expect("the directory is ours")),
            store: self.store.clone(),
            hub: crate::hub::Hub::new(0),
            accounts: Arc::clone(&self.accounts),
            limits: crate::limits::Limits::default(),
            pulse: crate::session::Pulse::new(),
            quotas: crate::session::Quotas::default(),
            push: crate::session::push::Push::default(),
            exports: crate::session::export::Exports::default(),
        })
    }

    /// A hall whose owner is `ada`.
    async fn claimed() -> (Hall, Caller) {
        let hall = Hall::open().await;
        let claim = claim(hall.code.as_deref().expect("nobody has claimed yet"), 1);
        let owner = hall
            .accounts
            .claim(claim, HERE)
            .await
            .expect("the claim is right");
        let caller = hall.caller(&owner).await;
        (hall, caller)
    }

    /// A hall, the owner's token and the owner, for other rooms' tests.
    pub(crate) async fn with_owner() -> (Hall, SignedIn, Caller) {
        let hall = Hall::open().await;
        let claim = claim(hall.code.as_deref().expect("nobody has claimed yet"), 1);
        let owner = hall
            .accounts
            .claim(claim, HERE)
            .await
            .expect("the claim is right");
        let caller = hall.caller(&owner).await;
        (hall, owner, caller)
    }

    async fn caller(&self, who: &SignedIn) -> Caller {
        self.accounts
            .authenticate(&who.token)
            .await
            .expect("the token is good")
    }

    async fn join(&self, by: &Caller, name: &str, n: u8, role: ServerRole) -> (SignedIn, Caller) {
        let made = self
            .accounts
            .invite(by, invitation(n, role))
            .await
            .expect("an invitation");
        let joined = self
            .accounts
            .join(join(&made, name, n), HERE)
            .await
            .expect("joined");
        let caller = self.caller(&joined).await;
        (joined, caller)
    }

    async fn sign_in(&self, name: &str, password: &str, n: u8) -> Outcome<SignedIn> {
        self.accounts.sign_in(sign_in(name, password, n), HERE).await
    }

    fn take_effects(&self) -> Vec<AccountEffect> {
        std::mem::take(&mut *self.effects.lock())
    }
}

fn settings() -> AccountSettings {
    AccountSettings {
        who_may_invite: WhoMayInvite::Admins,
        invitation_days: 7,
        sign_in_addresses: KeptAddress::Prefix,
        canonical_url: "https://kinglet.local/".into(),
        address_is_set: false,
        encrypted: true,
    }
}

fn device(n: u8) -> NewDevice {
    NewDevice {
        id: DeviceId(uuid::Uuid::from_bytes([n; 16])),
        name: format!("device {n}"),
    }
}

fn password_of(name: &str) -> String {
    format!("{name} has a secret")
}

fn claim(code: &str, n: u8) -> Claim {
    let (name, password) = ("ada".to_owned(), password_of("ada"));
    Claim {
        code: code.into(),
        name,
        display_name: String::new(),
        password,
        device: device(n),
        team: None,
        address: None,
    }
}

fn invitation(n: u8, role: ServerRole) -> NewInvitation {
    let client_id = ClientId(uuid::Uuid::from_bytes([n; 16]));
    NewInvitation {
        conversation: None,
        client_id,
        role,
        uses: None,
        days: None,
    }
}

fn join(made: &InvitationInfo, name: &str, n: u8) -> JoinServer {
    JoinServer {
        code: made.code.clone(),
        name: name.into(),
        display_name: name.to_uppercase(),
        password: password_of(name),
        device: device(n),
    }
}

fn sign_in(name: &str, password: &str, n: u8) -> SignIn {
    SignIn {
        name: name.into(),
        password: password.into(),
        device: device(n),
    }
}

fn code<T>(outcome: Outcome<T>) -> Option<Code> {
    outcome.err().map(|refusal| refusal.code)
}

#[tokio::test]
async fn the_claim_code_makes_the_owner_once() {
    let hall = Hall::open().await;
    let shown = hall.code.clone().expect("nobody has claimed yet");
    let far: IpAddr = "203.0.113.9".parse().expect("an address");
    assert_eq!(
        code(hall.accounts.claim(claim(&shown, 1), far).await),
        Some(Code::ClaimClosed)
    );
    let weak = Claim {
        password: "password".into(),
        ..claim(&shown, 1)
    };
    assert_eq!(
        code(hall.accounts.claim(weak, HERE).await),
        Some(Code::PasswordWeak)
    );
    let unnamed = Claim {
        name: "a b".into(),
        ..claim(&shown, 1)
    };
    assert_eq!(
        code(hall.accounts.claim(unnamed, HERE).await),
        Some(Code::NameInvalid)
    );
    assert!(!hall.accounts.is_claimed());
    let owner = hall
        .accounts
        .claim(claim(&shown, 1), HERE)
        .await
        .expect("the code is still good");
    assert_eq!(
        (owner.role, owner.display_name.as_str()),
        (ServerRole::Owner, "ada")
    );
    assert!(hall.accounts.is_claimed());

    // The answer was lost: the same claim from the same device is answered, anyone else's is not.
    let again = hall
        .accounts
        .claim(claim(&shown, 1), HERE)
        .await
        .expect("a retry");
    assert_eq!(again.user, owner.user);
    assert_eq!(
        code(hall.accounts.authenticate(&owner.token).await),
        Some(Code::SignedOut)
    );
    assert_eq!(
        code(hall.accounts.claim(claim(&shown, 2), HERE).await),
        Some(Code::ClaimClosed)
    );

    let (_, second) = Accounts::open(hall.store.clone(), settings())
        .await
        .expect("a restart");
    assert_eq!(second, None, "a claimed server has no claim code");
}

#[tokio::test]
async fn five_wrong_claim_codes_end_it_until_the_next_start() {
    let hall = Hall::open().await;
    let shown = hall.code.clone().expect("nobody has claimed yet");
    let wrong = if shown == "00000-00000" {
        "00000-00001"
    } else {
        "00000-00000"
    };
    for left in (1..5).rev() {
        let refusal = hall
            .accounts
            .claim(claim(wrong, 1), HERE)
            .await
            .expect_err("a wrong code");
        assert_eq!(refusal.code, Code::ClaimWrong);
        assert!(
            refusal.message.contains(&left.to_string()) || left == 1,
            "{}",
            refusal.message
        );
    }
    assert_eq!(
        code(hall.accounts.claim(claim(wrong, 1), HERE).await),
        Some(Code::ClaimClosed)
    );
    assert_eq!(
        code(hall.accounts.claim(claim(&shown, 1), HERE).await),
        Some(Code::ClaimClosed)
    );
    let (accounts, again) = Accounts::open(hall.store.clone(), settings())
        .await
        .expect("a restart");
    assert_eq!(
        again.as_ref(),
        Some(&shown),
        "whoever read it turned the machine off for that"
    );
    accounts
        .claim(claim(&shown, 1), HERE)
        .await
        .expect("there are five tries again");
}

#[tokio::test]
async fn one_joins_by_an_invitation_and_a_retry_signs_in() {
    let (hall, owner) = Hall::claimed().await;
    let made = hall
        .accounts
        .invite(&owner, invitation(9, ServerRole::Member))
        .await
        .expect("made");
    assert_eq!(
        made.link,
        format!("https://kinglet.local/join#{}", made.code.replace('-', ""))
    );
    let again = hall
        .accounts
        .invite(&owner, invitation(9, ServerRole::Member))
        .await
        .expect("a retry");
    assert_eq!(again, made);
    let check = hall
        .accounts
        .check_invitation(&made.code.to_lowercase(), HERE)
        .await
        .expect("open");
    assert_eq!((check.by_name.as_str(), check.role), ("ada", ServerRole::Member));

    let taken = JoinServer {
        name: "Ada".into(),
        ..join(&made, "bob", 2)
    };
    assert_eq!(code(hall.accounts.join(taken, HERE).await), Some(Code::NameTaken));
    let bob = hall
        .accounts
        .join(join(&made, "bob", 2), HERE)
        .await
        .expect("joined");
    assert_eq!((bob.role, bob.display_name.as_str()), (ServerRole::Member, "BOB"));
    let check = hall.accounts.check_invitation(&made.code, HERE).await;
    assert_eq!(code(check), Some(Code::InvitationInvalid), "its one use is gone");
    let again = hall
        .accounts
        .join(join(&made, "bob", 2), HERE)
        .await
        .expect("the same request again");
    assert_eq!(again.user, bob.user);
    let other = JoinServer {
        password: "something else".into(),
        ..join(&made, "bob", 2)
    };
    assert_eq!(code(hall.accounts.join(other, HERE).await), Some(Code::NameTaken));
    assert_eq!(
        code(hall.accounts.join(join(&made, "cyd", 3), HERE).await),
        Some(Code::InvitationInvalid)
    );
    let nonsense = JoinServer {
        code: "nonsense".into(),
        ..join(&made, "cyd", 3)
    };
    assert_eq!(
        code(hall.accounts.join(nonsense, HERE).await),
        Some(Code::InvitationInvalid)
    );
}

#[tokio::test]
async fn a_join_without_an_invitation_costs_no_argon2() {
    let (hall, owner) = Hall::claimed().await;
    let made = hall
        .accounts
        .invite(&owner, invitation(9, ServerRole::Member))
        .await
        .expect("made");
    hall.accounts
        .revoke_invitation(&owner, made.id)
        .await
        .expect("revoked");
    let before = hall.accounts.passwords.hashes();
    assert_eq!(
        code(hall.accounts.join(join(&made, "bob", 2), HERE).await),
        Some(Code::InvitationInvalid)
    );
    assert_eq!(hall.accounts.passwords.hashes(), before);
}

#[tokio::test]
async fn a_wrong_name_a_wrong_password_and_a_disabled_user_look_alike() {
    let (hall, owner) = Hall::claimed().await;
    let (_, bob) = hall.join(&owner, "bob", 2, ServerRole::Member).await;
    hall.accounts
        .disable(Administrator::Caller(&owner), bob.user)
        .await
        .expect("disabled");
    let mut answers = Vec::new();
    for (name, password, n) in [
        ("ada", "not hers at all", 7),
        ("ada", "not hers at all", 1),
        ("nobody", "not hers at all", 7),
        ("no such name!", "not hers at all", 7),
        ("bob", "bob has a secret", 2),
    ] {
        let before = hall.accounts.passwords.hashes();
        answers.push(hall.sign_in(name, password, n).await.expect_err("all wrong"));
        assert_eq!(
            hall.accounts.passwords.hashes(),
            before + 1,
            "{name}: the same work for all"
        );
    }
    assert!(
        answers
            .iter()
            .all(|answer| *answer == Refusal::new(Code::WrongCredentials))
    );
    hall.accounts
        .enable(Administrator::Operator, bob.user)
        .await
        .expect("enabled");
    hall.sign_in("BOB", "bob has a secret", 2)
        .await
        .expect("any case, and enabled again");
}

#[tokio::test]
async fn guessing_locks_out_strangers_but_not_a_known_device() {
    let (hall, owner) = Hall::claimed().await;
    let guess = |n: u8, host: u8| {
        let from = IpAddr::from([192, 0, 2, host]);
        hall.accounts.sign_in(sign_in("ada", "a guess at it", n), from)
    };
    for host in 0..u8::try_from(limits::ACCOUNT_TRIES).expect("few") {
        assert_eq!(code(guess(90, host).await), Some(Code::WrongCredentials));
    }
    let refusal = guess(90, 200)
        .await
        .expect_err("from many addresses, at one account");
    assert_eq!(refusal.code, Code::RateLimited);
    assert!(refusal.retry_after_ms.is_some_and(|wait| wait > 0));
    assert_eq!(
        code(hall.sign_in("ada", &password_of("ada"), 91).await),
        Some(Code::RateLimited)
    );
    let entered = hall
        .sign_in("ada", &password_of("ada"), 1)
        .await
        .expect("her own device");
    assert_eq!(hall.caller(&entered).await.device_no, owner.device_no);

    let mut last = None;
    for _ in 0..=limits::BUCKET_SIGN_IN.burst {
        let check = hall
            .accounts
            .check_invitation("0000-0000-0000-0000", IpAddr::from([192, 0, 2, 250]))
            .await;
        last = code(check);
    }
    assert_eq!(last, Some(Code::RateLimited), "one address, many codes");
}

#[tokio::test]
async fn of_two_claims_at_once_one_is_the_owner() {
    let hall = Hall::open().await;
    let shown = hall.code.clone().expect("nobody has claimed yet");
    let other = Claim {
        name: "eve".into(),
        password: password_of("eve"),
        ..claim(&shown, 2)
    };
    let (one, two) = tokio::join!(
        hall.accounts.claim(claim(&shown, 1), HERE),
        hall.accounts.claim(other, HERE)
    );
    assert!(one.is_ok() != two.is_ok());
    assert_eq!(code(one).or(code(two)), Some(Code::ClaimClosed));
}

#[tokio::test]
async fn a_refused_change_burns_no_number() {
    let (hall, owner) = Hall::claimed().await;
    let made = hall
        .accounts
        .invite(&owner, invitation(9, ServerRole::Member))
        .await
        .expect("made");
    let before = hall.store.head().accounts;
    let refused = hall.accounts.join(join(&made, "bob", 1), HERE).await;
    assert_eq!(
        code(refused),
        Some(Code::DeviceTaken),
        "refused after the user's row was made"
    );
    hall.sign_in("ada", &password_of("ada"), 1)
        .await
        .expect("another change commits");
    assert_eq!(
        hall.store.head().accounts,
        before,
        "a number without a row is given out again after a restart"
    );
    hall.accounts
        .join(join(&made, "bob", 2), HERE)
        .await
        .expect("the name and the use are still free");
    assert_eq!(hall.store.head().accounts, before + 1);
}

#[tokio::test]
async fn whoever_shows_a_token_was_seen() {
    let (hall, owner) = Hall::claimed().await;
    hall.store.clock().set(1_750_000_900_000, true);
    let again = hall
        .sign_in("ada", &password_of("ada"), 2)
        .await
        .expect("signed in");
    hall.store.clock().set(1_750_000_999_000, true);
    hall.caller(&again).await;
    let devices = hall.accounts.devices(&owner).await.expect("a list").devices;
    assert_eq!(
        (devices[0].id, devices[0].last_seen),
        (device(2).id, 1_750_000_999_000)
    );
    assert_eq!(devices[1].last_seen, 1_750_000_000_000);
}
