//! Rosters: what was told equals what the events add up to equals what a fresh load reads. What must not live here: rules.

use std::collections::HashMap;
use std::sync::Arc;

use kinglet::core::roster::Roster;
use kinglet::proto::{Code, Command, ConversationId, ConversationKind, Event, JoinRule, Role};

use crate::store_kit::words::*;
use crate::store_kit::{Dice, Factory, Setup, World, actor, locked};

const SEEDS: u64 = 6;
const STEPS: u64 = 70;

fn any_command(dice: &mut Dice, room: ConversationId) -> Command {
    let who = 1 + dice.below(7);
    let yes = dice.below(2) == 0;
    match dice.below(14) {
        0 => leave(room),
        1 | 2 => invite(room, &[who, 1 + dice.below(30)]),
        3 => invite(room, &[who]),
        4 | 5 => join(room),
        6 => approve(room, who, yes),
        7 => kick(room, who),
        8 => ban(room, who, yes),
        9 => role(room, who, if yes { Role::Admin } else { Role::Member }),
        10 => mute(
            room,
            who,
            [None, Some(0), Some(90)][usize::try_from(dice.below(3)).expect("small")],
        ),
        11 => transfer(room, who),
        12 => {
            let rules = [JoinRule::Open, JoinRule::Approval, JoinRule::Invitation];
            let rule = *dice.of(&rules).expect("not empty");
            let flag = dice.below(2) == 0;
            update(room, |u| {
                (u.join, u.history, u.mute_all) = (Some(rule), Some(yes), Some(flag));
                u.all_mentions = Some(yes);
            })
        }
        _ => send(room, "in between"),
    }
}

fn folded(events: &[Event]) -> Roster {
    let founding = events.first().expect("a conversation begins with an event");
    let mut roster = Roster::new(founding.conversation, ConversationKind::Group);
    events
        .iter()
        .for_each(|event| roster.fold(event.seq, event.by, &event.what));
    roster
}

pub async fn a_roster_is_what_its_events_say(factory: &dyn Factory) {
    let mut world = World::new(factory).await;
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let room = world
            .done(1, group("room", &[2, 3, 4], JoinRule::Open, seed % 2 == 0))
            .await
            .conversation;
        let mut told: HashMap<ConversationId, Arc<Roster>> = HashMap::new();
        for step in 0..STEPS {
            let owner = world.roster(room).await.owner().map_or(1, |user| user.0);
            let who = if dice.below(3) == 0 {
                1 + dice.below(7)
            } else {
                owner
            };
            let command = if step + 1 == STEPS {
                dissolve(room)
            } else {
                any_command(&mut dice, room)
            };
            let who = if step + 1 == STEPS { owner } else { who };
            let said = format!("seed {seed}, step {step}: {command:?} of {who}");
            if world.ask(actor(who), command).await.is_err() {
                continue;
            }
            for (_, roster) in locked(&world.ears.heard).rosters.drain(..) {
                told.insert(roster.conversation, roster);
            }
            let events: Vec<Event> = world
                .log(room)
                .await
                .expect("readable")
                .into_iter()
                .map(|(_, event)| event)
                .collect();
            let expected = folded(&events);
            assert_eq!(*told[&room], expected, "what was told: {said}");
            assert_eq!(*world.roster(room).await, expected, "what is shared: {said}");
            world = world.reopen().await;
            assert_eq!(
                *world.roster(room).await,
                expected,
                "what a fresh load reads: {said}"
            );
        }
        let end = world.roster(room).await;
        assert!(end.members().len() == 0, "seed {seed}: {end:?}");
    }
}

/// The writer goes on without room for rosters; readers are told to come back.
pub async fn rosters_beyond_the_budget_are_busy(factory: &dyn Factory) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let setup = Setup {
        roster_members: 60,
        ..Setup::at(directory.path())
    };
    let world = World::with(factory, directory, setup).await;
    let some: Vec<u64> = (2..=25).collect();
    let mut rooms = Vec::new();
    let mut held = Vec::new();
    for _ in 0..6 {
        let room = world
            .done(1, group("room", &some, JoinRule::Open, false))
            .await
            .conversation;
        rooms.push(room);
        match world.store.roster(room).await {
            Ok(roster) => held.push(roster.expect("the conversation is there")),
            Err(refusal) => assert_eq!(refusal.code, Code::Busy),
        }
    }
    locked(&world.ears.heard).rosters.clear();
    let mut busy = 0;
    for room in &rooms {
        match world.store.roster(*room).await {
            Ok(roster) => held.push(roster.expect("the conversation is there")),
            Err(refusal) => {
                assert_eq!(refusal.code, Code::Busy);
                busy += 1;
            }
        }
    }
    assert!(
        busy >= 3,
        "25 members each do not fit a budget of 60: {busy} were busy"
    );
    drop(held);
    for room in rooms {
        world.done(1, send(room, "still works")).await;
        let (_, members, _) = world.store.usage();
        assert!(members <= 60, "{members} memberships in memory");
    }
}
