//! What a bot may do: nothing beyond what its token's scopes name, and never what is a person's alone. What its role in a
//! conversation lets it do there is asked as for a person, afterwards. What must not live here: tokens, rows, routes.

use super::{Allowed, Permit, TargetFacts};
use crate::proto::bots::BotScope;
use crate::proto::{Code, Command, Refusal, UserId};

/// What a session may do by its token: a person's everything that a person may, a bot's what an admin gave it. One byte,
/// since every session has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

/// Set for every bot, whatever its scopes. The numbers are stored: they never change.
const BOT: u8 = 8;
const ALL: [(BotScope, u8); 3] = [(BotScope::Read, 1), (BotScope::Write, 2), (BotScope::Manage, 4)];

impl Scopes {
    pub const PERSON: Scopes = Scopes(0);

    /// A bot's.
    #[must_use]
    pub fn of(scopes: &[BotScope]) -> Scopes {
        let given = ALL.iter().filter(|(scope, _)| scopes.contains(scope));
        Scopes(given.fold(BOT, |sum, (_, bit)| sum | bit))
    }

    /// From the stored number. Whatever no release wrote is a bot that may nothing.
    #[must_use]
    pub fn from_number(number: u8) -> Scopes {
        match number {
            0 | BOT..16 => Scopes(number),
            _ => Scopes(BOT),
        }
    }

    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    #[must_use]
    pub fn is_bot(self) -> bool {
        self.0 != 0
    }

    #[must_use]
    pub fn list(self) -> Vec<BotScope> {
        let given = ALL.iter().filter(|(_, bit)| self.0 & bit != 0);
        given.map(|(scope, _)| *scope).collect()
    }

    fn has(self, scope: BotScope) -> bool {
        !self.is_bot()
            || ALL
                .iter()
                .any(|(known, bit)| *known == scope && self.0 & bit != 0)
    }
}

/// What is asked of the server otherwise than by a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// One's own session and what the server has to say about it.
    Own,
    /// What conversations show.
    Read,
    /// Files on their way into one.
    Write,
    /// Anything else: accounts, administration, what is kept of a person.
    Person,
}

/// What a bot needs for something.
enum Needs {
    Nothing,
    Scope(BotScope),
    /// To be a person.
    Person,
}

/// Whether a session may run an errand.
///
/// # Errors
/// `forbidden`, only ever for bots.
pub fn may_run(scopes: Scopes, errand: Errand) -> Allowed {
    let needs = match errand {
        Errand::Own => Needs::Nothing,
        Errand::Read => Needs::Scope(BotScope::Read),
        Errand::Write => Needs::Scope(BotScope::Write),
        Errand::Person => Needs::Person,
    };
    suffices(scopes, &needs)
}

/// Whether a session may give a command at all.
///
/// # Errors
/// `forbidden`, only ever for bots.
pub fn may_command(scopes: Scopes, command: &Command) -> Allowed {
    if !scopes.is_bot() {
        return Ok(());
    }
    if matches!(command, Command::Send(send) if send.to.is_some()) {
        return Err(Refusal {
            next: "Answer in one by its `conversation`, once a person has written to the bot.".into(),
            ..Refusal::because(Code::Forbidden, "A bot opens no direct conversations.")
        });
    }
    suffices(scopes, &needs(command))
}

/// What is not named is a person's, also what comes later.
fn needs(command: &Command) -> Needs {
    match command {
        Command::Hello(_) | Command::Leave(_) => Needs::Nothing,
        Command::MarkRead(_)
        | Command::Presence(_)
        | Command::History(_)
        | Command::Conversations(_)
        | Command::Members(_)
        | Command::Readers(_)
        | Command::Sync(_)
        | Command::Events(_)
        | Command::Edits(_)
        | Command::Follow(_)
        | Command::Thread(_)
        | Command::Threads(_)
        | Command::Pins(_)
        | Command::Links(_) => Needs::Scope(BotScope::Read),
        Command::Nickname(nickname) if nickname.user.is_some() => Needs::Scope(BotScope::Manage),
        Command::Send(_)
        | Command::Edit(_)
        | Command::Recall(_)
        | Command::React(_)
        | Command::Typing(_)
        | Command::Nickname(_) => Needs::Scope(BotScope::Write),
        Command::Update(_)
        | Command::Invite(_)
        | Command::Approve(_)
        | Command::Requests(_)
        | Command::Kick(_)
        | Command::Ban(_)
        | Command::Role(_)
        | Command::Mute(_)
        | Command::Pin(_)
        | Command::Unpin(_)
        | Command::Announce(_) => Needs::Scope(BotScope::Manage),
        _ => Needs::Person,
    }
}

fn suffices(scopes: Scopes, needs: &Needs) -> Allowed {
    match needs {
        Needs::Person if scopes.is_bot() => Err(Refusal {
            next: "Let a person do it.".into(),
            ..Refusal::because(Code::Forbidden, "This is for people; no bot may do it.")
        }),
        Needs::Scope(scope) if !scopes.has(*scope) => {
            let scope = word(*scope);
            Err(Refusal {
                next: "Ask an admin of the server for a token with that scope.".into(),
                ..Refusal::because(
                    Code::Forbidden,
                    format!("This bot's token has no scope `{scope}`."),
                )
            })
        }
        _ => Ok(()),
    }
}

fn word(scope: BotScope) -> &'static str {
    match scope {
        BotScope::Read => "read",
        BotScope::Write => "write",
        BotScope::Manage => "manage",
    }
}

impl Permit {
    /// Taking back what somebody else said is an office, not writing.
    pub(super) fn on_others_words(&self, facts: TargetFacts) -> Allowed {
        let is_own = facts.by == self.actor.user;
        if is_own {
            return Ok(());
        }
        suffices(self.actor.scopes, &Needs::Scope(BotScope::Manage))
    }
}

/// Whether a session may look somebody up: a bot only those with whom it shares a conversation, and itself.
pub fn may_look_up(scopes: Scopes, oneself: UserId, whom: UserId, share: bool) -> Allowed {
    if scopes.is_bot() && oneself != whom && !share {
        return Err(Code::NotFound.into());
    }
    Ok(())
}

/// Whether a user may own a conversation.
pub fn may_own(is_bot: bool) -> Allowed {
    if is_bot {
        return Err(Refusal::because(Code::Forbidden, "A bot owns no conversation."));
    }
    Ok(())
}

/// Whether a user may be an admin or an owner of the server.
pub fn may_hold_office(is_bot: bool) -> Allowed {
    if is_bot {
        let sentence = "A bot holds no office on the server.";
        return Err(Refusal::because(Code::Forbidden, sentence));
    }
    Ok(())
}

/// Whether a user may have a password, and a way to a new one.
pub fn may_have_password(is_bot: bool) -> Allowed {
    if is_bot {
        return Err(Refusal {
            next: "Make the bot a new token.".into(),
            ..Refusal::because(Code::Forbidden, "A bot has no password.")
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::codec;
    use crate::proto::command::TYPES;

    const NONE: &[BotScope] = &[];

    /// Every command, with the scope that a bot needs for it; those that are not here are a person's alone.
    const OPEN: &[(&str, &[BotScope])] = &[
        (r#""type":"hello""#, NONE),
        (r#""type":"leave","conversation":"{c}""#, NONE),
        (r#""type":"mark_read","conversation":"{c}","seq":1"#, READ),
        (r#""type":"presence","on":true"#, READ),
        (r#""type":"history","conversation":"{c}""#, READ),
        (r#""type":"conversations""#, READ),
        (r#""type":"members","conversation":"{c}""#, READ),
        (r#""type":"readers","conversation":"{c}","seq":1"#, READ),
        (r#""type":"sync""#, READ),
        (r#""type":"events","conversation":"{c}","seqs":[1]"#, READ),
        (r#""type":"edits","conversation":"{c}","target":1"#, READ),
        (
            r#""type":"follow","conversation":"{c}","thread":1,"on":true"#,
            READ,
        ),
        (r#""type":"thread","conversation":"{c}","thread":1"#, READ),
        (r#""type":"threads""#, READ),
        (r#""type":"pins","conversation":"{c}""#, READ),
        (r#""type":"links","conversation":"{c}""#, READ),
        (
            r#""type":"send","conversation":"{c}","body":{"kind":"text","text":"x"}"#,
            WRITE,
        ),
        (
            r#""type":"edit","conversation":"{c}","target":1,"body":{"kind":"text","text":"x"}"#,
            WRITE,
        ),
        (r#""type":"recall","conversation":"{c}","target":1"#, WRITE),
        (
            r#""type":"react","conversation":"{c}","target":1,"emoji":"x""#,
            WRITE,
        ),
        (r#""type":"typing","conversation":"{c}","on":true"#, WRITE),
        (r#""type":"nickname","conversation":"{c}","name":"x""#, WRITE),
        (
            r#""type":"nickname","conversation":"{c}","user":"u0000000002","name":null"#,
            MANAGE,
        ),
        (r#""type":"update","conversation":"{c}","title":"x""#, MANAGE),
        (
            r#""type":"invite","conversation":"{c}","users":["u0000000002"]"#,
            MANAGE,
        ),
        (
            r#""type":"approve","conversation":"{c}","user":"u0000000002","accept":true"#,
            MANAGE,
        ),
        (r#""type":"requests","conversation":"{c}""#, MANAGE),
        (
            r#""type":"kick","conversation":"{c}","user":"u0000000002""#,
            MANAGE,
        ),
        (
            r#""type":"ban","conversation":"{c}","user":"u0000000002""#,
            MANAGE,
        ),
        (
            r#""type":"role","conversation":"{c}","user":"u0000000002","role":"admin""#,
            MANAGE,
        ),
        (
            r#""type":"mute","conversation":"{c}","user":"u0000000002""#,
            MANAGE,
        ),
        (r#""type":"pin","conversation":"{c}","target":1"#, MANAGE),
        (r#""type":"unpin","conversation":"{c}","target":1"#, MANAGE),
        (r#""type":"announce","conversation":"{c}","text":"x""#, MANAGE),
    ];
    const READ: &[BotScope] = &[BotScope::Read];
    const WRITE: &[BotScope] = &[BotScope::Write];
    const MANAGE: &[BotScope] = &[BotScope::Manage];
    /// A few of a person's, so that the refusal is seen for more than what is not named.
    const PERSONS: &[&str] = &[
        r#""type":"send","to":"u0000000002","body":{"kind":"text","text":"x"}"#,
        r#""type":"create","kind":"group","title":"x","members":[]"#,
        r#""type":"join","conversation":"{c}""#,
        r#""type":"transfer","conversation":"{c}","user":"u0000000002""#,
        r#""type":"dissolve","conversation":"{c}""#,
        r#""type":"discover""#,
        r#""type":"users""#,
        r#""type":"search","query":"x""#,
        r#""type":"set","key":"status","value":null"#,
        r#""type":"settings""#,
        r#""type":"saved""#,
    ];

    fn command(fields: &str) -> Command {
        let text = format!(
            r#"{{"id":1,"client_id":"01993c5e-8a10-7000-8f3b-2d1c0a9e7701",{}}}"#,
            fields
                .replace("{c}", &crate::proto::ConversationId(7).to_string())
                .replace("u0000000002", &UserId(2).to_string())
        );
        let read = codec::decode(&text);
        read.unwrap_or_else(|bad| panic!("{text}: {}", bad.refusal))
            .command
    }

    fn all_scopes() -> impl Iterator<Item = Vec<BotScope>> {
        (0..8_u8).map(|bits| Scopes(bits).list())
    }

    #[test]
    fn a_command_needs_its_scope_and_a_persons_needs_a_person() {
        for (fields, needed) in OPEN {
            let command = command(fields);
            assert!(may_command(Scopes::PERSON, &command).is_ok());
            for given in all_scopes() {
                let may = may_command(Scopes::of(&given), &command).is_ok();
                assert_eq!(
                    may,
                    needed.iter().all(|scope| given.contains(scope)),
                    "{fields} {given:?}"
                );
            }
        }
        for fields in PERSONS {
            let command = command(fields);
            assert!(may_command(Scopes::PERSON, &command).is_ok());
            let everything = Scopes::of(&[BotScope::Read, BotScope::Write, BotScope::Manage]);
            let refused = may_command(everything, &command).map_err(|refusal| refusal.code);
            assert_eq!(refused, Err(Code::Forbidden), "{fields}");
        }
        let named: Vec<&str> = OPEN
            .iter()
            .map(|(fields, _)| *fields)
            .chain(PERSONS.iter().copied())
            .collect();
        for name in TYPES {
            let tells = |fields: &&str| fields.starts_with(&format!(r#""type":"{name}""#));
            assert!(named.iter().any(tells), "may a bot `{name}`?");
        }
    }

    #[test]
    fn an_errand_needs_its_scope() {
        for given in all_scopes() {
            let may = |errand| may_run(Scopes::of(&given), errand).is_ok();
            assert!(may(Errand::Own) && !may(Errand::Person));
            assert_eq!(may(Errand::Read), given.contains(&BotScope::Read));
            assert_eq!(may(Errand::Write), given.contains(&BotScope::Write));
        }
        assert!(may_run(Scopes::PERSON, Errand::Person).is_ok());
    }

    #[test]
    fn scopes_are_stored_as_a_number_that_is_never_a_persons() {
        for given in all_scopes() {
            let scopes = Scopes::of(&given);
            assert!(scopes.is_bot() && scopes.list() == given);
            assert_eq!(Scopes::from_number(scopes.number()), scopes);
        }
        for strange in [1, 7, 16, 255] {
            let scopes = Scopes::from_number(strange);
            assert!(scopes.is_bot() && scopes.list().is_empty(), "{strange}");
        }
        assert_eq!(Scopes::from_number(0), Scopes::PERSON);
    }

    #[test]
    fn a_bot_looks_up_only_whom_it_meets() {
        let (bot, person, one, other) = (Scopes::of(READ), Scopes::PERSON, UserId(1), UserId(2));
        assert!(may_look_up(bot, one, other, true).is_ok() && may_look_up(bot, one, one, false).is_ok());
        assert!(may_look_up(bot, one, other, false).is_err());
        assert!(may_look_up(person, one, other, false).is_ok());
    }
}
