//! A device's push subscription, as its own user asks for it. What must not live here: sending, which whoever started the
//! server hands in; nor HTTP.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use data_encoding::{BASE64URL, BASE64URL_NOPAD};

use super::Services;
use super::accounts::Caller;
use crate::core::permit::DeviceNo;
use crate::core::push::not_subscribed;
use crate::limits;
use crate::proto::push::{PushInfo, PushSubscribe, PushSubscription, PushTested};
use crate::proto::{Code, Refusal};
use crate::store::sqlite::push::Subscription;

type Outcome<T> = Result<T, Refusal>;
/// An answer that takes its time.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Whoever sends.
pub trait Courier: Send + Sync {
    fn public_key(&self) -> String;
    fn text_allowed(&self) -> bool;
    /// # Errors
    /// Why nothing can be sent there.
    fn check(&self, subscription: &Subscription) -> Outcome<()>;
    /// Sends a test to a device.
    fn test(&self, device: DeviceNo) -> Later<Outcome<PushTested>>;
}

/// Push as sessions know it: a courier, or none where it is off.
#[derive(Clone, Default)]
pub struct Push(Option<Arc<dyn Courier>>);

impl Push {
    #[must_use]
    pub fn by(courier: Arc<dyn Courier>) -> Push {
        Push(Some(courier))
    }

    fn courier(&self) -> Outcome<&Arc<dyn Courier>> {
        self.0.as_ref().ok_or_else(|| Code::PushOff.into())
    }
}

/// The name by which `welcome` says that push is on.
const CAPABILITY: &str = "push";

impl Services {
    /// What this server can that not every one can.
    #[must_use]
    pub fn capabilities(&self) -> Vec<String> {
        self.push.0.iter().map(|_| CAPABILITY.to_owned()).collect()
    }

    #[must_use]
    pub fn push_info(&self) -> PushInfo {
        let courier = self.push.0.as_ref();
        PushInfo {
            enabled: courier.is_some(),
            public_key: courier.map(|courier| courier.public_key()),
            text_allowed: courier.is_some_and(|courier| courier.text_allowed()),
        }
    }

    /// Subscribes the caller's device in place of what it had; the same again changes nothing.
    ///
    /// # Errors
    /// `push_off`, `push_refused`, `bad_request`, `limit_reached`, `rate_limited`.
    pub async fn subscribe(&self, caller: &Caller, asked: PushSubscribe) -> Outcome<PushSubscription> {
        let courier = self.push.courier()?;
        self.pay(caller)?;
        if asked.endpoint.len() > limits::PUSH_ENDPOINT_BYTES {
            let message = format!("`endpoint` has at most {} bytes.", limits::PUSH_ENDPOINT_BYTES);
            return Err(Refusal::because(Code::PushRefused, message));
        }
        let subscription = Subscription {
            p256dh: bytes("p256dh", &asked.keys.p256dh)?,
            auth: bytes("auth", &asked.keys.auth)?,
            endpoint: asked.endpoint,
            text: asked.text,
            created: 0,
        };
        courier.check(&subscription)?;
        let kept = self
            .store
            .put_push(caller.user, caller.device_no, subscription)
            .await?;
        Ok(told(kept))
    }

    /// The subscription of the caller's device.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn subscription(&self, caller: &Caller) -> Outcome<PushSubscription> {
        let kept = self.store.push_of(caller.device_no).await?;
        kept.map(told).ok_or_else(not_subscribed)
    }

    /// Ends it. Doing it again changes nothing, and it works while push is off, too.
    ///
    /// # Errors
    /// `rate_limited`.
    pub async fn unsubscribe(&self, caller: &Caller) -> Outcome<()> {
        self.pay(caller)?;
        self.store.drop_push(caller.device_no, None).await
    }

    /// Sends a test to the caller's device and waits for what the push service says.
    ///
    /// # Errors
    /// `push_off`, `not_found`, `push_refused`, `busy`, `rate_limited`.
    pub async fn test_push(&self, caller: &Caller) -> Outcome<PushTested> {
        let courier = self.push.courier()?;
        self.pay(caller)?;
        courier.test(caller.device_no).await
    }

    fn pay(&self, caller: &Caller) -> Outcome<()> {
        self.quotas.take_change(caller.user, super::pulse::now_ms())
    }
}

fn told(kept: Subscription) -> PushSubscription {
    PushSubscription {
        endpoint: kept.endpoint,
        text: kept.text,
        created: kept.created,
    }
}

/// A key as browsers give it: base64url, with padding or without.
fn bytes<const N: usize>(field: &str, text: &str) -> Outcome<[u8; N]> {
    let decoded = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .or_else(|_| BASE64URL.decode(text.as_bytes()));
    decoded
        .ok()
        .and_then(|decoded| decoded.try_into().ok())
        .ok_or_else(|| {
            Refusal::because(
                Code::BadRequest,
                format!("`{field}` is not {N} bytes in base64url."),
            )
        })
}
