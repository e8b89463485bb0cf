//! Every command that changes a conversation, and what its people are then. What must not live here: loading (see `folding`).

use std::task::{Context, Waker};

use kinglet::core::audience::{may_see, visible};
use kinglet::core::change::Change;
use kinglet::core::permit::{Actor, authorise};
use kinglet::proto::account::NewDevice;
use kinglet::proto::history::SignInHow;
use kinglet::proto::setting::Setting;
use kinglet::proto::{Code, ConversationKind, DeviceId, JoinRule, Refusal, Role, UserId, What};
use kinglet::store::Receipt;
use kinglet::store::sqlite::accounts::{By, Entrance, EraseBy, SignInWith};

use crate::store_kit::words::*;
use crate::store_kit::{Factory, World, actor, locked};

pub async fn groups_live_and_die(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2, 3], JoinRule::Invitation, false))
        .await
        .conversation;
    let roster = world.roster(room).await;
    assert_eq!(
        (roster.owner(), roster.members().len(), &*roster.title),
        (Some(UserId(1)), 3, "room")
    );
    assert_eq!(
        world
            .refused(2, update(room, |u| u.title = Some("mine".into())))
            .await,
        Code::Forbidden
    );
    world
        .done(
            1,
            update(room, |u| {
                (u.title, u.mute_all) = (Some("hall".into()), Some(true))
            }),
        )
        .await;
    assert_eq!(
        world.refused(1, update(room, |u| u.mute_all = Some(true))).await,
        Code::NoChange
    );
    let roster = world.roster(room).await;
    assert_eq!((&*roster.title, roster.mute_all), ("hall", true));
    assert_eq!(world.refused(2, send(room, "may I?")).await, Code::Muted);
    world.done(1, send(room, "I may")).await;
    world.done(2, leave(room)).await;
    assert_eq!(world.refused(2, send(room, "still here?")).await, Code::NotFound);
    assert_eq!(world.refused(1, leave(room)).await, Code::OwnerMustStay);
    world.done(1, transfer(room, 3)).await;
    let roster = world.roster(room).await;
    assert_eq!(
        (roster.owner(), roster.member(UserId(1)).map(|m| m.role)),
        (Some(UserId(3)), Some(Role::Admin))
    );
    assert_eq!(world.refused(1, dissolve(room)).await, Code::Forbidden);
    let end = world.done(3, dissolve(room)).await;
    let roster = world.roster(room).await;
    assert!(roster.dissolved && roster.members().len() == 0);
    assert!(may_see(&roster, UserId(1), end.seq) && !may_see(&roster, UserId(1), end.seq - 1));
    assert_eq!(world.refused(3, send(room, "anyone?")).await, Code::NotFound);
    for user in 1..=3 {
        assert!(
            world
                .store
                .conversations_of(UserId(user))
                .await
                .expect("readable")
                .is_empty()
        );
    }
    let kinds: Vec<&str> = world
        .log(room)
        .await
        .expect("readable")
        .iter()
        .map(|(_, event)| event.what.kind())
        .collect();
    assert_eq!(
        kinds,
        [
            "created",
            "updated",
            "message",
            "left",
            "transferred",
            "dissolved"
        ]
    );
}

pub async fn joining_by_approval(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("club", &[], JoinRule::Approval, true))
        .await
        .conversation;
    world.done(1, send(room, "before")).await;
    let found = world.store.discover(None, 10).await.expect("readable");
    assert_eq!(
        found
            .iter()
            .map(|one| (one.conversation, one.members))
            .collect::<Vec<_>>(),
        [(room, 1)]
    );
    world.done(2, join(room)).await;
    assert_eq!(world.refused(2, join(room)).await, Code::NoChange);
    world.done(3, join(room)).await;
    assert_eq!(world.roster(room).await.requests, users(&[2, 3]));
    assert_eq!(world.refused(2, approve(room, 2, true)).await, Code::NotFound);
    assert_eq!(world.refused(1, approve(room, 4, true)).await, Code::NoChange);
    world.done(1, approve(room, 2, true)).await;
    world.done(1, approve(room, 3, false)).await;
    let roster = world.roster(room).await;
    assert!(roster.requests.is_empty() && roster.member(UserId(3)).is_none());
    assert!(
        may_see(&roster, UserId(2), 1),
        "history is shown to newcomers here"
    );
    world
        .done(
            1,
            update(room, |u| {
                (u.join, u.history) = (Some(JoinRule::Open), Some(false))
            }),
        )
        .await;
    let third = world.done(3, join(room)).await;
    assert_eq!(world.refused(3, join(room)).await, Code::AlreadyMember);
    let roster = world.roster(room).await;
    assert!(may_see(&roster, UserId(3), third.seq) && !may_see(&roster, UserId(3), third.seq - 1));
    world
        .done(1, update(room, |u| u.join = Some(JoinRule::Invitation)))
        .await;
    assert_eq!(world.refused(4, join(room)).await, Code::NotFound);
    assert!(world.store.discover(None, 10).await.expect("readable").is_empty());
}

pub async fn members_are_moved_about(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2], JoinRule::Invitation, false))
        .await
        .conversation;
    assert_eq!(world.refused(2, invite(room, &[3])).await, Code::Forbidden);
    world.done(1, role(room, 2, Role::Admin)).await;
    assert_eq!(world.refused(1, role(room, 2, Role::Admin)).await, Code::NoChange);
    assert_eq!(
        world.refused(2, role(room, 1, Role::Member)).await,
        Code::Forbidden
    );
    let came = world.done(2, invite(room, &[3, 4])).await;
    assert_eq!(world.refused(2, invite(room, &[3])).await, Code::AlreadyMember);
    assert_eq!(world.refused(2, invite(room, &[9_999])).await, Code::NotFound);
    assert_eq!(world.refused(3, kick(room, 4)).await, Code::Forbidden);
    let out = world.done(2, kick(room, 3)).await;
    assert_eq!(world.refused(2, kick(room, 3)).await, Code::NotMember);
    assert_eq!(world.refused(2, kick(room, 1)).await, Code::Forbidden);
    assert_eq!(world.refused(1, kick(room, 1)).await, Code::Forbidden);
    let roster = world.roster(room).await;
    assert_eq!(visible(&roster, UserId(3)).ranges(), [(out.seq, out.seq)]);
    world.done(1, send(room, "without you")).await;
    let back = world.done(1, invite(room, &[3])).await;
    let roster = world.roster(room).await;
    let seen = [(came.seq, out.seq), (back.seq, u64::MAX)];
    assert_eq!(visible(&roster, UserId(3)).ranges(), seen);
    let changed = world.store.changed(UserId(3), 0).await.expect("readable");
    assert!(changed.gone.is_empty(), "who is back is not gone");
}

pub async fn bans_and_mutes(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2, 3], JoinRule::Open, false))
        .await
        .conversation;
    world.done(1, mute(room, 2, Some(60))).await;
    assert_eq!(world.refused(2, send(room, "mm")).await, Code::Muted);
    world.clock.set(1_700_000_059_999, true);
    assert_eq!(world.refused(2, send(room, "mm")).await, Code::Muted);
    world.clock.set(1_700_000_090_000, false);
    assert_eq!(
        world.refused(2, send(room, "mm")).await,
        Code::Muted,
        "a clock that may be wrong ends no mute"
    );
    world.clock.set(1_700_000_060_000, true);
    world.done(2, send(room, "free")).await;
    world.done(1, mute(room, 2, None)).await;
    assert_eq!(world.refused(2, send(room, "mm")).await, Code::Muted);
    world.done(1, mute(room, 2, Some(0))).await;
    assert_eq!(world.refused(1, mute(room, 2, Some(0))).await, Code::NoChange);
    world.done(2, send(room, "free again")).await;
    let out = world.done(1, ban(room, 2, false)).await;
    assert_eq!(world.refused(1, ban(room, 2, false)).await, Code::NoChange);
    assert_eq!(world.refused(2, join(room)).await, Code::Banned);
    assert_eq!(world.refused(1, invite(room, &[2])).await, Code::Banned);
    let roster = world.roster(room).await;
    assert_eq!(roster.banned, users(&[2]));
    assert!(may_see(&roster, UserId(2), out.seq) && !may_see(&roster, UserId(2), out.seq - 1));
    let gone = world.store.changed(UserId(2), 0).await.expect("readable").gone;
    assert_eq!(gone, [(room, world.store.head_pos())]);
    // Someone who is not there can be banned as well.
    world.done(1, ban(room, 9, false)).await;
    world.done(1, ban(room, 2, true)).await;
    assert_eq!(world.refused(1, ban(room, 2, true)).await, Code::NoChange);
    world.done(2, join(room)).await;
    assert_eq!(world.roster(room).await.banned, users(&[9]));
}

pub async fn edits_recalls_and_reactions(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2, 3], JoinRule::Open, false))
        .await
        .conversation;
    let said = world.done(2, send(room, "teh")).await.seq;
    assert_eq!(
        world.refused(1, edit(room, said, "not mine")).await,
        Code::Forbidden
    );
    world.done(2, edit(room, said, "the")).await;
    world.done(3, react(room, said, "👍", false)).await;
    world.done(3, react(room, said, "👍", true)).await;
    for missing in [1, said + 1, 99] {
        assert_eq!(
            world.refused(2, edit(room, missing, "x")).await,
            Code::NotFound,
            "seq {missing} is no message"
        );
        assert_eq!(world.refused(2, reply(room, missing, "x")).await, Code::NotFound);
    }
    assert_eq!(world.refused(3, recall(room, said)).await, Code::Forbidden);
    world.done(4, join(room)).await;
    assert_eq!(
        world.refused(4, react(room, said, "👀", false)).await,
        Code::NotFound,
        "it was before their time"
    );
    world.done(1, recall(room, said)).await;
    assert_eq!(world.refused(2, edit(room, said, "x")).await, Code::Erased);
    assert_eq!(world.refused(2, recall(room, said)).await, Code::Erased);
    world.done(3, reply(room, said, "what was it?")).await;
    let tombstones = std::mem::take(&mut locked(&world.ears.heard).tombstones);
    assert_eq!(
        tombstones.iter().map(|event| event.seq).collect::<Vec<_>>(),
        [said, said + 1]
    );
    let log = world.log(room).await.expect("readable");
    for tombstone in tombstones {
        let at = usize::try_from(tombstone.seq - 1).expect("small");
        assert_eq!(log[at].1, tombstone, "the store and the tails say the same");
    }
    // Erased in the batch in which it was said: it is never told with its body.
    let held = world.hold().await;
    let slip = send(room, "a slip");
    let mut coming = vec![world.submit(actor(2), slip).await.expect("queued")];
    let seq = log.last().expect("a log").1.seq + 1;
    coming.push(world.submit(actor(2), recall(room, seq)).await.expect("queued"));
    drop(held);
    for answer in coming {
        answer.await.expect("an answer").expect("a receipt");
    }
    let heard = locked(&world.ears.heard);
    let told = heard
        .events
        .iter()
        .find(|(_, event)| event.conversation == room && event.seq == seq);
    assert!(matches!(
        told.expect("told").1.what,
        What::Message {
            body: None,
            erased: true,
            ..
        }
    ));
}

pub async fn channels_are_for_reading(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let make = create(ConversationKind::Channel, "news", &[2, 3], JoinRule::Open, true);
    let news = world.done(1, make).await.conversation;
    assert_eq!(world.refused(2, send(news, "me too")).await, Code::Forbidden);
    let said = world.done(1, send(news, "news")).await.seq;
    world.done(2, react(news, said, "👏", false)).await;
    world.done(1, role(news, 2, Role::Admin)).await;
    world.done(2, send(news, "more news")).await;
    let direct = world.done(1, send_to(2, "psst")).await.conversation;
    assert_eq!(world.refused(1, invite(direct, &[3])).await, Code::WrongKind);
    assert_eq!(world.refused(1, leave(direct)).await, Code::WrongKind);
    assert_eq!(world.refused(3, join(direct)).await, Code::NotFound);
}

/// What was allowed when it was asked may not be any more when the writer comes to it.
pub async fn the_writer_asks_again(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2, 3], JoinRule::Invitation, false))
        .await
        .conversation;
    let old = world.roster(room).await;
    let late = send(room, "late");
    let change = Change::try_from_command(late).expect("a change");
    let permit =
        authorise(change, actor(2), Some(&old), world.clock.now()).expect("2 is a member of the old roster");
    let held = world.hold().await;
    let mut coming = vec![world.submit(actor(1), kick(room, 2)).await.expect("queued")];
    coming.push(
        world
            .submit(actor(3), send(room, "on time"))
            .await
            .expect("queued"),
    );
    let refused = world.hand_in(permit.clone()).expect("queued");
    coming.push(world.submit(actor(1), send(room, "after")).await.expect("queued"));
    drop(held);
    for answer in coming {
        answer.await.expect("an answer").expect("a receipt");
    }
    assert_eq!(
        refused.await.expect("an answer").expect_err("refused").code,
        Code::NotFound
    );
    let again = world.hand_in(permit).expect("queued");
    assert_eq!(
        again.await.expect("an answer").expect_err("refused").code,
        Code::NotFound
    );
    let log = world.log(room).await.expect("readable");
    assert_eq!(
        log.iter().map(|(_, event)| event.what.kind()).collect::<Vec<_>>(),
        ["created", "removed", "message", "message"]
    );
    let commits = locked(&world.ears.heard).commits.clone();
    assert_eq!(commits.last(), Some(&3), "the rest of the batch went in together");
}

/// Delivery and pages agree on who sees what, and it is just one's own time. Stands for the story of a live delivery.
pub async fn only_ones_own_time_is_shown(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2, 3], JoinRule::Open, false))
        .await
        .conversation;
    world.done(1, send(room, "2: for three")).await;
    world.done(4, join(room)).await;
    world.done(1, send(room, "4: for four")).await;
    world.done(1, kick(room, 3)).await;
    world.done(1, send(room, "6: not for 3")).await;
    world.done(3, join(room)).await;
    world.done(2, leave(room)).await;
    world.done(1, send(room, "9: not for 2")).await;
    let roster = world.roster(room).await;
    let expected: [(u64, &[u64]); 5] = [
        (1, &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (2, &[8]),
        (3, &[1, 2, 3, 4, 5, 7, 8, 9]),
        (4, &[3, 4, 5, 6, 7, 8, 9]),
        (5, &[]),
    ];
    let all = world.log(room).await.expect("readable");
    for (user, seqs) in expected {
        let user = UserId(user);
        let delivered: Vec<u64> = all
            .iter()
            .map(|(_, event)| event.seq)
            .filter(|seq| may_see(&roster, user, *seq))
            .collect();
        assert_eq!(delivered, seqs, "delivered to {user}");
        let ranges = visible(&roster, user).ranges().to_vec();
        let page = world
            .store
            .page(room, kinglet::store::Span::After(0), ranges, 100)
            .await
            .expect("a page");
        let paged: Vec<u64> = page.events.iter().map(|(_, event)| event.seq).collect();
        assert_eq!(paged, seqs, "on the page of {user}");
    }
}

/// Between the erasure and the end of their connections somebody may still send: that is not taken.
pub async fn who_was_erased_is_not_heard(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2], JoinRule::Invitation, false))
        .await
        .conversation;
    let before = send(room, "before");
    let first = world.done(2, before.clone()).await;
    let erased = world
        .store
        .erase_user(EraseBy::Other(By::Operator), UserId(2))
        .await;
    erased.expect("they own nothing");
    assert_eq!(world.refused(2, send(room, "after")).await, Code::SignedOut);
    let again = world.done(2, before).await;
    assert_eq!(
        (again.seq, again.duplicate),
        (first.seq, true),
        "a retry has its answer for ever"
    );
    world.done(1, send(room, "others are heard")).await;
}

/// Signs a user in on a device; who is seeded has no password.
async fn signed_in(world: &World<'_>, user: u64, device: u128) -> Actor {
    let with = SignInWith {
        user: UserId(user),
        verified: String::new(),
        rehashed: None,
        device: NewDevice {
            id: DeviceId(uuid::Uuid::from_u128(device)),
            name: "a device".into(),
        },
        token: [u8::try_from(device).expect("a small number"); 32],
    };
    let by = Entrance {
        how: SignInHow::Password,
        address: String::new(),
        refused: 0,
    };
    let entered = world.store.sign_in(with, by).await.expect("let in");
    Actor::person(UserId(user), entered.device_no)
}

/// What waits behind the end of a session is not taken, in the same transaction or in a later one, until they are back.
pub async fn who_was_signed_out_is_not_heard(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2, 3], JoinRule::Invitation, false))
        .await
        .conversation;
    let (desk, phone) = (signed_in(&world, 2, 1).await, signed_in(&world, 2, 2).await);
    let other = signed_in(&world, 3, 3).await;
    let code = |outcome: Result<Receipt, Refusal>| outcome.err().map(|refusal| refusal.code);
    for (number, ends_both) in [(0, false), (1, true)] {
        let held = world.hold().await;
        // Both wait for the writer, the end of the session before the message.
        let mut ending = Box::pin(async {
            if ends_both {
                world.store.set_disabled(By::Operator, UserId(2), true).await
            } else {
                world.store.sign_out(UserId(2), desk.device).await
            }
        });
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(ending.as_mut().poll(&mut nobody).is_pending());
        let mut coming = Vec::new();
        for who in [desk, phone, other] {
            coming.push(world.submit(who, send(room, "after")).await.expect("queued"));
        }
        drop(held);
        ending.await.expect("it is done");
        let mut said = Vec::new();
        for answer in coming {
            said.push(code(answer.await.expect("an answer")));
        }
        let of_phone = ends_both.then_some(Code::SignedOut);
        assert_eq!(said, [Some(Code::SignedOut), of_phone, None], "round {number}");
        assert_eq!(
            code(world.ask(desk, send(room, "later")).await),
            Some(Code::SignedOut)
        );
        let draft = Setting::Unseen { value: number == 0 };
        let kept = world.store.set(UserId(2), draft, false).await;
        assert_eq!(kept.is_err(), ends_both, "a setting of one who is locked out");
    }
    world
        .store
        .set_disabled(By::Operator, UserId(2), false)
        .await
        .expect("let in again");
    let desk = signed_in(&world, 2, 1).await;
    assert_eq!(code(world.ask(desk, send(room, "back")).await), None);
    assert_eq!(
        code(world.ask(phone, send(room, "not back")).await),
        Some(Code::SignedOut)
    );
}
