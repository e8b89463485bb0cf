//! How many bots there may be, and what a repeated request is answered. What must not live here: the writer's thread.

use super::super::bots::{NewBotRow, TokenRow, make, renew};
use super::super::leaving::{Departure, deactivate};
use super::*;
use crate::proto::bots::BotScope;

fn bot(name: &str) -> NewBotRow {
    NewBotRow {
        name: name.into(),
        skeleton: name.into(),
        display_name: name.into(),
        scopes: Scopes::of(&[BotScope::Read]),
    }
}

fn request(n: u8, digest: u8) -> TokenRow {
    TokenRow {
        client: ClientId(uuid::Uuid::from_bytes([n; 16])),
        digest: [digest; 32],
        token: token(n),
    }
}

#[test]
fn a_server_has_so_many_bots() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    let by = By::User(owner.profile.user, owner.device_no);
    let add = |desk: &mut Desk, n: usize| {
        let n = u8::try_from(n).expect("a small number");
        let made = desk.write(|r| make(r, by, &bot(&format!("b{n}")), &request(n + 2, n)));
        made.map(|(made, _)| made.bot.user)
            .map_err(|refusal| refusal.code)
    };
    let first = add(&mut desk, 0).expect("there is room");
    for n in 1..limits::BOTS {
        add(&mut desk, n).expect("there is room");
    }
    assert_eq!(add(&mut desk, limits::BOTS), Err(Code::LimitReached));
    assert!(add(&mut desk, 1).is_ok(), "a repeat needs no room");
    desk.write(|r| set_disabled(r, by, first, true))
        .expect("an owner may");
    assert_eq!(
        add(&mut desk, limits::BOTS),
        Err(Code::LimitReached),
        "it is there still"
    );
    desk.write(|r| set_disabled(r, by, first, false))
        .expect("its own place is free");
    let departure = Departure {
        client: ClientId(uuid::Uuid::from_bytes([201; 16])),
        successor: None,
        verified: None,
    };
    desk.write(|r| deactivate(r, by, first, &departure))
        .expect("an owner may");
    add(&mut desk, limits::BOTS).expect("one has gone");
    let back = desk.write(|r| set_disabled(r, by, first, false));
    assert_eq!(
        back.map_err(|refusal| refusal.code).map(drop),
        Err(Code::LimitReached)
    );
}

#[test]
fn only_the_newest_token_is_good_and_a_repeat_cuts_nobody_off() {
    let mut desk = Desk::new();
    let owner = desk.owner();
    let by = By::User(owner.profile.user, owner.device_no);
    let (made, _) = desk
        .write(|r| make(r, by, &bot("b"), &request(2, 2)))
        .expect("there is room");
    let whose = desk.session(2).expect("the token is good");
    assert_eq!(
        (whose.user, whose.scopes),
        (made.bot.user, Scopes::of(&[BotScope::Read]))
    );
    let (_, effects) = desk
        .write(|r| make(r, by, &bot("b"), &request(2, 2)))
        .expect("a repeat");
    assert_eq!(effects, [], "nothing happened");
    let other = desk.write(|r| make(r, by, &bot("c"), &request(2, 3)));
    assert_eq!(
        other.map_err(|refusal| refusal.code).map(drop),
        Err(Code::IdReused)
    );

    let user = made.bot.user;
    let write = Some(Scopes::of(&[BotScope::Write]));
    let (_, effects) = desk
        .write(|r| renew(r, by, user, write, &request(3, 3)))
        .expect("an owner may");
    let revoked = AccountEffect::Revoked {
        user,
        device: Some(whose.device_no),
        except: None,
    };
    assert_eq!(effects, [revoked]);
    assert!(desk.session(2).is_none());
    let now = desk.session(3).expect("the new one is good");
    assert_eq!(
        (now.device_no, now.scopes.list()),
        (whose.device_no, vec![BotScope::Write])
    );
    let old = desk.write(|r| make(r, by, &bot("b"), &request(2, 2)));
    assert_eq!(
        old.map_err(|refusal| refusal.code).map(drop),
        Err(Code::LinkInvalid)
    );
    desk.write(|r| sign_out(r, user, now.device_no)).expect("it may");
    let ended = desk.write(|r| renew(r, by, user, write, &request(3, 3)));
    assert_eq!(
        ended.map_err(|refusal| refusal.code).map(drop),
        Err(Code::LinkInvalid)
    );
    assert!(
        desk.session(3).is_none(),
        "a repeat does not bring a token back that has ended"
    );
    desk.write(|r| renew(r, by, user, None, &request(4, 4)))
        .expect("an owner may");
    assert_eq!(
        desk.session(4).map(|session| session.scopes),
        write,
        "as they were"
    );
}
