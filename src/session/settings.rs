//! One's own settings: keeping, listing, what of them a device has missed, and what follows from them for reading.
//! What must not live here: what a setting may hold, or who may keep it.

use super::{Services, Who};
use crate::core::audience;
use crate::core::permit;
use crate::limits;
use crate::proto::account::UserList;
use crate::proto::command::{Set, Settings, Users};
use crate::proto::setting::{Kept, Key, SavedMessage, SavedPage, SetDone, Setting, SettingPage};
use crate::proto::{Code, ConversationId, Event, Notice, Refusal, Seq, What};
use crate::store::Span;
use crate::store::sqlite::personal::ChangedSettings;

/// Keeps a setting. It needs no client id: the newest state wins, and a repeat is the state that is there already.
pub async fn set(services: &Services, who: &Who, ask: Set) -> Result<SetDone, Refusal> {
    let sees = match &ask.setting {
        Setting::Saved {
            conversation,
            seq,
            value: true,
        }
        | Setting::Hidden {
            conversation,
            seq,
            value: true,
        } => sees(services, who, *conversation, *seq).await?,
        _ => false,
    };
    let change = services.store.set(who.user, ask.setting, sees).await?;
    Ok(SetDone { change })
}

/// Whether there is an event of that seq that one may see.
async fn sees(
    services: &Services,
    who: &Who,
    conversation: ConversationId,
    seq: Seq,
) -> Result<bool, Refusal> {
    let Some(roster) = services.store.roster(conversation).await? else {
        return Ok(false);
    };
    let last = services.store.standing(conversation).await?.last_seq;
    let exists = (1..=last).contains(&seq) && audience::may_see(&roster, who.user, seq);
    Ok(exists && permit::may_read(&roster, who.user).is_ok())
}

/// A page of what is set.
pub async fn settings(services: &Services, who: &Who, ask: &Settings) -> Result<SettingPage, Refusal> {
    let (mut settings, more) = page(services, who, None, ask).await?;
    settings.shrink_to_fit();
    Ok(SettingPage { settings, more })
}

async fn page(
    services: &Services,
    who: &Who,
    key: Option<Key>,
    ask: &Settings,
) -> Result<(Vec<Kept>, bool), Refusal> {
    let limit = super::answer::bound(ask.limit, 100, limits::LIST_ROWS)?;
    let after = ask.after.unwrap_or(0);
    if after >= 1 << 53 {
        return Err(Refusal::because(
            Code::BadRequest,
            "`after` is the `change` that the page before ended with.",
        ));
    }
    let mut settings = services.store.settings(who.user, key, after, limit + 1).await?;
    let more = settings.len() > limit;
    settings.truncate(limit);
    Ok((settings, more))
}

/// A page of the saved messages that one may see today.
pub async fn saved(services: &Services, who: &Who, ask: &Settings) -> Result<SavedPage, Refusal> {
    let (kept, mut more) = page(services, who, Some(Key::Saved), ask).await?;
    let mut page = SavedPage {
        saved: Vec::new(),
        more: false,
        last: None,
    };
    let mut bytes = 0;
    for Kept { change, setting } in kept {
        let Setting::Saved {
            conversation, seq, ..
        } = setting
        else {
            continue;
        };
        if let Some(event) = saved_event(services, who, conversation, seq).await? {
            bytes += weight(&event);
            if bytes > limits::PAGE_BYTES && !page.saved.is_empty() {
                more = true;
                break;
            }
            page.saved.push(SavedMessage { change, event });
        }
        page.last = Some(change);
    }
    page.more = more;
    Ok(page)
}

/// Roughly what an event takes in a page.
fn weight(event: &Event) -> usize {
    let body = match &event.what {
        What::Message { body: Some(body), .. } => body.len(),
        _ => 0,
    };
    body + 256
}

async fn saved_event(
    services: &Services,
    who: &Who,
    conversation: ConversationId,
    seq: Seq,
) -> Result<Option<Event>, Refusal> {
    let Some(roster) = services.store.roster(conversation).await? else {
        return Ok(None);
    };
    let hidden = services.store.discretion().hidden().of(who.user, conversation);
    let visible = audience::visible(&roster, who.user).without(&hidden);
    if permit::may_read(&roster, who.user).is_err() || !visible.contains(seq) {
        return Ok(None);
    }
    let page = services
        .store
        .page(conversation, Span::After(seq - 1), vec![(seq, seq)], 1)
        .await?;
    Ok(page.events.into_iter().next().map(|(_, event)| event))
}

/// What of one's settings changed since an account change, as `sync` tells it.
pub struct Missed {
    pub settings: Vec<Kept>,
    /// The token is from before what is known of cleared ones.
    pub stale: bool,
    pub more: bool,
}

pub async fn missed(services: &Services, who: &Who, after: u64, limit: usize) -> Result<Missed, Refusal> {
    let ChangedSettings { settings, floor } = services.store.settings_since(who.user, after, limit).await?;
    Ok(Missed {
        more: settings.len() == limit,
        stale: after > 0 && after < floor,
        settings,
    })
}

/// The notices that a connection is owed since its bell was rung, and whether there are more.
pub async fn notices(
    services: &Services,
    who: &Who,
    from: u64,
) -> Result<(Vec<Notice>, Option<u64>), Refusal> {
    let limit = limits::PAGE_EVENTS;
    let changed = services
        .store
        .settings_since(who.user, from.saturating_sub(1).max(1), limit)
        .await?;
    let last = changed.settings.last().map(|kept| kept.change);
    let next = last
        .filter(|_| changed.settings.len() == limit)
        .map(|last| last + 1);
    Ok((changed.settings.into_iter().map(Notice::Setting).collect(), next))
}

/// The people of this server, by name.
pub async fn users(services: &Services, ask: Users) -> Result<UserList, Refusal> {
    let limit = super::answer::bound(ask.limit, 100, limits::LIST_ROWS)?;
    if ask
        .find
        .as_deref()
        .is_some_and(|find| find.len() > limits::TITLE_BYTES)
    {
        let sentence = format!("`find` has at most {} bytes.", limits::TITLE_BYTES);
        return Err(Refusal::because(Code::BadRequest, sentence));
    }
    services.store.users(ask.find, ask.after, limit, false).await
}
