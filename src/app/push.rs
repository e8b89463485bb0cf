//! Push put together: from the settings to what sends, and from that to what sessions ask. What must not live here: what it
//! does.

use std::sync::Arc;

use tokio::sync::watch;

use super::config::{Config, read_authorities};
use super::failure::{Failure, Outcome};
use super::heart::Log;
use super::surroundings;
use crate::core::permit::DeviceNo;
use crate::proto::Refusal;
use crate::proto::push::PushTested;
use crate::session::push::{Courier, Later, Push};
use crate::store::sqlite::push::Subscription;
use crate::workers::push::{self as worker, PushSettings};

/// The worker, as sessions see it.
struct Post(Arc<worker::Push>);

impl Courier for Post {
    fn public_key(&self) -> String {
        self.0.public_key()
    }

    fn text_allowed(&self) -> bool {
        self.0.text_allowed()
    }

    fn check(&self, subscription: &Subscription) -> Result<(), Refusal> {
        self.0.check(subscription)
    }

    fn test(&self, device: DeviceNo) -> Later<Result<PushTested, Refusal>> {
        let worker = Arc::clone(&self.0);
        Box::pin(async move { worker.test(device).await })
    }
}

/// Opens push and starts its rounds, if the operator wants it. Before anybody is let in.
pub async fn open(log: &Log, config: &Config, stop: &watch::Receiver<bool>) -> Outcome<Push> {
    let asked = &config.push;
    if !asked.enabled {
        return Ok(Push::default());
    }
    let authorities = read_authorities(&asked.ca)
        .map_err(|error| Failure::config(format!("push.ca: cannot read {}: {error}", asked.ca.display())))?;
    let settings = PushSettings {
        subject: asked.subject.clone(),
        hosts: asked.hosts.clone(),
        public: asked.public,
        text: asked.text,
        authorities,
        own_addresses: Box::new(surroundings::addresses),
    };
    let opened = worker::Push::open(log.store.clone(), Arc::clone(&log.hub), settings).await;
    let opened = opened.map_err(|error| Failure::failed(format!("push cannot start: {error}")))?;
    tokio::spawn(worker::run(Arc::clone(&opened), stop.clone()));
    log::info!("push is on: devices that subscribe are told through their push services");
    Ok(Push::by(Arc::new(Post(opened))))
}
