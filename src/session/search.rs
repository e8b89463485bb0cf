//! A search: what is asked is checked here, what was found is checked once more. What must not live here: how it is found.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::answer::{bound, readable};
use super::{Services, Who};
use crate::core::audience;
use crate::core::cursor::SearchCursor;
use crate::core::text;
use crate::limits;
use crate::proto::search::{Found, Search, SearchPage};
use crate::proto::{Code, Refusal};
use crate::store::Pos;
use crate::store::sqlite::{Hit, Wanted};

/// Hits of a page when the asker says no number.
const USUAL: usize = 20;

fn bad(sentence: impl Into<String>) -> Refusal {
    Refusal::because(Code::BadRequest, sentence)
}

fn words(query: &str) -> Result<Vec<String>, Refusal> {
    if query.len() > limits::SEARCH_QUERY_BYTES {
        let most = limits::SEARCH_QUERY_BYTES;
        return Err(bad(format!("A `query` has at most {most} bytes.")));
    }
    let words = text::words(query);
    if words.is_empty() {
        return Err(bad("A `query` has at least one character that can be seen."));
    }
    Ok(words)
}

/// Everything, or what the page before has left.
fn place(cursor: Option<&str>, epoch: u64) -> Result<Pos, Refusal> {
    let Some(token) = cursor else {
        return Ok(i64::MAX as u64);
    };
    let cursor = SearchCursor::from_token(token, epoch);
    cursor
        .map(|cursor| cursor.before)
        .ok_or_else(|| bad("This `cursor` is none of this server's; begin the search anew."))
}

/// Messages in which the words stand, newest first.
pub async fn search(services: &Services, who: &Who, ask: &Search) -> Result<SearchPage, Refusal> {
    let epoch = services.store.head().epoch;
    let (words, limit) = (words(&ask.query)?, bound(ask.limit, USUAL, limits::SEARCH_HITS)?);
    let place = place(ask.cursor.as_deref(), epoch)?;
    let conversations = match ask.conversation {
        Some(conversation) => {
            readable(services, who, conversation).await?;
            vec![conversation]
        }
        None => services.store.conversations_of(who.user).await?,
    };
    if conversations.is_empty() {
        return Ok(SearchPage {
            found: Vec::new(),
            more: false,
            cursor: None,
            partial: false,
        });
    }
    let wanted = Wanted {
        user: who.user,
        words,
        conversations,
        by: ask.by,
        kind: ask.kind,
        after: ask.after,
        before: ask.before,
        place,
        limit,
    };
    let hits = services.store.search(wanted).await?;
    let found = still_seen(services, who, hits.hits).await;
    let cursor = hits.next.map(|before| SearchCursor { epoch, before }.to_token());
    Ok(SearchPage {
        found,
        more: cursor.is_some(),
        cursor,
        partial: hits.partial,
    })
}

/// The asker may have been removed while the store was read, and has perhaps deleted a message for themselves.
async fn still_seen(services: &Services, who: &Who, hits: Vec<Hit>) -> Vec<Found> {
    let mut rosters = HashMap::new();
    let mut found = Vec::with_capacity(hits.len());
    for hit in hits {
        let conversation = hit.conversation;
        if let Entry::Vacant(unknown) = rosters.entry(conversation) {
            let roster = readable(services, who, conversation).await.ok();
            unknown.insert(roster);
        }
        let may_see = |seq| {
            let known = rosters.get(&conversation).and_then(Option::as_ref);
            let hidden = services.store.discretion().hidden();
            known.is_some_and(|roster| {
                audience::may_see(roster, who.user, seq) && !hidden.hides(who.user, conversation, seq)
            })
        };
        if may_see(hit.seq) && hit.edit.is_none_or(may_see) {
            found.push(told(hit));
        }
    }
    found
}

fn told(hit: Hit) -> Found {
    Found {
        conversation: hit.conversation,
        seq: hit.seq,
        ts: hit.ts,
        unsynchronised: hit.unsynchronised,
        by: hit.by,
        kind: hit.kind,
        edit: hit.edit,
        snippet: hit.snippet.text,
        matches: hit.snippet.marks,
    }
}
