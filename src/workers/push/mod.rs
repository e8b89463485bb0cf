//! Push: tells devices that are not connected, by the service each of them subscribed with (RFC 8030, 8291, 8292). Nothing
//! of this runs, and nothing leaves the machine, unless the operator switched it on.
//!
//! - `round.rs`: takes what is due from the store, sends it, and tries again
//! - `letter.rs`: what a message says
//! - `seal.rs`: makes it readable for its receiver only
//! - `greeting.rs`: the server's key and its signature
//! - `guard.rs`: where it may go
//! - `post.rs`: one request
//!
//! What must not live here: who subscribed (the store's), and who is owed a message (`core::push`).

mod greeting;
pub mod guard;
mod letter;
mod post;
mod round;
mod seal;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::sync::Semaphore;

use self::greeting::Greeter;
use self::guard::{Guard, Target};
use self::post::{Answer, Parcel};
use crate::core::permit::DeviceNo;
use crate::core::push::{Verdict, not_subscribed, verdict};
use crate::hub::Hub;
use crate::limits;
use crate::proto::push::{PushMessage, PushTested};
use crate::proto::{Code, Refusal};
use crate::store::Store;
use crate::store::sqlite::push::{Slot, Subscription};

pub(super) use self::post::trust;
pub use self::round::run;

/// What the operator decides about push.
pub struct PushSettings {
    /// Whom a push service writes to when something is wrong: `mailto:` or `https:`.
    pub subject: String,
    pub hosts: Vec<String>,
    pub public: bool,
    pub text: bool,
    /// PEM certificates of further authorities.
    pub authorities: Vec<u8>,
    pub own_addresses: Box<dyn Fn() -> Vec<IpAddr> + Send + Sync>,
}

/// What sends, shared by the rounds and by those who test.
pub struct Push {
    store: Store,
    hub: Arc<Hub>,
    guard: Guard,
    greeter: Greeter,
    tls: Arc<ClientConfig>,
    text: bool,
    /// Makes topics that say nothing about the conversation.
    topics: [u8; 32],
    tests: Semaphore,
    /// Messages under way to each host.
    under_way: Mutex<HashMap<String, usize>>,
}

/// Why there was no answer.
enum Unsent {
    /// It may not be sent there, or cannot be sealed.
    Never(String),
    /// Nobody answered.
    Later(String),
}

impl Push {
    /// Opens push: the key pair is made at the first time and kept in the store. From then on messages are noted for those
    /// who subscribed, so this comes before anybody is let in.
    ///
    /// # Errors
    /// Why push cannot work, as a sentence.
    pub async fn open(store: Store, hub: Arc<Hub>, settings: PushSettings) -> Result<Arc<Push>, String> {
        let failed = |refusal: Refusal| format!("the store answered {refusal}");
        let key = match store.push_key().await.map_err(failed)? {
            Some(key) => key,
            None => store.keep_push_key(greeting::new_key()?).await.map_err(failed)?,
        };
        let greeter = Greeter::new(&key, &settings.subject)?;
        let tls = post::trust(&settings.authorities)?;
        store.begin_push().await.map_err(failed)?;
        Ok(Arc::new(Push {
            store,
            hub,
            guard: Guard::new(&settings.hosts, settings.public, settings.own_addresses),
            greeter,
            tls,
            text: settings.text,
            topics: blake3::derive_key("kinglet 2026-11 push topics", &key),
            tests: Semaphore::new(limits::PUSH_TESTS),
            under_way: Mutex::default(),
        }))
    }

    /// The key that clients subscribe with.
    #[must_use]
    pub fn public_key(&self) -> String {
        self.greeter.public_key()
    }

    /// Whether names and text may be sent to those who ask for them.
    #[must_use]
    pub fn text_allowed(&self) -> bool {
        self.text
    }

    /// Whether a subscription can be sent to, as far as that is known without asking anyone.
    ///
    /// # Errors
    /// `push_refused`, `bad_request`.
    pub fn check(&self, subscription: &Subscription) -> Result<(), Refusal> {
        self.guard
            .read(&subscription.endpoint)
            .map_err(|wrong| refused(&wrong))?;
        seal::seal(&subscription.p256dh, &subscription.auth, b"").map_err(|seal::Unsealed| {
            Refusal::because(Code::BadRequest, "`p256dh` is no point of the curve P-256.")
        })?;
        Ok(())
    }

    /// Sends one message to a device at once, and tells what became of it.
    ///
    /// # Errors
    /// `not_found` without a subscription, `busy` while others test, `push_refused`.
    pub async fn test(&self, device: DeviceNo) -> Result<PushTested, Refusal> {
        let _seat = self
            .tests
            .try_acquire()
            .map_err(|_| Refusal::later(Code::Busy, 1_000))?;
        let subscription = self.store.push_of(device).await?.ok_or_else(not_subscribed)?;
        let target = self
            .guard
            .read(&subscription.endpoint)
            .map_err(|wrong| refused(&wrong))?;
        let host = target.host.clone();
        let answer = match self
            .send(&target, &subscription, &PushMessage::Test {}, None)
            .await
        {
            Ok(answer) => answer,
            Err(Unsent::Never(wrong)) => return Err(refused(&wrong)),
            Err(Unsent::Later(error)) => {
                return Ok(PushTested {
                    taken: false,
                    host,
                    status: None,
                    error: Some(error),
                });
            }
        };
        if verdict(answer.status) == Verdict::Gone {
            self.store.drop_push(device, Some(subscription.endpoint)).await?;
        }
        Ok(PushTested {
            taken: verdict(answer.status) == Verdict::Taken,
            host,
            status: Some(answer.status),
            error: None,
        })
    }

    /// Seals, signs, resolves, checks, connects, asks.
    async fn send(
        &self,
        target: &Target,
        to: &Subscription,
        message: &PushMessage,
        topic: Option<String>,
    ) -> Result<Answer, Unsent> {
        let text = serde_json::to_vec(message).expect("a message is made of what JSON can say");
        let body = seal::seal(&to.p256dh, &to.auth, &text)
            .map_err(|seal::Unsealed| Unsent::Never("its key is no point of the curve".into()))?;
        let origin = target.origin();
        let now = self.store.clock().now();
        let parcel = Parcel {
            authorization: self
                .greeter
                .header(&origin, now)
                .map_err(|error| Unsent::Later(error.into()))?,
            topic,
            seconds: limits::PUSH_GIVE_UP.as_secs(),
            body,
        };
        let sending = async {
            let found = tokio::net::lookup_host((target.host.as_str(), target.port))
                .await
                .map_err(|_| Unsent::Later("its name has no address".into()))?;
            let addresses = self.guard.check(target, found).map_err(Unsent::Never)?;
            post::post(&self.tls, target, &addresses, parcel)
                .await
                .map_err(Unsent::Later)
        };
        let answer = tokio::time::timeout(limits::PUSH_TIME, sending)
            .await
            .map_err(|_| Unsent::Later(format!("no answer in {} seconds", limits::PUSH_TIME.as_secs())))??;
        if matches!(answer.status, 401 | 403) {
            self.greeter.forget(&origin);
        }
        Ok(answer)
    }

    /// 32 characters that are the same for the same conversation and device, and say nothing else.
    fn topic(&self, slot: Slot) -> String {
        let mut words = [0; 16];
        words[..8].copy_from_slice(&slot.device.to_le_bytes());
        words[8..].copy_from_slice(&slot.conversation.0.to_le_bytes());
        BASE64URL_NOPAD.encode(&blake3::keyed_hash(&self.topics, &words).as_bytes()[..24])
    }

    /// A place at a host, given back when it is dropped; none while it has enough to do with us.
    fn place_at(self: &Arc<Self>, host: &str) -> Option<Place> {
        let mut under_way = self.under_way.lock();
        let count = under_way.entry(host.to_owned()).or_insert(0);
        if *count >= limits::PUSH_PER_HOST {
            return None;
        }
        *count += 1;
        Some(Place {
            push: Arc::clone(self),
            host: host.to_owned(),
        })
    }
}

struct Place {
    push: Arc<Push>,
    host: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.push.under_way.lock();
        if let Some(count) = under_way.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.host);
            }
        }
    }
}

fn refused(wrong: &str) -> Refusal {
    Refusal::because(
        Code::PushRefused,
        format!("The push address is refused: {wrong}."),
    )
}
