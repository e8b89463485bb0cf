//! What takes a day, on a clock that is told the time. What must not live here: anything that a story can tell.

use futures_util::stream;

use super::receive::{Arrival, receive};
use super::{Files, begin, storage};
use crate::limits::{self, FileLimits};
use crate::proto::command::{Send, Target};
use crate::proto::files::NewUpload;
use crate::proto::{Answer, BlobId, Body, ClientId, Code, Command, Media};
use crate::session::accounts::tests::Hall;
use crate::session::{Services, Who, submit};
use std::sync::Arc;

const DAY: u64 = limits::BLOB_KEPT.as_millis() as u64;

fn client(n: u128) -> ClientId {
    ClientId(uuid::Uuid::from_u128(n))
}

struct Desk {
    services: Arc<Services>,
    who: Who,
    token: String,
    hall: Hall,
}

impl Desk {
    async fn new() -> Desk {
        let (hall, signed_in, caller) = Hall::with_owner().await;
        Desk {
            services: hall.services(),
            who: caller.into(),
            token: signed_in.token,
            hall,
        }
    }

    async fn bring(&self, n: u128, bytes: &'static [u8], sent: usize) -> Option<BlobId> {
        let new = NewUpload {
            client_id: client(n),
            size: bytes.len() as u64,
            blake3: None,
        };
        let upload = begin(&self.services, &self.who, new)
            .await
            .expect("there is room");
        let body = stream::iter([Ok::<_, ()>(bytes::Bytes::from_static(&bytes[..sent]))]);
        let asker = (self.who, self.token.clone());
        match receive(&self.services, asker, (upload.upload, 0), body).await {
            Ok(Arrival::Whole(info)) => info.blob.map(|blob| blob.blob),
            Ok(Arrival::Part(_)) => None,
            other => panic!("{other:?}"),
        }
    }

    async fn send(&self, n: u128, blob: BlobId) -> Result<Answer, Code> {
        let media = Media {
            blob,
            name: "a".into(),
            size: 0,
            media_type: String::new(),
            width: None,
            height: None,
            duration_ms: None,
            thumbhash: None,
            caption: String::new(),
        };
        let send = Send {
            client_id: client(n),
            conversation: None,
            to: Some(self.who.user),
            body: Some(Body::File(Box::new(media))),
            reply_to: None,
            forward_of: None,
            thread: None,
            also_send: false,
        };
        self.run(Command::Send(send)).await
    }

    async fn run(&self, command: Command) -> Result<Answer, Code> {
        submit::run(&self.services, &self.who, command)
            .await
            .map_err(|refusal| refusal.code)
    }

    async fn later(&self, ms: u64, synchronised: bool) {
        let now = self.services.store.clock().now().ms;
        self.services.store.clock().set(now + ms, synchronised);
        self.services.files.sweep().await.expect("it sweeps");
    }

    async fn used(&self) -> u64 {
        let told = storage(&self.services, &self.who).await.expect("told");
        told.used_bytes
    }

    fn lies(&self, id: BlobId) -> bool {
        self.services.files.vault.path(id).exists()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_needs_for_a_day_goes_and_gives_its_room_back() {
    let desk = Desk::new().await;
    let idle = desk.bring(1, b"never sent", 10).await.expect("whole");
    let kept = desk.bring(2, b"sent and kept", 13).await.expect("whole");
    let recalled = desk.bring(3, b"sent and recalled", 17).await.expect("whole");
    assert_eq!(desk.bring(4, b"never finished", 5).await, None);
    assert_eq!(desk.used().await, 4 * 4_096);
    desk.send(5, kept).await.expect("one's own");
    let Answer::Ack(ack) = desk.send(6, recalled).await.expect("one's own") else {
        panic!("an ack was expected");
    };
    desk.later(DAY / 2, true).await;
    let recall = Target {
        client_id: client(7),
        conversation: ack.conversation,
        target: ack.seq,
    };
    desk.run(Command::Recall(recall)).await.expect("one's own");
    assert_eq!(desk.used().await, 3 * 4_096, "the room is free with the recall");
    // A clock that is not right ends nothing.
    desk.later(DAY, false).await;
    assert!(desk.lies(idle));
    assert!(!desk.lies(recalled), "what is erased waits for no clock");
    let now = desk.services.store.clock().now().ms;
    desk.services.store.clock().set(now - DAY + DAY / 2 + 1, true);
    desk.later(0, true).await;
    assert!(!desk.lies(idle), "it rested for a day");
    assert!(desk.lies(kept));
    assert_eq!(desk.send(8, idle).await, Err(Code::NotFound));
    assert_eq!(desk.used().await, 4_096, "the unfinished one is gone, too");
    assert_eq!(desk.services.files.vault.partials().expect("readable"), []);
    desk.later(DAY, true).await;
    assert!(desk.lies(kept), "a message carries it");
    assert_eq!(desk.used().await, 4_096);
    drop(desk.hall);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_brought_again_has_another_day() {
    let desk = Desk::new().await;
    let id = desk.bring(1, b"twice", 5).await.expect("whole");
    desk.later(DAY / 2, true).await;
    assert_eq!(desk.bring(2, b"twice", 5).await, Some(id));
    assert_eq!(desk.used().await, 4_096, "the same bytes take their room once");
    desk.later(DAY / 2 + 1, true).await;
    assert!(desk.lies(id));
    desk.send(3, id).await.expect("one's own");
    desk.later(2 * DAY, true).await;
    assert!(desk.lies(id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_almost_full_takes_back_and_takes_nothing_new() {
    let desk = Desk::new().await;
    let (one, two) = (
        desk.bring(1, b"before", 6).await.expect("whole"),
        desk.bring(2, b"meanwhile", 9).await.expect("whole"),
    );
    let Answer::Ack(ack) = desk.send(3, one).await.expect("there is room") else {
        panic!("an ack was expected");
    };
    let folder = desk.services.files.vault.path(one);
    let data_dir = folder.ancestors().nth(3).expect("it lies in the data directory");
    let eyes = |last_bytes| {
        let limits = FileLimits {
            last_bytes,
            ..FileLimits::default()
        };
        Files::open(desk.services.store.clone(), data_dir, limits).expect("it opens")
    };
    eyes(u64::MAX / 2)
        .look_at_disk()
        .await
        .expect("it can be looked at");
    assert_eq!(desk.send(4, two).await, Err(Code::StorageFull));
    assert_eq!(
        desk.services.health().status,
        "full",
        "whoever watches it hears of it"
    );
    let Answer::Ack(again) = desk.send(3, one).await.expect("it was acknowledged before") else {
        panic!("an ack was expected");
    };
    assert!(again.duplicate && again.seq == ack.seq);
    let recall = Target {
        client_id: client(5),
        conversation: ack.conversation,
        target: ack.seq,
    };
    desk.run(Command::Recall(recall)).await.expect("it makes room");
    eyes(0).look_at_disk().await.expect("it can be looked at");
    desk.send(4, two).await.expect("there is room again");
    assert_eq!(desk.services.health().status, "ready");
}
