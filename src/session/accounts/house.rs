//! What the server says of itself: what the team is called, and the one address that people are told. What must not live
//! here: the recovery key's making (`recovery`), and which names a machine answers to, which is the gateway's to check.
//!
//! Invariant: what is told from memory was committed before; changes come one after the other.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::{Mutex, MutexGuard};

use super::{Accounts, Caller, NewDevice, Outcome, WebAddress, name_refusal};
use crate::core::names;
use crate::proto::account::FirstRun;
use crate::proto::house::{ChangeServer, ServerInfo};
use crate::proto::{Code, Refusal};
use crate::store::Store;
use crate::store::sqlite::accounts::{By, Entered, Entrance, Founding, HouseChange, NewUser, SecretHash};

/// What is told so often that it is kept at hand.
pub(super) struct House {
    told: RwLock<Told>,
    /// Held over a change, so that memory has the last one that was committed.
    changing: Mutex<()>,
}

#[derive(Clone, Default)]
struct Told {
    team: Option<String>,
    /// The one address, once it is fixed.
    address: Option<Arc<str>>,
}

impl House {
    pub(super) async fn read(store: &Store) -> Outcome<House> {
        let team = store.team().await?;
        Ok(House {
            told: RwLock::new(Told { team, address: None }),
            changing: Mutex::new(()),
        })
    }

    async fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }
}

impl Accounts {
    /// What the team is called.
    #[must_use]
    pub fn team(&self) -> Option<String> {
        self.house.told.read().team.clone()
    }

    /// What a claim can decide on, while there is none.
    #[must_use]
    pub fn first_run(&self) -> Option<FirstRun> {
        let open = !self.is_claimed();
        open.then(|| FirstRun {
            address: self.settings.canonical_url.trim_end_matches('/').to_owned(),
            address_is_set: self.settings.address_is_set,
        })
    }

    /// The address that stands in invitations. The first call fixes it: from then on people know it.
    pub(super) async fn address(&self) -> Outcome<Arc<str>> {
        if let Some(known) = self.house.told.read().address.clone() {
            return Ok(known);
        }
        let _changing = self.house.change().await;
        let url = self.settings.canonical_url.trim_end_matches('/').to_owned();
        let fixed: Arc<str> = self.store.fix_address(url, false).await?.into();
        self.house.told.write().address = Some(Arc::clone(&fixed));
        Ok(fixed)
    }

    /// What a claim lays down beside its owner.
    pub(super) fn founding(&self, team: Option<&str>, address: Option<&str>) -> Outcome<Founding> {
        let wished = address.map(|address| self.wished(address)).transpose()?;
        let guess = || self.settings.canonical_url.trim_end_matches('/').to_owned();
        Ok(Founding {
            team: team.map(team_name).transpose()?,
            is_wish: wished.is_some(),
            address: wished.unwrap_or_else(guess),
        })
    }

    /// Makes the owner and lays down what the server is called and known by, in one transaction.
    pub(super) async fn found(
        &self,
        user: NewUser,
        device: NewDevice,
        token: SecretHash,
        by: Entrance,
        founding: Founding,
    ) -> Outcome<Entered> {
        let _changing = self.house.change().await;
        let team = founding.team.clone();
        let (entered, address) = self.store.claim(user, device, token, by, founding).await?;
        *self.house.told.write() = Told {
            team,
            address: Some(address.into()),
        };
        Ok(entered)
    }

    /// What admins see of the server itself.
    ///
    /// # Errors
    /// `forbidden` for members.
    pub async fn server(&self, caller: &Caller) -> Outcome<ServerInfo> {
        let house = self.store.house(by(caller)).await?;
        Ok(ServerInfo {
            team: house.team,
            address: self.address().await?.to_string(),
            address_is_set: self.settings.address_is_set,
            recovery: house.recovery,
        })
    }

    /// Changes what is named. The same again changes nothing.
    ///
    /// # Errors
    /// `forbidden`; `bad_request` for an address that cannot be this server's; `name_invalid`; `changed_meanwhile` where
    /// `instead_of` is not the address, or `recovery_kept` not the recipient.
    pub async fn change_server(&self, caller: &Caller, change: ChangeServer) -> Outcome<ServerInfo> {
        let address = change
            .address
            .as_deref()
            .map(|address| self.wished(address))
            .transpose()?;
        let wanted = HouseChange {
            team: change.team.as_deref().map(team_name).transpose()?,
            address: match (address, change.instead_of) {
                (Some(to), Some(from)) => Some((from.trim_end_matches('/').to_owned(), to)),
                (Some(_), None) => {
                    return Err(bad(
                        "An `address` comes with `instead_of`, the one that it takes the place of.",
                    ));
                }
                (None, _) => None,
            },
            recovery_kept: change.recovery_kept,
        };
        // So that there is one to be compared with.
        self.address().await?;
        let changing = self.house.change().await;
        let house = self.store.change_house(by(caller), wanted).await?;
        *self.house.told.write() = Told {
            team: house.team,
            address: house.address.map(Arc::from),
        };
        drop(changing);
        self.server(caller).await
    }

    /// An address that a person would like people to be told, in its one form.
    fn wished(&self, address: &str) -> Outcome<String> {
        let wished =
            WebAddress::parse(address).map_err(|why| bad(format!("This cannot be the address: {why}.")))?;
        let set = self.settings.canonical_url.trim_end_matches('/');
        if self.settings.address_is_set && wished.text() != set {
            return Err(Refusal {
                next: "Change listen.canonical_url in the server's configuration, or remove it.".into(),
                ..Refusal::because(
                    Code::Forbidden,
                    "The server's configuration decides on its address.",
                )
            });
        }
        if !wished.is_encrypted() && self.settings.encrypted {
            return Err(bad(
                "This server speaks TLS, so the address begins with https://.",
            ));
        }
        if !wished.is_encrypted() && !wished.is_private() {
            return Err(bad(
                "Beyond this network the address begins with https://: over plain http everybody on the way reads along.",
            ));
        }
        Ok(wished.text().to_owned())
    }
}

fn team_name(raw: &str) -> Outcome<String> {
    names::title(raw).map_err(name_refusal)
}

fn by(caller: &Caller) -> By {
    By::User(caller.user, caller.device_no)
}

fn bad(sentence: impl Into<String>) -> Refusal {
    Refusal::because(Code::BadRequest, sentence)
}
