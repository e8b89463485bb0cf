//! The commands that change a conversation, and the event each would leave. What must not live here: who may.

use crate::proto::command::{Create, Edit, Invite, React, Send, Update};
use crate::proto::{ClientId, Command, ConversationId, Seq, UserId};

/// Where a change goes: a conversation that is, the direct one with a user, or one that it founds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Conversation(ConversationId),
    Direct(UserId),
    New,
}

/// A command that appends an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Change(Command);

impl Change {
    /// The command as a change; a command that only asks or notifies comes back as it was.
    pub fn try_from_command(command: Command) -> Result<Change, Command> {
        match command {
            Command::Hello(_)
            | Command::MarkRead(_)
            | Command::Typing(_)
            | Command::Presence(_)
            | Command::History(_)
            | Command::Conversations(_)
            | Command::Discover(_)
            | Command::Members(_)
            | Command::Readers(_)
            | Command::Sync(_) => Err(command),
            _ => Ok(Change(command)),
        }
    }

    #[must_use]
    pub fn command(&self) -> &Command {
        &self.0
    }

    /// The identity the client gave it.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.parts().0
    }

    /// Where it goes; a `send` must name just one place, which `permit` checks.
    #[must_use]
    pub fn place(&self) -> Place {
        self.parts().1
    }

    /// The message it is about.
    #[must_use]
    pub fn target(&self) -> Option<Seq> {
        match &self.0 {
            Command::Edit(edit) => Some(edit.target),
            Command::Recall(recall) => Some(recall.target),
            Command::React(react) => Some(react.target),
            Command::Send(send) => send.reply_to,
            _ => None,
        }
    }

    /// Bytes that a queue should account it with.
    #[must_use]
    pub fn weight(&self) -> usize {
        let own = match &self.0 {
            Command::Send(Send { body, .. }) | Command::Edit(Edit { body, .. }) => body.len(),
            Command::Create(Create { title, members, .. }) => title.len() + members.len() * 8,
            Command::Update(Update { title, .. }) => title.as_ref().map_or(0, String::len),
            Command::Invite(Invite { users, .. }) => users.len() * 8,
            Command::React(React { emoji, .. }) => emoji.len(),
            _ => 0,
        };
        own + 256
    }

    fn parts(&self) -> (ClientId, Place) {
        let at = |client, conversation: &ConversationId| (client, Place::Conversation(*conversation));
        match &self.0 {
            Command::Send(send) => match (&send.conversation, &send.to) {
                (Some(conversation), _) => at(send.client_id, conversation),
                (None, Some(user)) => (send.client_id, Place::Direct(*user)),
                (None, None) => (send.client_id, Place::New),
            },
            Command::Edit(edit) => at(edit.client_id, &edit.conversation),
            Command::Recall(recall) => at(recall.client_id, &recall.conversation),
            Command::React(react) => at(react.client_id, &react.conversation),
            Command::Create(create) => (create.client_id, Place::New),
            Command::Update(update) => at(update.client_id, &update.conversation),
            Command::Leave(plain) | Command::Dissolve(plain) | Command::Join(plain) => {
                at(plain.client_id, &plain.conversation)
            }
            Command::Invite(invite) => at(invite.client_id, &invite.conversation),
            Command::Approve(approve) => at(approve.client_id, &approve.conversation),
            Command::Kick(subject) | Command::Transfer(subject) => {
                at(subject.client_id, &subject.conversation)
            }
            Command::Ban(ban) => at(ban.client_id, &ban.conversation),
            Command::Role(role) => at(role.client_id, &role.conversation),
            Command::Mute(mute) => at(mute.client_id, &mute.conversation),
            _ => unreachable!("try_from_command lets no other command in"),
        }
    }

    /// What must be the same for a repeat to be a repeat: eight bytes of a hash over the command without its client id.
    #[must_use]
    pub fn digest(&self) -> [u8; 8] {
        let mut hash = blake3::Hasher::new();
        feed(&mut hash, &self.0);
        let mut out = [0; 8];
        out.copy_from_slice(&hash.finalize().as_bytes()[..8]);
        out
    }
}

/// Feeds a command's meaning: a tag, then each field with its length, so that no two commands feed the same bytes.
fn feed(hash: &mut blake3::Hasher, command: &Command) {
    let mut put = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    let id = |value: u64| value.to_le_bytes();
    let body = |body: &crate::proto::Body| match body {
        crate::proto::Body::Text { text } => [b"t", text.as_bytes()].concat(),
        crate::proto::Body::Opaque { data } => [b"o", data.as_bytes()].concat(),
    };
    let users = |users: &[UserId]| {
        users
            .iter()
            .flat_map(|user| user.0.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    match command {
        Command::Send(send) => {
            put(b"send");
            put(&send
                .conversation
                .map_or([0; 8], |conversation| id(conversation.0)));
            put(&send.to.map_or([0; 8], |user| id(user.0)));
            put(&id(send.reply_to.unwrap_or(0)));
            put(&body(&send.body));
        }
        Command::Edit(edit) => {
            put(b"edit");
            put(&[id(edit.conversation.0), id(edit.target)].concat());
            put(&body(&edit.body));
        }
        Command::Recall(recall) => {
            put(&[*b"recall..", id(recall.conversation.0), id(recall.target)].concat())
        }
        Command::React(react) => {
            put(if react.remove { b"unreact" } else { b"react" });
            put(&[id(react.conversation.0), id(react.target)].concat());
            put(react.emoji.as_bytes());
        }
        Command::Create(create) => {
            put(b"create");
            put(&[create.kind as u8, create.join as u8, u8::from(create.history)]);
            put(create.title.as_bytes());
            put(&users(&create.members));
        }
        Command::Update(update) => {
            put(b"update");
            put(&id(update.conversation.0));
            let flag = |flag: Option<bool>| flag.map_or(2, u8::from);
            put(&[
                update.join.map_or(9, |join| join as u8),
                flag(update.history),
                flag(update.mute_all),
            ]);
            put(update.title.as_deref().map_or(&[0xff], str::as_bytes));
        }
        Command::Leave(plain) => put(&[*b"leave...", id(plain.conversation.0)].concat()),
        Command::Dissolve(plain) => put(&[*b"dissolve", id(plain.conversation.0)].concat()),
        Command::Join(plain) => put(&[*b"join....", id(plain.conversation.0)].concat()),
        Command::Invite(invite) => {
            put(b"invite");
            put(&id(invite.conversation.0));
            put(&users(&invite.users));
        }
        Command::Approve(approve) => {
            let accept = if approve.accept {
                *b"approve."
            } else {
                *b"decline."
            };
            put(&[accept, id(approve.conversation.0), id(approve.user.0)].concat());
        }
        Command::Kick(subject) => {
            put(&[*b"kick....", id(subject.conversation.0), id(subject.user.0)].concat())
        }
        Command::Transfer(subject) => {
            put(&[*b"transfer", id(subject.conversation.0), id(subject.user.0)].concat());
        }
        Command::Ban(ban) => {
            let word = if ban.lift { *b"unban..." } else { *b"ban....." };
            put(&[word, id(ban.conversation.0), id(ban.user.0)].concat());
        }
        Command::Role(role) => {
            put(&[
                *b"role....",
                id(role.conversation.0),
                id(role.user.0),
                id(role.role as u64),
            ]
            .concat());
        }
        Command::Mute(mute) => {
            let until = mute.seconds.map_or(u64::MAX, |seconds| seconds);
            put(&[*b"mute....", id(mute.conversation.0), id(mute.user.0), id(until)].concat());
        }
        _ => unreachable!("a change is never a question"),
    }
}
