//! Each limit that can be reached without a server, and the list of all limits with the test that sees each reached.
//! What must not live here: limits that need a store (see `store_contract`) or a server (see `stories`).

#[path = "limits/list.rs"]
mod list;
#[path = "limits/machine.rs"]
mod machine;
#[allow(dead_code)]
#[path = "store_kit/words.rs"]
mod words;

use std::sync::Arc;

use kinglet::app::config::Config;
use kinglet::clock::Now;
use kinglet::core::audience;
use kinglet::core::change::Change;
use kinglet::core::cursor::{Position, Start};
use kinglet::core::permit::{Actor, authorise};
use kinglet::core::roster::Roster;
use kinglet::hub::{Bell, Hub, Kind, Published, Publisher, Walk};
use kinglet::limits;
use kinglet::proto::answer::Notice;
use kinglet::proto::{Code, Command, ConversationId, ConversationKind, Event, JoinRule, Seq, UserId, What};
use kinglet::session::Quotas;

use crate::words::*;

const ROOM: ConversationId = ConversationId(7);
const OWNER: u64 = 1;

/// A conversation that its events made.
struct Room {
    roster: Roster,
    seq: Seq,
}

impl Room {
    fn new(kind: ConversationKind, join: JoinRule) -> Room {
        let mut room = Room {
            roster: Roster::new(ROOM, kind),
            seq: 0,
        };
        let founding = What::Created {
            conversation_kind: kind,
            title: "room".into(),
            members: Vec::new(),
            join,
            history: false,
            bots: Vec::new(),
        };
        room.fold(OWNER, &founding);
        room
    }

    fn fold(&mut self, by: u64, what: &What) {
        self.seq += 1;
        self.roster.fold(self.seq, UserId(by), what);
    }

    fn asks(&self, who: u64, command: Command) -> Option<Code> {
        ruling(who, command, Some(&self.roster))
    }
}

/// The word of refusal, or nothing where the command is allowed.
fn ruling(who: u64, command: Command, roster: Option<&Roster>) -> Option<Code> {
    let actor = Actor::person(UserId(who), who);
    let now = Now {
        ms: 1_700_000_000_000,
        synchronised: true,
    };
    let change = Change::try_from_command(command).expect("a change");
    authorise(change, actor, roster, now)
        .err()
        .map(|refused| refused.refusal.code)
}

fn joined(users: std::ops::RangeInclusive<u64>) -> What {
    What::Joined {
        users: users.map(UserId).collect(),
        bots: Vec::new(),
    }
}

#[test]
fn bans_are_limited() {
    let mut room = Room::new(ConversationKind::Group, JoinRule::Open);
    let most = limits::BANS as u64;
    for user in 2..=most {
        room.fold(OWNER, &What::Banned { user: UserId(user) });
    }
    assert_eq!(room.asks(OWNER, ban(ROOM, 9_000, false)), None);
    room.fold(OWNER, &What::Banned { user: UserId(9_000) });
    assert_eq!(
        room.asks(OWNER, ban(ROOM, 9_001, false)),
        Some(Code::LimitReached)
    );
    assert_eq!(
        room.asks(OWNER, ban(ROOM, 9_000, true)),
        None,
        "one may be lifted"
    );
    room.fold(OWNER, &What::Unbanned { user: UserId(9_000) });
    assert_eq!(room.asks(OWNER, ban(ROOM, 9_001, false)), None);
}

#[test]
fn join_requests_are_limited_and_take_room_of_the_budget() {
    let mut room = Room::new(ConversationKind::Group, JoinRule::Approval);
    let empty = room.roster.weight();
    for user in 2..=limits::REQUESTS as u64 {
        room.fold(user, &What::JoinRequested {});
    }
    assert_eq!(room.asks(9_000, join(ROOM)), None);
    room.fold(9_000, &What::JoinRequested {});
    assert_eq!(room.roster.weight(), empty + limits::REQUESTS);
    assert_eq!(room.asks(9_001, join(ROOM)), Some(Code::LimitReached));
    assert_eq!(room.asks(OWNER, approve(ROOM, 9_000, false)), None);
    room.fold(OWNER, &What::JoinDeclined { user: UserId(9_000) });
    assert_eq!(room.asks(9_001, join(ROOM)), None);
}

#[test]
fn groups_and_channels_have_their_own_limits_of_members() {
    for (kind, most) in [
        (ConversationKind::Group, limits::GROUP_MEMBERS as u64),
        (ConversationKind::Channel, limits::CHANNEL_MEMBERS as u64),
    ] {
        let mut room = Room::new(kind, JoinRule::Open);
        room.fold(OWNER, &joined(2..=most - 1));
        assert_eq!(room.asks(OWNER, invite(ROOM, &[90_000])), None, "{kind:?}");
        assert_eq!(
            room.asks(OWNER, invite(ROOM, &[90_000, 90_001])),
            Some(Code::LimitReached),
            "{kind:?}: one place for two"
        );
        room.fold(OWNER, &joined(90_000..=90_000));
        for (who, command) in [(OWNER, invite(ROOM, &[90_001])), (90_001, join(ROOM))] {
            assert_eq!(room.asks(who, command), Some(Code::LimitReached), "{kind:?}");
        }
    }
}

#[test]
fn a_command_names_a_limited_number_of_users() {
    let room = Room::new(ConversationKind::Group, JoinRule::Open);
    let ids: Vec<u64> = (2..).take(limits::USERS_PER_COMMAND + 1).collect();
    let fits = &ids[..limits::USERS_PER_COMMAND];
    assert_eq!(room.asks(OWNER, invite(ROOM, fits)), None);
    assert_eq!(room.asks(OWNER, invite(ROOM, &ids)), Some(Code::BadRequest));
    let found = |members: &[u64]| ruling(OWNER, group("room", members, JoinRule::Open, false), None);
    assert_eq!(found(fits), None);
    assert_eq!(found(&ids), Some(Code::BadRequest));
}

#[test]
fn titles_emojis_and_bodies_are_limited_in_bytes() {
    let room = Room::new(ConversationKind::Group, JoinRule::Open);
    let titled = |bytes| ruling(OWNER, group(&"t".repeat(bytes), &[], JoinRule::Open, false), None);
    assert_eq!(titled(limits::TITLE_BYTES), None);
    assert_eq!(titled(limits::TITLE_BYTES + 1), Some(Code::BadRequest));
    let reacts = |bytes| room.asks(OWNER, react(ROOM, 1, &"e".repeat(bytes), false));
    assert_eq!(reacts(limits::EMOJI_BYTES), None);
    assert_eq!(reacts(limits::EMOJI_BYTES + 1), Some(Code::BadRequest));
    let says = |bytes| room.asks(OWNER, send(ROOM, "b".repeat(bytes)));
    assert_eq!(says(limits::BODY_BYTES), None);
    assert_eq!(says(limits::BODY_BYTES + 1), Some(Code::TooLarge));
    let edits = |bytes| room.asks(OWNER, edit(ROOM, 1, &"b".repeat(bytes)));
    assert_eq!(edits(limits::BODY_BYTES), None);
    assert_eq!(edits(limits::BODY_BYTES + 1), Some(Code::TooLarge));
}

#[test]
fn the_oldest_departures_and_returns_are_forgotten() {
    let mut room = Room::new(ConversationKind::Channel, JoinRule::Open);
    let most = limits::DEPARTURES as u64;
    room.fold(OWNER, &joined(2..=most + 2));
    for user in 2..=most + 2 {
        room.fold(user, &What::Left {});
    }
    assert_eq!(room.roster.departed.len(), limits::DEPARTURES);
    // Who left still sees the event that says so, the one after the event that let everybody in.
    let sees = |user| audience::may_see(&room.roster, UserId(user), user + 1);
    assert!(!sees(2) && sees(3), "only the first to leave is forgotten");

    let mut room = Room::new(ConversationKind::Channel, JoinRule::Open);
    for user in 2..limits::RETURNS as u64 + 12 {
        room.fold(user, &joined(user..=user));
        room.fold(user, &What::Left {});
        room.fold(user, &joined(user..=user));
    }
    assert_eq!(room.roster.earlier.len(), limits::RETURNS);
}

#[test]
fn who_is_further_behind_than_a_stream_goes_lists() {
    let head = Position {
        epoch: 1,
        log: 50_000,
        accounts: 1,
    };
    let from = |missed: u64| {
        let log = head.log - missed;
        let place = Position { log, ..head };
        (place, Position::start(Some(&place.to_token()), head))
    };
    let (place, start) = from(limits::STREAM_POSITIONS);
    assert_eq!(start, Start::Walk(place));
    assert_eq!(from(limits::STREAM_POSITIONS + 1).1, Start::List);
}

/// A hub in which this many users share a room; the first of them listens.
fn hub_of(members: u64) -> (Arc<Hub>, Arc<Bell>) {
    let (hub, bell) = (Hub::new(0), Arc::new(Bell::new(UserId(OWNER), 1, 4)));
    hub.attach(&bell).expect("there is room");
    hub.open(UserId(OWNER), &[ROOM]);
    let mut room = Room::new(ConversationKind::Group, JoinRule::Open);
    room.fold(OWNER, &joined(2..=members));
    hub.fill(Arc::new(room.roster), 0);
    (hub, bell)
}

/// Everyone but the listener types; gives how many of these notices are kept.
fn notices_kept(members: u64) -> usize {
    let (hub, bell) = hub_of(members);
    for user in (2..=members).map(UserId) {
        let notice = Notice::Typing {
            conversation: ROOM,
            user,
            on: true,
        };
        hub.tell(&[ROOM], user, Kind::Typing, &notice);
    }
    let mut kept = 0;
    hub.notices(ROOM, &bell, (0, hub.stamp()), &mut |_| kept += 1);
    kept
}

/// This many profiles change while the listener does not look; gives how many of them it is told.
fn changed_profiles_told(changed: u64) -> usize {
    let (hub, bell) = hub_of(2);
    let from = hub.stamp();
    for user in (1..=changed).map(UserId) {
        let notice = Notice::Presence { user, online: true };
        hub.tell_everyone(user, &notice);
        hub.tell_everyone(user, &notice);
    }
    let mut told = 0;
    hub.told_everyone(&bell, (from, hub.stamp()), &mut |_| told += 1);
    told
}

/// Somebody else of the room is there, too; gives whether the listener is told so when they ask.
fn is_told_who_is_online(members: u64) -> bool {
    let (hub, _bell) = hub_of(members);
    let other = Arc::new(Bell::new(UserId(2), 2, 4));
    hub.attach(&other).expect("there is room");
    hub.online_peers(UserId(OWNER)) == [UserId(2)]
}

#[test]
fn notices_are_few_and_for_small_conversations() {
    assert!(is_told_who_is_online(limits::NOTICE_MEMBERS as u64));
    assert!(!is_told_who_is_online(limits::NOTICE_MEMBERS as u64 + 1));
    assert_eq!(notices_kept(limits::NOTICES as u64), limits::NOTICES - 1);
    assert_eq!(notices_kept(limits::NOTICES as u64 + 9), limits::NOTICES);
    assert_eq!(notices_kept(limits::NOTICE_MEMBERS as u64), limits::NOTICES);
    assert_eq!(notices_kept(limits::NOTICE_MEMBERS as u64 + 1), 0);
    assert_eq!(
        changed_profiles_told(limits::NOTICES_TO_ALL as u64),
        limits::NOTICES_TO_ALL
    );
    assert_eq!(
        changed_profiles_told(limits::NOTICES_TO_ALL as u64 + 9),
        limits::NOTICES_TO_ALL
    );
}

#[test]
fn the_tails_keep_no_more_than_their_bytes() {
    let (hub, _bell) = hub_of(2);
    let most = limits::Limits::default().tail_bytes;
    assert_eq!(most, limits::TAIL_BYTES);
    let mut publisher = Publisher::new(Arc::clone(&hub), most);
    let many = (most / limits::BODY_BYTES) as u64 + 20;
    for pos in 1..=many {
        let event = Event {
            conversation: ROOM,
            seq: pos,
            count: pos,
            ts: 1,
            unsynchronised: false,
            by: UserId(OWNER),
            client_id: client_id(),
            what: What::message(Some(text("t".repeat(limits::BODY_BYTES))), None),
        };
        publisher.publish(&[Published {
            pos,
            event: &event,
            roster: None,
            tombstones: &[],
        }]);
    }
    let walk = |after: u64| {
        let mut bytes = 0;
        let end = hub.walk(ROOM, UserId(OWNER), (after, many), &mut |event| {
            bytes += event.len();
            true
        });
        (matches!(end, Walk::Done), bytes)
    };
    let kept = (0..many).map(walk).find(|(is_kept, _)| *is_kept);
    let (_, bytes) = kept.expect("the newest are kept");
    assert!(!walk(0).0, "the oldest are gone");
    assert!(bytes <= most && bytes > most - 2 * limits::BODY_BYTES, "{bytes}");
}

#[test]
fn the_pace_has_an_end() {
    let quotas = Quotas::new(u32::MAX);
    let most = limits::PACE_MAX * limits::BUCKET_CHANGE.burst;
    let take = || {
        quotas
            .take(UserId(1), &leave(ROOM), 1_000)
            .map_err(|refusal| refusal.code)
    };
    let first_refusal = (0..=most).position(|_| take().is_err());
    assert_eq!(first_refusal, Some(most as usize));
    assert_eq!(take(), Err(Code::RateLimited));
}

#[test]
fn the_configuration_may_not_go_beyond_a_limit() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("kinglet.toml");
    for (section, key, most) in [
        ("limits", "pace", limits::PACE_MAX as usize),
        ("limits", "message_bytes", limits::FRAME_MAX),
        ("accounts", "invitation_days", limits::INVITATION_DAYS as usize),
    ] {
        let wrong = |value: usize| {
            std::fs::write(&path, format!("[{section}]\n{key} = {value}\n")).expect("written");
            let config = Config::load(Some(&path), [("", ""); 0]).expect("it parses");
            config
                .problems()
                .into_iter()
                .map(|wrong| wrong.key)
                .collect::<Vec<_>>()
        };
        assert!(wrong(most).is_empty(), "{key} = {most}");
        assert_eq!(wrong(most + 1), [format!("{section}.{key}")]);
    }
}
