//! Questions about what a conversation shows beside its messages: pins, links, requests to join. What must not live here:
//! changes, which are events like all others.

use super::answer::{bound, readable};
use super::talk::{ranges, still_visible};
use super::{Services, Who};
use crate::core::{audience, permit};
use crate::limits;
use crate::proto::board::{Board, LinkPage, PinPage, RequestList, Requests};
use crate::proto::{Refusal, Seq};

pub async fn pins(services: &Services, who: &Who, ask: Board) -> Result<PinPage, Refusal> {
    let limit = bound(ask.limit, 50, limits::PAGE_EVENTS)?;
    let conversation = ask.conversation;
    let roster = readable(services, who, conversation).await?;
    let (mut pins, told, next) = services
        .store
        .pins(
            conversation,
            (ask.before.unwrap_or(Seq::MAX), limit),
            ranges(&roster, who.user),
        )
        .await?;
    let told = still_visible(services, who, conversation, told).await?;
    pins.retain(|pin| audience::may_see(&roster, who.user, pin.target));
    Ok(PinPage {
        conversation,
        pins,
        events: told.events,
        edits: told.edits,
        next,
    })
}

pub async fn links(services: &Services, who: &Who, ask: Board) -> Result<LinkPage, Refusal> {
    let limit = bound(ask.limit, 50, limits::PAGE_EVENTS)?;
    let conversation = ask.conversation;
    let roster = readable(services, who, conversation).await?;
    let (told, next) = services
        .store
        .links(
            conversation,
            (ask.before.unwrap_or(Seq::MAX), limit),
            ranges(&roster, who.user),
        )
        .await?;
    let told = still_visible(services, who, conversation, told).await?;
    Ok(LinkPage {
        conversation,
        events: told.events,
        edits: told.edits,
        next,
    })
}

pub async fn requests(services: &Services, who: &Who, ask: Requests) -> Result<RequestList, Refusal> {
    let roster = readable(services, who, ask.conversation).await?;
    permit::may_see_requests(&roster, who.user)?;
    let mut infos = services.store.user_infos(roster.requests.clone()).await?;
    let place = |user| roster.requests.iter().position(|asked| *asked == user);
    infos.sort_by_key(|info| place(info.user));
    Ok(RequestList {
        conversation: ask.conversation,
        requests: infos,
    })
}
