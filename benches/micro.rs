//! The parts of the hot path by themselves: the writer, the hub, the codec. `cargo bench --bench micro`.
//! What must not live here: figures to be held to; a clock on a shared machine proves nothing (see `instructions`).

mod kit;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use kinglet::core::change::Change;
use kinglet::core::permit::{Actor, authorise};
use kinglet::core::roster::{Member, Roster};
use kinglet::gateway::frame;
use kinglet::hub::{Bell, Hint, Hub, Published, Publisher, Ringer, Round};
use kinglet::proto::{
    Ack, Answer, Body, ClientId, Command, ConversationId, ConversationKind, Event, Refusal, RequestId, Role,
    UserId, What, codec,
};
use kinglet::store::{Append, Commit, Committed, Receipt, Store, Waiter};
use kinglet_load::seed::{self, Seed};
use mimalloc::MiMalloc;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: AllocProfiler<MiMalloc> = AllocProfiler::new(MiMalloc);

const ROOM: ConversationId = ConversationId(9);

fn main() {
    divan::main();
}

fn event(pos: u64) -> Event {
    Event {
        conversation: ROOM,
        seq: pos,
        count: pos,
        ts: 1_700_000_000_000,
        unsynchronised: false,
        by: UserId(1),
        client_id: ClientId(Uuid::from_u128(u128::from(pos))),
        what: What::message(
            Some(Body::Text {
                text: format!("{pos:<100}"),
            }),
            None,
        ),
    }
}

mod append {
    use super::*;

    /// Answers as the app does, without publishing.
    struct Answers;

    impl Committed for Answers {
        fn committed(&mut self, commit: Commit) {
            for (waiter, slot, outcome) in commit.answers {
                waiter.answer(slot, outcome);
            }
        }
    }

    struct Told(SyncSender<Result<Receipt, Refusal>>);

    impl Waiter for Told {
        fn answer(&self, _: u32, outcome: Result<Receipt, Refusal>) {
            self.0.send(outcome).expect("the bench waits for every answer");
        }

        fn wake(&self) {}
    }

    /// A store on the disk of the temporary directory, with one group.
    struct Desk {
        store: Store,
        roster: Arc<Roster>,
        waiter: Arc<Told>,
        answers: Receiver<Result<Receipt, Refusal>>,
        next: u64,
        _directory: tempfile::TempDir,
    }

    impl Desk {
        fn open() -> Desk {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime of one thread");
            let directory = tempfile::tempdir().expect("a temporary directory");
            let people = Seed {
                users: 2,
                devices: 1,
                groups: vec![vec![0, 1]],
            };
            let store = runtime.block_on(kit::planted(directory.path(), &people, || Box::new(Answers)));
            let group = seed::group(0).parse().expect("an id");
            let roster = runtime.block_on(store.roster(group));
            let (told, answers) = sync_channel(64);
            Desk {
                store,
                roster: roster.expect("readable").expect("the group is there"),
                waiter: Arc::new(Told(told)),
                answers,
                next: 0,
                _directory: directory,
            }
        }

        fn append(&mut self) -> Append {
            self.next += 1;
            let command = Command::Send(kinglet::proto::command::Send {
                client_id: ClientId(Uuid::from_u128(u128::from(self.next))),
                conversation: Some(self.roster.conversation),
                to: None,
                body: Some(Body::Text {
                    text: format!("{:<100}", self.next),
                }),
                reply_to: None,
                forward_of: None,
                thread: None,
                also_send: false,
            });
            let change = Change::try_from_command(command).expect("a command that changes something");
            let actor = Actor::person(seed::user(0).parse().expect("an id"), 1);
            let now = self.store.clock().now();
            let permit = authorise(change, actor, Some(&*self.roster), now).expect("a member may send");
            Append {
                permit,
                waiter: Arc::clone(&self.waiter) as Arc<dyn Waiter>,
                slot: 0,
                asked: Instant::now(),
            }
        }
    }

    /// Handed in together, synced, answered. The writer takes what is there: mostly the first alone, then the rest.
    #[divan::bench(args = [1, 8, 64], sample_size = 1, sample_count = 500)]
    fn batch(bencher: Bencher<'_, '_>, size: usize) {
        let mut desk = Desk::open();
        bencher.counter(ItemsCount::new(size)).bench_local(|| {
            for _ in 0..size {
                let append = desk.append();
                desk.store.append(append).expect("the queue is empty");
            }
            for _ in 0..size {
                desk.answers.recv().expect("it answers").expect("it is done");
            }
        });
    }
}

mod fan_out {
    use super::*;

    const READERS: u64 = 1_000;

    /// A hub with a group in it, all of whose people are online.
    struct Room {
        hub: Arc<Hub>,
        publisher: Publisher,
        ringer: Ringer,
        bells: Vec<Arc<Bell>>,
        head: u64,
    }

    impl Room {
        fn open() -> Room {
            let hub = Hub::new(0);
            let mut roster = Roster::new(ROOM, ConversationKind::Group);
            let bells = (1..=READERS).map(|user| {
                roster.put(Member::new(UserId(user), Role::Member, 1));
                let bell = Arc::new(Bell::new(UserId(user), user, 4));
                hub.attach(&bell).expect("there is room");
                hub.open(UserId(user), &[ROOM]);
                bell
            });
            let bells = bells.collect();
            hub.fill(Arc::new(roster), 0);
            Room {
                publisher: Publisher::new(Arc::clone(&hub), 1 << 20),
                ringer: Ringer::start(Arc::clone(&hub)).expect("a thread can be started"),
                hub,
                bells,
                head: 0,
            }
        }

        fn post(&mut self, out: &mut Vec<u8>) {
            self.head += 1;
            self.publisher.publish(&[Published {
                pos: self.head,
                event: &event(self.head),
                roster: None,
                tombstones: &[],
            }]);
            let (rung, wait) = sync_channel(1);
            self.ringer.ring(Round {
                conversations: vec![(ROOM, false)],
                head: self.head,
                then: Box::new(move || rung.send(()).expect("the bench waits")),
            });
            wait.recv().expect("the ringer runs");
            for bell in &self.bells {
                let _ = bell.take();
                assert_eq!(bell.take_hint(), Hint::One(ROOM), "a bell was not told");
                let span = (self.head - 1, self.head);
                self.hub.walk(ROOM, bell.user(), span, &mut |bytes| {
                    out.clear();
                    frame::push_text(out, bytes);
                    true
                });
                black_box(&out);
            }
        }
    }

    /// A post published, rung, and walked to by each of a thousand readers, one after the other.
    #[divan::bench]
    fn to_1000(bencher: Bencher<'_, '_>) {
        let (mut room, mut out) = (Room::open(), Vec::new());
        bencher
            .counter(ItemsCount::new(READERS))
            .bench_local(|| room.post(&mut out));
    }
}

mod words {
    use super::*;

    #[divan::bench]
    fn decode_send(bencher: Bencher<'_, '_>) {
        let text = kit::request(7, &format!(r#""conversation":"{}""#, seed::group(0)));
        bencher.bench(|| codec::decode(black_box(&text)).expect("a good request"));
    }

    #[divan::bench]
    fn encode_event(bencher: Bencher<'_, '_>) {
        let event = event(7);
        bencher.bench(|| codec::encode_event(black_box(&event)));
    }

    #[divan::bench]
    fn encode_ack(bencher: Bencher<'_, '_>) {
        let ack = Ack {
            conversation: ROOM,
            seq: 7,
            ts: 1_700_000_000_000,
            duplicate: false,
            erased: false,
        };
        bencher.bench(|| codec::encode_reply(RequestId::Number(7), Answer::Ack(black_box(ack.clone()))));
    }
}

mod text {
    use super::*;
    use kinglet::core::text::{fold, has_all, pairs, snippet, spots, words};

    const LINES: [&str; 2] = [
        "The deadline for the quarterly report is on Tuesday at noon, so send me what you have until then, please.",
        "我们下周二中午之前要把季度报告交上去，所以请大家在那之前把已经写好的部分都发给我看一下。",
    ];

    /// What the index takes in of a message.
    #[divan::bench(args = [0, 1])]
    fn pairs_of(bencher: Bencher<'_, '_>, line: usize) {
        bencher.bench(|| pairs(&fold(black_box(LINES[line]))));
    }

    /// Whether a message that the index proposes has the words.
    #[divan::bench(args = [0, 1])]
    fn compare(bencher: Bencher<'_, '_>, line: usize) {
        let wanted = words(["deadline report", "季度报告"][line]);
        bencher.bench(|| has_all(&fold(black_box(LINES[line])), &wanted));
    }

    /// What is shown of one that has them.
    #[divan::bench(args = [0, 1])]
    fn show(bencher: Bencher<'_, '_>, line: usize) {
        let wanted = words(["deadline report", "季度报告"][line]);
        bencher.bench(|| snippet(LINES[line], &spots(black_box(LINES[line]), &wanted)));
    }
}
