//! The commands that change a conversation, and the event each would leave. What must not live here: who may.

use crate::proto::command::{Create, Edit, Invite, React, Send, Update};
use crate::proto::talk::Source;
use crate::proto::{BlobId, Body, ClientId, Command, ConversationId, Media, Seq, UserId};

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
    #[allow(clippy::result_large_err)] // nothing failed: the command goes on as it came
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
            | Command::Sync(_)
            | Command::Set(_)
            | Command::Settings(_)
            | Command::Saved(_)
            | Command::Users(_)
            | Command::Search(_)
            | Command::Events(_)
            | Command::Edits(_)
            | Command::Follow(_)
            | Command::Thread(_)
            | Command::Threads(_)
            | Command::Pins(_)
            | Command::Requests(_)
            | Command::Links(_) => Err(command),
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
            Command::Pin(pin) | Command::Unpin(pin) => Some(pin.target),
            Command::Send(send) => send.reply_to,
            _ => None,
        }
    }

    /// What it says in words of its own.
    #[must_use]
    pub fn body(&self) -> Option<&Body> {
        match &self.0 {
            Command::Send(send) => send.body.as_ref(),
            Command::Edit(edit) => Some(&edit.body),
            _ => None,
        }
    }

    /// The stored file that its message is to carry.
    #[must_use]
    pub fn blob(&self) -> Option<BlobId> {
        self.body()?.media().map(|media| media.blob)
    }

    /// Whether it is refused where the disk is almost full: what people say and found. What takes back, removes or decides
    /// is short, and may be what makes room.
    #[must_use]
    pub fn grows(&self) -> bool {
        matches!(
            self.0,
            Command::Send(_)
                | Command::Edit(_)
                | Command::React(_)
                | Command::Create(_)
                | Command::Update(_)
                | Command::Invite(_)
                | Command::Join(_)
                | Command::Announce(_)
        )
    }

    /// The message in whose thread it is said.
    #[must_use]
    pub fn thread(&self) -> Option<Seq> {
        match &self.0 {
            Command::Send(send) => send.thread,
            _ => None,
        }
    }

    /// The message that it says again.
    #[must_use]
    pub fn source(&self) -> Option<Source> {
        match &self.0 {
            Command::Send(send) => send.forward_of,
            _ => None,
        }
    }

    /// Bytes that a queue should account it with.
    #[must_use]
    pub fn weight(&self) -> usize {
        let own = match &self.0 {
            Command::Send(Send { body, .. }) => body.as_ref().map_or(0, Body::len),
            Command::Edit(Edit { body, .. }) => body.len(),
            Command::Create(Create { title, members, .. }) => title.len() + members.len() * 8,
            Command::Update(Update { title, .. }) => title.as_ref().map_or(0, String::len),
            Command::Invite(Invite { users, .. }) => users.len() * 8,
            Command::React(React { emoji, .. }) => emoji.len(),
            Command::Announce(announce) => announce.text.as_ref().map_or(0, String::len),
            Command::Nickname(nickname) => nickname.name.as_ref().map_or(0, String::len),
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
            Command::Pin(pin) | Command::Unpin(pin) => at(pin.client_id, &pin.conversation),
            Command::Announce(announce) => at(announce.client_id, &announce.conversation),
            Command::Nickname(nickname) => at(nickname.client_id, &nickname.conversation),
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
    match command {
        Command::Send(send) => {
            let (conversation, to) = (
                send.conversation.map_or(0, |id| id.0),
                send.to.map_or(0, |id| id.0),
            );
            put(&words(
                b"send....",
                &[conversation, to, send.reply_to.unwrap_or(0)],
            ));
            if let Some(said) = &send.body {
                put(&body(said));
            }
            // What an older release did not know is fed only where it is there: its commands keep their digests.
            if let Some(source) = send.forward_of {
                put(&words(b"forward.", &[source.conversation.0, source.seq]));
            }
            if let Some(root) = send.thread {
                put(&words(b"thread..", &[root, u64::from(send.also_send)]));
            }
        }
        Command::Edit(edit) => {
            put(&words(b"edit....", &[edit.conversation.0, edit.target]));
            put(&body(&edit.body));
        }
        Command::React(react) => {
            let word = if react.remove { b"unreact." } else { b"react..." };
            put(&words(word, &[react.conversation.0, react.target]));
            put(react.emoji.as_bytes());
        }
        Command::Create(create) => {
            let settings = [create.kind as u64, create.join as u64, u64::from(create.history)];
            put(&words(b"create..", &settings));
            put(create.title.as_bytes());
            put(&words(
                b"members.",
                &create.members.iter().map(|user| user.0).collect::<Vec<_>>(),
            ));
        }
        Command::Update(update) => {
            let flag = |flag: Option<bool>| flag.map_or(2, u64::from);
            let join = update.join.map_or(9, |join| join as u64);
            let settings = [
                update.conversation.0,
                join,
                flag(update.history),
                flag(update.mute_all),
            ];
            put(&words(b"update..", &settings));
            put(update.title.as_deref().map_or(&[0xff], str::as_bytes));
            if let Some(all) = update.all_mentions {
                put(&words(b"mentions", &[u64::from(all)]));
            }
            if let Some(pin) = update.members_pin {
                put(&words(b"pinning.", &[u64::from(pin)]));
            }
            if let Some(lists) = update.read_lists {
                put(&words(b"readlist", &[u64::from(lists)]));
            }
            // Only where it is: a change of a release without it keeps its digest.
            if let Some(days) = update.retention_days {
                put(&words(b"retain..", &[u64::from(days)]));
            }
        }
        Command::Announce(announce) => {
            put(&words(b"announce", &[announce.conversation.0]));
            put(announce.text.as_deref().map_or(&[0xff], str::as_bytes));
        }
        Command::Nickname(nickname) => {
            let user = nickname.user.map_or(u64::MAX, |user| user.0);
            put(&words(b"nickname", &[nickname.conversation.0, user]));
            put(nickname.name.as_deref().map_or(&[0xff], str::as_bytes));
        }
        other => put(&short(other)),
    }
}

fn body(body: &Body) -> Vec<u8> {
    match body {
        Body::Text { text } => [b"t", text.as_bytes()].concat(),
        Body::Opaque { data } => [b"o", data.as_bytes()].concat(),
        Body::Image(media) => carried(b'i', media),
        Body::Audio(media) => carried(b'a', media),
        Body::Voice(media) => carried(b's', media),
        Body::Video(media) => carried(b'v', media),
        Body::File(media) => carried(b'f', media),
    }
}

/// A file in a message, without what is the server's to say: two commands that differ only in that mean the same.
fn carried(kind: u8, media: &Media) -> Vec<u8> {
    let number = |number: Option<u64>| number.unwrap_or(u64::MAX);
    let numbers = [
        number(media.width.map(u64::from)),
        number(media.height.map(u64::from)),
        number(media.duration_ms),
        media.name.len() as u64,
    ];
    [
        &[kind][..],
        &words(b"carries.", &numbers),
        &media.blob.0,
        media.name.as_bytes(),
        media.caption.as_bytes(),
    ]
    .concat()
}

fn words(word: &[u8; 8], numbers: &[u64]) -> Vec<u8> {
    let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
    word.iter().copied().chain(numbers).collect()
}

/// The commands that are a word and a few numbers.
fn short(command: &Command) -> Vec<u8> {
    match command {
        Command::Recall(recall) => words(b"recall..", &[recall.conversation.0, recall.target]),
        Command::Leave(plain) => words(b"leave...", &[plain.conversation.0]),
        Command::Dissolve(plain) => words(b"dissolve", &[plain.conversation.0]),
        Command::Join(plain) => words(b"join....", &[plain.conversation.0]),
        Command::Invite(invite) => {
            let users = invite.users.iter().map(|user| user.0);
            words(
                b"invite..",
                &[invite.conversation.0]
                    .into_iter()
                    .chain(users)
                    .collect::<Vec<_>>(),
            )
        }
        Command::Approve(approve) => {
            let word = if approve.accept { b"approve." } else { b"decline." };
            words(word, &[approve.conversation.0, approve.user.0])
        }
        Command::Kick(subject) => words(b"kick....", &[subject.conversation.0, subject.user.0]),
        Command::Transfer(subject) => words(b"transfer", &[subject.conversation.0, subject.user.0]),
        Command::Ban(ban) => {
            let word = if ban.lift { b"unban..." } else { b"ban....." };
            words(word, &[ban.conversation.0, ban.user.0])
        }
        Command::Role(role) => words(b"role....", &[role.conversation.0, role.user.0, role.role as u64]),
        Command::Mute(mute) => {
            let seconds = mute.seconds.unwrap_or(u64::MAX);
            words(b"mute....", &[mute.conversation.0, mute.user.0, seconds])
        }
        Command::Pin(pin) => words(b"pin.....", &[pin.conversation.0, pin.target]),
        Command::Unpin(pin) => words(b"unpin...", &[pin.conversation.0, pin.target]),
        _ => unreachable!("a change is never a question"),
    }
}
