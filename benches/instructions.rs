//! One operation, so many times, through the real session, hub, store and frames, without a socket. `cargo xtask
//! instructions` runs it under valgrind and counts; by hand: `instructions send 100`.
//! What must not live here: what the counts are held against.

mod kit;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cap::Cap;
use kinglet_load::seed::{self, Seed};
use mimalloc::MiMalloc;
use tokio::sync::Notify;

use kit::{House, message};

/// The server's allocator, with its bytes counted.
#[global_allocator]
static ALLOCATOR: Cap<MiMalloc> = Cap::new(MiMalloc, usize::MAX);

/// Readers of a posted message.
const READERS: usize = 1_000;
/// Conversations of one who comes back, and the people in each.
const CONVERSATIONS: usize = 20;
const MEMBERS: usize = 100;

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (operation, count) = match words.as_slice() {
        [operation, count] => (*operation, count.parse().ok()),
        _ => ("", None),
    };
    let Some(count) = count.filter(|count| (1..=MOST).contains(count)) else {
        println!("usage: instructions send|deliver|resume|resume-cold COUNT (1 to {MOST})");
        return;
    };
    // One thread polls; the store's and the hub's own threads are the server's.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime of one thread");
    let bytes = runtime.block_on(async {
        match operation {
            "send" => send(count).await,
            "deliver" => deliver(count).await,
            "resume" => resume(count, true).await,
            "resume-cold" => resume(count, false).await,
            other => panic!("no operation is called {other:?}"),
        }
    });
    println!("{bytes}");
}

/// The most operations of one run. What a run needs is made for this many, however many it does: so that two runs differ by
/// the operations alone.
const MOST: usize = 10_000;

fn messages(to: &str) -> Vec<Vec<u8>> {
    (1..=MOST).map(|number| message(number as u64, to)).collect()
}

/// Bytes allocated since.
fn since(before: usize) -> usize {
    ALLOCATOR.total_allocated() - before
}

/// One sends to the peer of a direct conversation, who is online, and gets the ack and the event.
async fn send(count: usize) -> usize {
    let people = Seed {
        users: 2,
        devices: 1,
        groups: Vec::new(),
    };
    let house = House::with(&people).await;
    let mut sender = house.sign_in(0, None).await;
    sender
        .feed(&mut message(0, &format!(r#""to":"{}""#, seed::user(1))))
        .await;
    sender.take(2).await;
    let user = seed::user(0).parse().expect("an id");
    let conversations = house
        .services
        .store
        .conversations_of(user)
        .await
        .expect("readable");
    let mut frames = messages(&format!(r#""conversation":"{}""#, conversations[0]));
    let taken = Arc::new(Taken::default());
    let mut peer = house.sign_in(1, None).await;
    let told = Arc::clone(&taken);
    tokio::spawn(async move {
        loop {
            told.add(peer.next().await, 1);
        }
    });
    let before = ALLOCATOR.total_allocated();
    for frame in &mut frames[..count] {
        sender.feed(frame).await;
        sender.take(2).await;
        taken.all().await;
    }
    since(before)
}

/// What was delivered of the present message.
#[derive(Default)]
struct Taken {
    count: AtomicUsize,
    all: Notify,
}

impl Taken {
    fn add(&self, came: usize, all: usize) {
        if came > 0 && self.count.fetch_add(came, Ordering::Relaxed) + came == all {
            self.all.notify_one();
        }
    }

    async fn all(&self) {
        self.all.notified().await;
        self.count.store(0, Ordering::Relaxed);
    }
}

/// One posts to a group in which a thousand are online, each in a task of its own as behind a socket.
async fn deliver(count: usize) -> usize {
    let people = Seed {
        users: READERS,
        devices: 1,
        groups: vec![(0..READERS).collect()],
    };
    let house = House::with(&people).await;
    let taken = Arc::new(Taken::default());
    for user in 1..READERS {
        let mut reader = house.sign_in(user, None).await;
        let told = Arc::clone(&taken);
        tokio::spawn(async move {
            loop {
                told.add(reader.next().await, READERS - 1);
            }
        });
    }
    let mut sender = house.sign_in(0, None).await;
    let mut frames = messages(&format!(r#""conversation":"{}""#, seed::group(0)));
    let before = ALLOCATOR.total_allocated();
    for frame in &mut frames[..count] {
        sender.feed(frame).await;
        sender.take(2).await;
        taken.all().await;
    }
    since(before)
}

/// One comes back with a resume token, misses nothing, and is gone again. Warm: somebody else of each of the conversations
/// is online. Cold: nobody is.
async fn resume(count: usize, warm: bool) -> usize {
    let users = CONVERSATIONS * (MEMBERS - 2) + 2;
    let others = |group: usize| 2 + group * (MEMBERS - 2)..2 + (group + 1) * (MEMBERS - 2);
    let people = Seed {
        users,
        devices: 1,
        groups: (0..CONVERSATIONS)
            .map(|group| [0, 1].into_iter().chain(others(group)).collect())
            .collect(),
    };
    let house = House::with(&people).await;
    let _other = if warm {
        Some(house.sign_in(1, None).await)
    } else {
        None
    };
    let token = house.sign_in(0, None).await.resume();
    let before = ALLOCATOR.total_allocated();
    for _ in 0..count {
        let mut back = house.sign_in(0, Some(&token)).await;
        assert_eq!(back.fill().await, 0, "nothing was missed");
    }
    since(before)
}
