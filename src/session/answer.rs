//! Questions: pages, lists, sync; and the small things that are not events. What must not live here: changes.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Services, Who, board, settings, talk};
use crate::core::audience;
use crate::core::cursor::Position;
use crate::core::permit;
use crate::core::retention;
use crate::core::roster::Roster;
use crate::hub::Kind;
use crate::limits;
use crate::proto::answer::{
    ConversationInfo, ConversationPage, DiscoverPage, HistoryPage, MemberInfo, MemberPage, PresenceList,
    ReaderPage, SyncPage, UserInfo,
};
use crate::proto::command::{self, Conversations, History, MarkRead, Members, Readers, Sync};
use crate::proto::{
    Answer, Code, Command, ConversationId, ConversationKind, Event, Notice, Refusal, Role, Seq, UserId, What,
};
use crate::store::sqlite::Listed;

/// Answers a question.
pub async fn answer(services: &Services, who: &Who, question: Command) -> Result<Answer, Refusal> {
    permit::bots::may_command(who.scopes, &question)?;
    match question {
        Command::MarkRead(mark) => mark_read(services, who, mark).await,
        Command::Typing(typing) => typing_notice(services, who, &typing).await,
        Command::Presence(_) => Ok(Answer::Presence(PresenceList {
            online: services.hub.online_peers(who.user),
        })),
        Command::History(history) => history_page(services, who, &history).await.map(Answer::History),
        Command::Conversations(list) => conversations(services, who, &list)
            .await
            .map(Answer::Conversations),
        Command::Discover(list) => discover(services, &list).await.map(Answer::Discover),
        Command::Members(list) => members(services, who, &list).await.map(Answer::Members),
        Command::Readers(list) => readers(services, who, &list).await.map(Answer::Readers),
        Command::Sync(sync) => sync_page(services, who, &sync).await.map(Answer::Sync),
        Command::Set(set) => settings::set(services, who, set).await.map(Answer::Set),
        Command::Settings(list) => settings::settings(services, who, &list)
            .await
            .map(Answer::Settings),
        Command::Saved(list) => settings::saved(services, who, &list).await.map(Answer::Saved),
        Command::Users(list) => settings::users(services, list).await.map(Answer::Users),
        Command::Search(ask) => super::search::search(services, who, &ask)
            .await
            .map(Answer::Search),
        Command::Events(ask) => talk::events(services, who, ask).await.map(Answer::Events),
        Command::Edits(ask) => talk::edits(services, who, ask).await.map(Answer::Edits),
        Command::Follow(ask) => talk::follow(services, who, ask).await,
        Command::Thread(ask) => talk::thread(services, who, ask).await.map(Answer::Thread),
        Command::Threads(ask) => talk::threads(services, who, ask).await.map(Answer::Threads),
        Command::Pins(ask) => board::pins(services, who, ask).await.map(Answer::Pins),
        Command::Requests(ask) => board::requests(services, who, ask).await.map(Answer::Requests),
        Command::Links(ask) => board::links(services, who, ask).await.map(Answer::Links),
        Command::Hello(_) => Err(Refusal::because(
            Code::BadRequest,
            "This connection is signed in already.",
        )),
        _ => Err(Code::UnknownType.into()),
    }
}

/// The people of a conversation that the asker is in; to anyone else it does not exist.
pub async fn readable(
    services: &Services,
    who: &Who,
    conversation: ConversationId,
) -> Result<Arc<Roster>, Refusal> {
    let roster = match services.hub.roster(conversation) {
        Some(roster) => roster,
        None => services.store.roster(conversation).await?.ok_or(Code::NotFound)?,
    };
    permit::may_read(&roster, who.user)?;
    Ok(roster)
}

pub fn bound(asked: Option<u32>, usual: usize, most: usize) -> Result<usize, Refusal> {
    match asked.map(|asked| asked as usize) {
        None => Ok(usual),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(Refusal::because(
            Code::BadRequest,
            format!("`limit` is 1 to {most}."),
        )),
    }
}

async fn mark_read(services: &Services, who: &Who, mark: MarkRead) -> Result<Answer, Refusal> {
    if let Some(root) = mark.thread {
        return talk::mark_thread(services, who, &mark, root).await;
    }
    let roster = readable(services, who, mark.conversation).await?;
    let last = services.store.standing(mark.conversation).await?.last_seq;
    permit::may_mark(&roster, who.user, mark.seq, last)?;
    if services
        .store
        .mark_read(who.user, mark.conversation, mark.seq)
        .await?
    {
        let kind = if roster.read_lists {
            Kind::Read
        } else {
            Kind::OwnRead
        };
        let notice = Notice::Read {
            conversation: mark.conversation,
            user: who.user,
            seq: mark.seq,
        };
        services.hub.tell(&[mark.conversation], who.user, kind, &notice);
    }
    Ok(Answer::Ok {})
}

async fn typing_notice(services: &Services, who: &Who, typing: &command::Typing) -> Result<Answer, Refusal> {
    let conversation = typing.conversation;
    readable(services, who, conversation).await?;
    let notice = Notice::Typing {
        conversation,
        user: who.user,
        on: typing.on,
    };
    services
        .hub
        .tell(&[conversation], who.user, Kind::Typing, &notice);
    Ok(Answer::Ok {})
}

/// A page of history with what was later said about its messages.
pub async fn history_page(services: &Services, who: &Who, ask: &History) -> Result<HistoryPage, Refusal> {
    let limit = bound(ask.limit, 50, limits::PAGE_EVENTS)?;
    let span = talk::span(ask.after, ask.before)?;
    let conversation = ask.conversation;
    let roster = readable(services, who, conversation).await?;
    let hidden = services.store.discretion().hidden().of(who.user, conversation);
    let whole = audience::visible(&roster, who.user);
    let visible = whole.clone().without(&hidden);
    // Where the conversation stands is asked before the page is read: what is said in between is asked for once more, instead
    // of never.
    let standing = services.store.standing(conversation).await?;
    let page = services
        .store
        .page(conversation, span, visible.ranges().to_vec(), limit)
        .await?;
    let newest = page.events.last().map_or(0, |(_, event)| event.seq);
    let mut events: Vec<_> = page.events.into_iter().map(|(_, event)| event).collect();
    let messages = events
        .iter()
        .filter(|event| matches!(event.what, What::Message { .. }))
        .map(|event| event.seq);
    let targets: Vec<Seq> = messages.collect();
    let threads = talk::summaries(services, conversation, &targets).await?;
    let mut annotations = Vec::new();
    if let (false, Some(end)) = (targets.is_empty(), events.last().map(|event| event.seq)) {
        annotations = services
            .store
            .annotations(conversation, targets, end, visible.ranges().to_vec())
            .await?;
    }
    // The asker may have been removed while the store was read.
    let roster = readable(services, who, conversation).await?;
    let shown =
        |event: &Event| audience::may_see(&roster, who.user, event.seq) && audience::is_shown(event, &hidden);
    events.retain(shown);
    annotations.retain(shown);
    let last_seq = whole.newest(standing.last_seq.max(newest));
    Ok(HistoryPage {
        conversation,
        events,
        annotations,
        threads,
        more: page.more,
        last_seq,
    })
}

/// Unread mentions of the conversations that have any.
type Mentions = HashMap<ConversationId, u64>;

/// A listed conversation as its reader sees it; nothing when the reader is not in it any more.
fn info(services: &Services, listed: &Listed, user: UserId, mentions: &Mentions) -> Option<ConversationInfo> {
    let roster = &listed.roster;
    let member = roster.member(user)?;
    Some(ConversationInfo {
        conversation: roster.conversation,
        kind: roster.kind,
        title: roster.title.to_string(),
        peer: roster.peer(user),
        role: member.role,
        members: roster.members().len() as u64,
        join: roster.join,
        history: roster.history,
        mute_all: roster.mute_all,
        all_mentions: roster.kind != ConversationKind::Direct && roster.lets_mention_all(),
        members_pin: roster.members_pin,
        read_lists: roster.read_lists,
        announcement: roster.announcement.as_deref().map(str::to_owned),
        requests: match member.role {
            Role::Member => 0,
            Role::Admin | Role::Owner => roster.requests.len() as u64,
        },
        retention_days: retention::shorter(roster.retention_days, services.limits.retention_days),
        last_seq: audience::visible(roster, user).newest(listed.standing.last_seq),
        read_seq: listed.marker.0,
        unread: listed.standing.last_count.saturating_sub(listed.marker.1),
        unread_mentions: mentions.get(&roster.conversation).copied().unwrap_or(0),
    })
}

async fn conversations(
    services: &Services,
    who: &Who,
    ask: &Conversations,
) -> Result<ConversationPage, Refusal> {
    let limit = bound(ask.limit, 100, limits::LIST_ROWS)?;
    let mut ids = services.store.conversations_of(who.user).await?;
    ids.retain(|id| ask.after.is_none_or(|after| *id > after));
    let more = ids.len() > limit;
    ids.truncate(limit);
    let listed = services.store.list(who.user, ids).await?;
    let mentions = talk::unread_mentions(services, who.user, &listed).await?;
    let conversations = listed
        .iter()
        .filter_map(|listed| info(services, listed, who.user, &mentions))
        .collect();
    Ok(ConversationPage { conversations, more })
}

async fn discover(services: &Services, ask: &Conversations) -> Result<DiscoverPage, Refusal> {
    let limit = bound(ask.limit, 100, limits::LIST_ROWS)?;
    let mut conversations = services.store.discover(ask.after, limit + 1).await?;
    let more = conversations.len() > limit;
    conversations.truncate(limit);
    Ok(DiscoverPage { conversations, more })
}

async fn members(services: &Services, who: &Who, ask: &Members) -> Result<MemberPage, Refusal> {
    let limit = bound(ask.limit, 100, limits::LIST_ROWS)?;
    let roster = readable(services, who, ask.conversation).await?;
    let later = roster
        .members()
        .filter(|member| ask.after.is_none_or(|after| member.user > after));
    let mut page: Vec<_> = later.take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let infos = services
        .store
        .user_infos(page.iter().map(|member| member.user).collect())
        .await?;
    let users = page.iter().map(|member| member.user).collect();
    let mut nicknames = services.store.nicknames(ask.conversation, users).await?;
    let now = services.store.clock().now();
    let members = page.iter().map(|member| {
        let info = infos.iter().find(|info| info.user == member.user);
        MemberInfo {
            user: member.user,
            name: info.map(|info| info.name.clone()).unwrap_or_default(),
            display_name: info.map(|info| info.display_name.clone()).unwrap_or_default(),
            nickname: nicknames.remove(&member.user),
            role: member.role,
            muted: roster
                .mute(member.user)
                .is_some_and(|mute| permit::is_muted(mute, now)),
            bot: info.is_some_and(|info| info.bot),
        }
    });
    let manages = roster
        .member(who.user)
        .is_some_and(|member| member.role >= Role::Admin)
        && ask.after.is_none();
    let (requests, banned) = if manages {
        (roster.requests.clone(), roster.banned.clone())
    } else {
        (Vec::new(), Vec::new())
    };
    Ok(MemberPage {
        members: members.collect(),
        requests,
        banned,
        more,
    })
}

async fn readers(services: &Services, who: &Who, ask: &Readers) -> Result<ReaderPage, Refusal> {
    let limit = bound(ask.limit, 100, limits::LIST_ROWS)?;
    let roster = readable(services, who, ask.conversation).await?;
    permit::may_see_readers(&roster, who.user)?;
    if ask.unread && roster.members().len() > limits::NOTICE_MEMBERS {
        return Err(Code::LimitReached.into());
    }
    let (discretion, of, me) = (
        Arc::clone(services.store.discretion()),
        Arc::clone(&roster),
        who.user,
    );
    let may_see = move |reader| discretion.may_hear(&of, reader, me) && discretion.may_see_reads(reader, me);
    let (mut readers, count) = services
        .store
        .readers(roster, (ask.seq, ask.unread), ask.after, limit, may_see)
        .await?;
    let more = readers.len() > limit;
    readers.truncate(limit);
    Ok(ReaderPage { readers, more, count })
}

/// Of users whose profile changed, those of whom somebody is told: a bot only of those it meets.
async fn told_of(
    services: &Services,
    who: &Who,
    mut users: Vec<(u64, UserInfo)>,
) -> Result<Vec<(u64, UserInfo)>, Refusal> {
    if who.scopes.is_bot() {
        let ids = users.iter().map(|(_, info)| info.user).collect();
        let met = services.store.acquaintances(who.user, ids).await?;
        users.retain(|(_, info)| {
            let share = met.contains(&info.user);
            permit::bots::may_look_up(who.scopes, who.user, info.user, share).is_ok()
        });
    }
    Ok(users)
}

/// What changed since a token, oldest change first, so that a page's end is a position to go on from.
pub async fn sync_page(services: &Services, who: &Who, ask: &Sync) -> Result<SyncPage, Refusal> {
    let limit = bound(ask.limit, 100, limits::LIST_ROWS)?;
    let head = services.store.head();
    let from = match &ask.after {
        None => Position {
            epoch: head.epoch,
            log: 0,
            accounts: 0,
        },
        Some(token) => Position::from_token(token)
            .filter(|place| {
                place.epoch == head.epoch && place.log <= head.log && place.accounts <= head.accounts
            })
            .ok_or(Code::Resync)?,
    };
    let mut changed = services.store.changed(who.user, from.log).await?;
    let more_conversations = changed.conversations.len() > limit;
    changed.conversations.truncate(limit);
    let reached = match changed.conversations.last() {
        Some((_, pos)) if more_conversations => *pos,
        _ => head.log,
    };
    changed.gone.retain(|(_, pos)| *pos <= reached);
    let users = services.store.users_changed_since(from.accounts, limit).await?;
    let more_users = users.len() == limit;
    let missed = settings::missed(services, who, from.accounts, limit).await?;
    let follows = services
        .store
        .follows_since(who.user, from.accounts, limit)
        .await?;
    let more_follows = follows.len() == limit;
    // All are told up to the same change: those of which more is to come say how far.
    let reached_users = users.last().map(|(change, _)| *change).filter(|_| more_users);
    let reached_settings = missed
        .settings
        .last()
        .map(|kept| kept.change)
        .filter(|_| missed.more);
    let reached_follows = follows.last().map(|(change, _)| *change).filter(|_| more_follows);
    let accounts = [reached_users, reached_settings, reached_follows]
        .into_iter()
        .flatten()
        .min();
    let upto = accounts.unwrap_or(u64::MAX);
    let users = told_of(services, who, users).await?;
    let ids = changed.conversations.iter().map(|(id, _)| *id).collect();
    let listed = services.store.list(who.user, ids).await?;
    let mentions = talk::unread_mentions(services, who.user, &listed).await?;
    Ok(SyncPage {
        conversations: listed
            .iter()
            .filter_map(|listed| info(services, listed, who.user, &mentions))
            .collect(),
        gone: changed.gone.into_iter().map(|(id, _)| id).collect(),
        users: users
            .into_iter()
            .filter(|(change, _)| *change <= upto)
            .map(|(_, info)| info)
            .collect(),
        settings: missed
            .settings
            .into_iter()
            .filter(|kept| kept.change <= upto)
            .collect(),
        threads: follows
            .into_iter()
            .filter(|(change, _)| *change <= upto)
            .map(|(_, followed)| followed)
            .collect(),
        settings_stale: missed.stale,
        more: more_conversations || more_users || missed.more || more_follows,
        resume: Position {
            epoch: head.epoch,
            log: reached,
            accounts: accounts.unwrap_or(head.accounts),
        }
        .to_token(),
    })
}
