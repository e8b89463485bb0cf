//! Accounts: who may come in, by which door, and what they may do with their account.
//!
//! One [`Accounts`] serves every face. Its doors are in `claim`, `invitations` (join) and `sign_in`; `devices`,
//! `profile` and `admin` are for those who are in. What must not live here: HTTP, SQL, live sockets.
//!
//! Invariants: nothing about an account is told before a password or a token was right; every way to a token goes
//! through `tries`; no method logs a name, a code or a token.

mod address;
mod admin;
mod bots;
mod claim;
mod code;
mod devices;
mod erase;
mod history;
mod house;
mod invitations;
mod leaving;
mod moderation;
mod news;
mod pairing;
pub mod password;
mod profile;
mod recovery;
mod reset;
mod sign_in;
#[cfg(test)]
pub(crate) mod tests;
pub mod token;
mod tries;

use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Now;
use crate::core::names::{self, NameError, UserName};
use crate::core::permit::DeviceNo;
pub use crate::core::permit::bots::Errand;
use crate::core::permit::bots::Scopes;
use crate::limits;
use crate::proto::account::{NewDevice, ServerRole, SignedIn};
use crate::proto::{ClientId, Code, ConversationId, DeviceId, Refusal, UserId};
use crate::store::sqlite::accounts::{Entered, NewUser};
use crate::store::{Pos, Store};

pub use address::{WebAddress, is_host};
pub use admin::{Administrator, may_ask_board, may_oversee, may_place_backups};
pub use bots::may_run;
pub use claim::PeerPlace;
pub use history::KeptAddress;
use history::Refusals;
use house::House;
pub use leaving::Left;
use pairing::Pairings;
use password::{PasswordError, PasswordPool};
use token::{ClaimCode, ClaimGate, Token};
use tries::Doors;

type Outcome<T> = Result<T, Refusal>;

/// A device's name, in bytes.
const DEVICE_NAME_BYTES: usize = 64;

/// Who may make invitations for members. Only an owner invites admins and owners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhoMayInvite {
    #[default]
    Admins,
    Members,
}

/// What the operator decides about accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    pub who_may_invite: WhoMayInvite,
    /// Days until an invitation ends, if its maker does not say.
    pub invitation_days: u32,
    /// How much of an address is kept with a sign-in.
    pub sign_in_addresses: KeptAddress,
    /// The address of this server, as it is to stand in invitations unless people were told another one before.
    pub canonical_url: String,
    /// Whether the operator's setting says so: then nobody else decides.
    pub address_is_set: bool,
    /// Whether clients come over TLS, to this server or to a proxy before it.
    pub encrypted: bool,
}

/// Who asks, known by a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub user: UserId,
    pub device_no: DeviceNo,
    pub device_id: DeviceId,
    pub role: ServerRole,
    pub scopes: Scopes,
}

/// The accounts of this server, shared by all faces.
pub struct Accounts {
    store: Store,
    passwords: PasswordPool,
    /// Open while nobody has claimed the server.
    claim: Mutex<Option<ClaimGate>>,
    settings: AccountSettings,
    secret: [u8; 32],
    /// What codes of reset links and tokens of bots are made from. It is never stored: nothing that is could make one.
    links: [u8; 32],
    doors: Doors,
    pairings: Pairings,
    refusals: Refusals,
    house: House,
}

impl Accounts {
    /// Opens the accounts. On a server that nobody has claimed, also gives the claim code to show to the operator: it is drawn from
    /// the server's secret, so it stays the same until there is an owner.
    pub async fn open(store: Store, settings: AccountSettings) -> Outcome<(Accounts, Option<String>)> {
        let secret = store.server_secret().await?;
        let code = if store.owner_exists().await? {
            None
        } else {
            Some(ClaimCode::of(&secret))
        };
        let mut links = [0; 32];
        store.clock().random(&mut links);
        let salts = store.clone();
        let salter = Arc::new(move |bytes: &mut [u8]| salts.clock().random(bytes));
        let accounts = Accounts {
            passwords: PasswordPool::new(limits::ARGON2_AT_ONCE, limits::ARGON2_WAITING, salter),
            claim: Mutex::new(code.as_ref().map(ClaimGate::new)),
            settings,
            secret,
            links,
            doors: Doors::new(),
            pairings: Pairings::new(),
            refusals: Refusals::default(),
            house: House::read(&store).await?,
            store,
        };
        Ok((accounts, code.map(|code| code.shown())))
    }

    /// Whether the server has its owner.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.claim.lock().is_none()
    }

    /// The server's shown time.
    #[must_use]
    pub fn now(&self) -> Now {
        self.store.clock().now()
    }

    /// Who a token stands for.
    ///
    /// # Errors
    /// `signed_out` for whatever is not the token of a session, without saying why.
    pub async fn authenticate(&self, token: &str) -> Outcome<Caller> {
        let token = Token::parse(token).map_err(|_| Code::SignedOut)?;
        let facts = self
            .store
            .session(*token.hash().as_bytes())
            .await?
            .ok_or(Code::SignedOut)?;
        // Remembered, and written along with some later commit.
        self.store.seen(facts.device_no);
        Ok(Caller {
            user: facts.user,
            device_no: facts.device_no,
            device_id: facts.device_id,
            role: facts.role,
            scopes: facts.scopes,
        })
    }

    /// What a device that has come in is to be told of: see `Store::arrival`.
    ///
    /// # Errors
    /// `signed_out` if the token is no longer this user's.
    pub async fn arrival(
        &self,
        token: &str,
        user: UserId,
        since: Option<Pos>,
    ) -> Outcome<Vec<ConversationId>> {
        let token = Token::parse(token).map_err(|_| Code::SignedOut)?;
        let found = self.store.arrival(*token.hash().as_bytes(), user, since).await?;
        found.ok_or_else(|| Code::SignedOut.into())
    }

    fn fresh_token(&self) -> Token {
        Token::new(&mut |bytes| self.store.clock().random(bytes))
    }

    /// A user to be made, its names and password held to the rules. Costs an argon2.
    async fn new_user(&self, name: &UserName, display_name: &str, password: String) -> Outcome<NewUser> {
        let display_name = display_name_or(display_name, name.as_str())?;
        password::check_new(&password, name.as_str()).map_err(password_refusal)?;
        let taken = self
            .store
            .name_is_taken(name.as_str().into(), name.skeleton())
            .await?;
        if taken {
            return Err(Code::NameTaken.into());
        }
        Ok(NewUser {
            name: name.as_str().into(),
            skeleton: name.skeleton(),
            display_name,
            password: self.passwords.hash(password).await.map_err(password_refusal)?,
            scopes: Scopes::PERSON,
        })
    }
}

fn signed_in(entered: Entered, device: DeviceId, token: &Token) -> SignedIn {
    SignedIn {
        token: token.text(),
        user: entered.profile.user,
        device,
        name: entered.profile.name,
        display_name: entered.profile.display_name,
        role: entered.profile.role,
    }
}

/// How many rows of a list were asked for.
fn rows(asked: Option<u32>, most: usize) -> Outcome<usize> {
    let limit = asked.map_or(Some(most), |limit| {
        usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=most).contains(limit))
    });
    limit.ok_or_else(|| Refusal::because(Code::BadRequest, format!("`limit` is 1 to {most}.")))
}

/// A client id must be one that was made for its request.
fn check_client_id(id: ClientId) -> Outcome<()> {
    if id.0.is_nil() {
        return Err(Refusal::because(
            Code::BadRequest,
            "A client id is a UUID made for this request.",
        ));
    }
    Ok(())
}

fn user_name(raw: &str) -> Outcome<UserName> {
    UserName::parse(raw).map_err(name_refusal)
}

/// A display name in its stored form; what is left empty is the user name.
fn display_name_or(raw: &str, user_name: &str) -> Outcome<String> {
    if raw.trim().is_empty() {
        return Ok(user_name.into());
    }
    names::display_name(raw).map_err(name_refusal)
}

/// A device's name in its stored form; it may be empty.
fn device_name(raw: &str) -> Outcome<String> {
    if raw.trim().is_empty() {
        return Ok(String::new());
    }
    let name = names::display_name(raw).map_err(name_refusal)?;
    if name.len() > DEVICE_NAME_BYTES {
        let message = format!("A device's name is at most {DEVICE_NAME_BYTES} bytes long.");
        return Err(Refusal::because(Code::NameInvalid, message));
    }
    Ok(name)
}

fn checked(device: NewDevice) -> Outcome<NewDevice> {
    if device.id.0.is_nil() || device.id.0.is_max() {
        return Err(Refusal::because(
            Code::BadRequest,
            "A device id is a UUID that the client made for itself.",
        ));
    }
    Ok(NewDevice {
        id: device.id,
        name: device_name(&device.name)?,
    })
}

fn name_refusal(error: NameError) -> Refusal {
    Refusal::because(Code::NameInvalid, sentence(&error.to_string()))
}

fn password_refusal(error: PasswordError) -> Refusal {
    match error {
        PasswordError::Busy { retry_after_ms } => Refusal::later(Code::Busy, u64::from(retry_after_ms)),
        PasswordError::StoredHash | PasswordError::BrokeOff => {
            log::error!("{error}");
            Code::Internal.into()
        }
        weak => Refusal::because(Code::PasswordWeak, sentence(&weak.to_string())),
    }
}

/// An error's text as a sentence for a person.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => String::new(),
    }
}
