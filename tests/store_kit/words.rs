//! Commands as short words, each with a client id of its own. What must not live here: who asks them.

use std::sync::atomic::{AtomicU64, Ordering};

use kinglet::proto::command::{
    Approve, Ban, Create, Edit, Invite, Mute, Plain, React, Send, SetRole, Subject, Target, Update,
};
use kinglet::proto::{
    Body, ClientId, Command, ConversationId, ConversationKind, JoinRule, Role, Seq, UserId,
};

/// A client id that this process has not used.
pub fn client_id() -> ClientId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ClientId(uuid::Uuid::from_u128(NEXT.fetch_add(1, Ordering::Relaxed).into()))
}

pub fn text(words: impl Into<String>) -> Body {
    Body::Text { text: words.into() }
}

pub fn users(ids: &[u64]) -> Vec<UserId> {
    ids.iter().copied().map(UserId).collect()
}

pub fn send(conversation: ConversationId, words: impl Into<String>) -> Command {
    Command::Send(Send {
        client_id: client_id(),
        conversation: Some(conversation),
        to: None,
        body: Some(text(words)),
        reply_to: None,
        forward_of: None,
        thread: None,
        also_send: false,
    })
}

pub fn send_to(user: u64, words: impl Into<String>) -> Command {
    Command::Send(Send {
        client_id: client_id(),
        conversation: None,
        to: Some(UserId(user)),
        body: Some(text(words)),
        reply_to: None,
        forward_of: None,
        thread: None,
        also_send: false,
    })
}

pub fn reply(conversation: ConversationId, reply_to: Seq, words: &str) -> Command {
    Command::Send(Send {
        client_id: client_id(),
        conversation: Some(conversation),
        to: None,
        body: Some(text(words)),
        reply_to: Some(reply_to),
        forward_of: None,
        thread: None,
        also_send: false,
    })
}

pub fn group(title: &str, members: &[u64], join: JoinRule, history: bool) -> Command {
    create(ConversationKind::Group, title, members, join, history)
}

pub fn create(
    kind: ConversationKind,
    title: &str,
    members: &[u64],
    join: JoinRule,
    history: bool,
) -> Command {
    Command::Create(Create {
        client_id: client_id(),
        kind,
        title: title.into(),
        members: users(members),
        join,
        history,
    })
}

pub fn update(conversation: ConversationId, change: impl FnOnce(&mut Update)) -> Command {
    let mut update = Update {
        client_id: client_id(),
        conversation,
        title: None,
        join: None,
        history: None,
        mute_all: None,
        all_mentions: None,
        members_pin: None,
        read_lists: None,
        retention_days: None,
    };
    change(&mut update);
    Command::Update(update)
}

fn plain(conversation: ConversationId) -> Plain {
    Plain {
        client_id: client_id(),
        conversation,
    }
}

fn subject(conversation: ConversationId, user: u64) -> Subject {
    Subject {
        client_id: client_id(),
        conversation,
        user: UserId(user),
    }
}

pub fn leave(conversation: ConversationId) -> Command {
    Command::Leave(plain(conversation))
}

pub fn dissolve(conversation: ConversationId) -> Command {
    Command::Dissolve(plain(conversation))
}

pub fn join(conversation: ConversationId) -> Command {
    Command::Join(plain(conversation))
}

pub fn invite(conversation: ConversationId, ids: &[u64]) -> Command {
    Command::Invite(Invite {
        client_id: client_id(),
        conversation,
        users: users(ids),
    })
}

pub fn approve(conversation: ConversationId, user: u64, accept: bool) -> Command {
    Command::Approve(Approve {
        client_id: client_id(),
        conversation,
        user: UserId(user),
        accept,
    })
}

pub fn kick(conversation: ConversationId, user: u64) -> Command {
    Command::Kick(subject(conversation, user))
}

pub fn transfer(conversation: ConversationId, user: u64) -> Command {
    Command::Transfer(subject(conversation, user))
}

pub fn ban(conversation: ConversationId, user: u64, lift: bool) -> Command {
    Command::Ban(Ban {
        client_id: client_id(),
        conversation,
        user: UserId(user),
        lift,
    })
}

pub fn role(conversation: ConversationId, user: u64, role: Role) -> Command {
    Command::Role(SetRole {
        client_id: client_id(),
        conversation,
        user: UserId(user),
        role,
    })
}

pub fn mute(conversation: ConversationId, user: u64, seconds: Option<u64>) -> Command {
    Command::Mute(Mute {
        client_id: client_id(),
        conversation,
        user: UserId(user),
        seconds,
    })
}

pub fn edit(conversation: ConversationId, target: Seq, words: &str) -> Command {
    Command::Edit(Edit {
        client_id: client_id(),
        conversation,
        target,
        body: text(words),
    })
}

pub fn recall(conversation: ConversationId, target: Seq) -> Command {
    Command::Recall(Target {
        client_id: client_id(),
        conversation,
        target,
    })
}

pub fn react(conversation: ConversationId, target: Seq, emoji: &str, remove: bool) -> Command {
    Command::React(React {
        client_id: client_id(),
        conversation,
        target,
        emoji: emoji.into(),
        remove,
    })
}
