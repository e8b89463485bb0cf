//! Questions about what is said: single events, versions, threads. What must not live here: pages in order and lists of
//! conversations (see `answer`).

use std::collections::HashMap;
use std::sync::Arc;

use super::answer::{bound, readable};
use super::{Services, Who};
use crate::core::roster::Roster;
use crate::core::{audience, permit};
use crate::hub::Kind;
use crate::limits;
use crate::proto::command::MarkRead;
use crate::proto::talk::{
    EditPage, Edits, EventList, Events, Follow, Thread, ThreadInfo, ThreadList, ThreadPage, ThreadSummary,
    Threads,
};
use crate::proto::{Answer, Code, ConversationId, Notice, Refusal, Seq, UserId};
use crate::store::Span;
use crate::store::sqlite::{Following, Listed, Told};

pub(super) fn span(after: Option<Seq>, before: Option<Seq>) -> Result<Span, Refusal> {
    match (after, before) {
        (Some(_), Some(_)) => Err(Refusal::because(
            Code::BadRequest,
            "A page goes `after` a seq or `before` one, not both.",
        )),
        (Some(after), None) => Ok(Span::After(after)),
        (None, Some(before)) => Ok(Span::Before(before)),
        (None, None) => Ok(Span::Before(Seq::MAX)),
    }
}

pub(super) fn ranges(roster: &Roster, user: UserId) -> Vec<(Seq, Seq)> {
    audience::visible(roster, user).ranges().to_vec()
}

/// Once more after the store was read: the asker may have been removed meanwhile. What they have hidden goes, too.
pub(super) async fn still_visible(
    services: &Services,
    who: &Who,
    conversation: ConversationId,
    mut told: Told,
) -> Result<Told, Refusal> {
    let roster = readable(services, who, conversation).await?;
    let hidden = services.store.discretion().hidden().of(who.user, conversation);
    for events in [&mut told.events, &mut told.edits] {
        events.retain(|event| {
            audience::may_see(&roster, who.user, event.seq) && audience::is_shown(event, &hidden)
        });
    }
    Ok(told)
}

pub async fn events(services: &Services, who: &Who, ask: Events) -> Result<EventList, Refusal> {
    let Events { conversation, seqs } = ask;
    if !(1..=limits::EVENTS_ASKED).contains(&seqs.len()) {
        let sentence = format!("Name 1 to {} seqs.", limits::EVENTS_ASKED);
        return Err(Refusal::because(Code::BadRequest, sentence));
    }
    let roster = readable(services, who, conversation).await?;
    let told = services
        .store
        .events(conversation, seqs, ranges(&roster, who.user))
        .await?;
    let Told { events, edits, more } = still_visible(services, who, conversation, told).await?;
    Ok(EventList {
        conversation,
        events,
        edits,
        more,
    })
}

pub async fn edits(services: &Services, who: &Who, ask: Edits) -> Result<EditPage, Refusal> {
    let limit = bound(ask.limit, 50, limits::PAGE_EVENTS)?;
    let (conversation, target) = (ask.conversation, ask.target);
    let roster = readable(services, who, conversation).await?;
    permit::may_look_at(&roster, who.user, target)?;
    let (events, more) = services
        .store
        .edits(
            conversation,
            target,
            (ask.after, limit),
            ranges(&roster, who.user),
        )
        .await?;
    let told = Told {
        events,
        more,
        ..Told::default()
    };
    let told = still_visible(services, who, conversation, told).await?;
    Ok(EditPage {
        conversation,
        target,
        versions: told.events,
        more,
    })
}

fn info(thread: &Following) -> ThreadInfo {
    ThreadInfo {
        conversation: thread.conversation,
        thread: thread.root,
        replies: thread.replies,
        last_seq: thread.last_seq,
        following: thread.read.is_some(),
        unread: thread
            .read
            .map_or(0, |(_, count)| thread.replies.saturating_sub(count)),
    }
}

/// The thread, if there is one that the asker may look at.
async fn open(
    services: &Services,
    who: &Who,
    conversation: ConversationId,
    root: Seq,
) -> Result<(Arc<Roster>, Following), Refusal> {
    let roster = readable(services, who, conversation).await?;
    let thread = services.store.thread(who.user, conversation, root).await?;
    let thread = thread.ok_or(Code::NotFound)?;
    // Who came later may see its end, if not its beginning.
    permit::may_look_at(&roster, who.user, thread.last_seq)?;
    Ok((roster, thread))
}

pub async fn thread(services: &Services, who: &Who, ask: Thread) -> Result<ThreadPage, Refusal> {
    let limit = bound(ask.limit, 50, limits::PAGE_EVENTS)?;
    let span = span(ask.after, ask.before)?;
    let (roster, thread) = open(services, who, ask.conversation, ask.thread).await?;
    let told = services
        .store
        .thread_page(
            (ask.conversation, ask.thread),
            span,
            limit,
            ranges(&roster, who.user),
        )
        .await?;
    let Told { events, edits, more } = still_visible(services, who, ask.conversation, told).await?;
    Ok(ThreadPage {
        info: info(&thread),
        events,
        edits,
        more,
    })
}

pub async fn threads(services: &Services, who: &Who, ask: Threads) -> Result<ThreadList, Refusal> {
    let limit = bound(ask.limit, 100, limits::LIST_ROWS)?;
    let before = match ask.before.as_deref().map(str::parse) {
        None => u64::MAX,
        Some(Ok(before)) => before,
        Some(Err(_)) => {
            let sentence = "`before` is the `next` of an answer.";
            return Err(Refusal::because(Code::BadRequest, sentence));
        }
    };
    if let Some(conversation) = ask.conversation {
        readable(services, who, conversation).await?;
    }
    let mut found = services
        .store
        .threads(who.user, ask.conversation, (before, limit + 1))
        .await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|thread| thread.last_pos.to_string());
    let mut threads = Vec::with_capacity(found.len());
    for thread in &found {
        let roster = match readable(services, who, thread.conversation).await {
            Ok(roster) => roster,
            Err(refusal) if refusal.code == Code::NotFound => continue,
            Err(refusal) => return Err(refusal),
        };
        if audience::may_see(&roster, who.user, thread.last_seq) {
            threads.push(info(thread));
        }
    }
    Ok(ThreadList { threads, next })
}

/// Tells one's own other devices.
fn tell(services: &Services, who: &Who, thread: &Following, following: bool, seq: Seq) {
    let notice = Notice::Thread {
        conversation: thread.conversation,
        thread: thread.root,
        following,
        seq,
    };
    services
        .hub
        .tell(&[thread.conversation], who.user, Kind::Thread, &notice);
}

pub async fn follow(services: &Services, who: &Who, ask: Follow) -> Result<Answer, Refusal> {
    let (_, thread) = open(services, who, ask.conversation, ask.thread).await?;
    if ask.on != thread.read.is_some() {
        services.store.follow(who.user, thread, ask.on).await?;
        tell(services, who, &thread, ask.on, thread.last_seq);
    }
    Ok(Answer::Ok {})
}

/// `mark_read` with a thread.
pub async fn mark_thread(
    services: &Services,
    who: &Who,
    mark: &MarkRead,
    root: Seq,
) -> Result<Answer, Refusal> {
    let (_, thread) = open(services, who, mark.conversation, root).await?;
    if let Some(seq) = services
        .store
        .mark_thread(who.user, (mark.conversation, root), mark.seq)
        .await?
    {
        tell(services, who, &thread, true, seq);
    }
    Ok(Answer::Ok {})
}

/// The threads that hang on some messages of a page.
pub async fn summaries(
    services: &Services,
    conversation: ConversationId,
    messages: &[Seq],
) -> Result<Vec<ThreadSummary>, Refusal> {
    let (Some(first), Some(last)) = (messages.first(), messages.last()) else {
        return Ok(Vec::new());
    };
    let mut threads = services
        .store
        .threads_within(conversation, (*first, *last))
        .await?;
    threads.retain(|thread| messages.binary_search(&thread.thread).is_ok());
    Ok(threads)
}

/// How many of the unread messages of some conversations mention their reader.
pub async fn unread_mentions(
    services: &Services,
    user: UserId,
    listed: &[Listed],
) -> Result<HashMap<ConversationId, u64>, Refusal> {
    let unread = listed
        .iter()
        .filter(|listed| listed.standing.last_count > listed.marker.1);
    let read: Vec<_> = unread
        .map(|listed| (listed.roster.conversation, listed.marker.0))
        .collect();
    if read.is_empty() {
        return Ok(HashMap::new());
    }
    services.store.unread_mentions(user, read).await
}
