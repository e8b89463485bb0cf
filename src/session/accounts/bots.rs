//! Bots, as admins handle them: made, listed, given new tokens. They are removed like any other user. What must not live
//! here: what a bot may do, and rows.
//!
//! Invariant: a token is told in the answer to the request that made it, and to a repeat of that very request.

use super::token::Token;
use super::{Accounts, Caller, Outcome, check_client_id, display_name_or, user_name};
use crate::core::permit::bots::{self, Errand, Scopes};
use crate::proto::bots::{BotList, BotScope, BotToken, NewBot, NewBotToken};
use crate::proto::{ClientId, Code, Refusal, UserId};
use crate::store::sqlite::accounts::{By, Equipped, NewBotRow, TokenRow};

const USUAL: &[BotScope] = &[BotScope::Read, BotScope::Write];

impl Accounts {
    /// Makes a bot and its token.
    ///
    /// # Errors
    /// `forbidden` for members, `name_invalid`, `name_taken`, `limit_reached`, `id_reused`, `link_invalid` for a repeat
    /// whose token has ended.
    pub async fn make_bot(&self, caller: &Caller, new: NewBot) -> Outcome<BotToken> {
        check_client_id(new.client_id)?;
        let name = user_name(&new.name)?;
        let bot = NewBotRow {
            name: name.as_str().into(),
            skeleton: name.skeleton(),
            display_name: display_name_or(&new.display_name, name.as_str())?,
            scopes: scopes(new.scopes.as_deref().unwrap_or(USUAL))?,
        };
        let number = bot.scopes.number().to_string();
        let asked = [&*bot.name, &*bot.display_name, &*number];
        let (token, row) = self.bot_token(caller, new.client_id, &asked);
        let made = self.store.make_bot(by(caller), bot, row).await?;
        Ok(told(made, &token))
    }

    /// Gives a bot a new token; whoever is connected with the one before is cut off.
    ///
    /// # Errors
    /// `forbidden` for members and while the bot is disabled, `not_found`, `banned`, `id_reused`, `link_invalid` for a
    /// repeat whose token has ended.
    pub async fn renew_bot_token(&self, caller: &Caller, bot: UserId, ask: NewBotToken) -> Outcome<BotToken> {
        check_client_id(ask.client_id)?;
        let wanted = ask.scopes.as_deref().map(scopes).transpose()?;
        let number = wanted.map_or(String::new(), |scopes| scopes.number().to_string());
        let (token, row) = self.bot_token(caller, ask.client_id, &[&bot.to_string(), &number]);
        let made = self.store.renew_bot_token(by(caller), bot, wanted, row).await?;
        Ok(told(made, &token))
    }

    /// The bots that are here.
    ///
    /// # Errors
    /// `forbidden` for members.
    pub async fn bots(&self, caller: &Caller) -> Outcome<BotList> {
        let bots = self.store.bots(by(caller)).await?;
        Ok(BotList { bots })
    }

    /// Whether a caller may be told of a user: a bot is told of those it meets.
    pub(super) async fn may_look_up(&self, caller: &Caller, user: UserId) -> Outcome<()> {
        if !caller.scopes.is_bot() {
            return Ok(());
        }
        let met = self.store.acquaintances(caller.user, vec![user]).await?;
        bots::may_look_up(caller.scopes, caller.user, user, !met.is_empty())
    }

    fn bot_token(&self, caller: &Caller, client: ClientId, asked: &[&str]) -> (Token, TokenRow) {
        let token = Token::derive(&self.links, caller.device_no, client.0.as_bytes());
        let row = TokenRow {
            client,
            digest: *blake3::hash(asked.join("\n").as_bytes()).as_bytes(),
            token: *token.hash().as_bytes(),
        };
        (token, row)
    }
}

/// Whether a caller may run an errand: anybody but a bot may.
///
/// # Errors
/// `forbidden`.
pub fn may_run(caller: &Caller, errand: Errand) -> Outcome<()> {
    bots::may_run(caller.scopes, errand)
}

fn by(caller: &Caller) -> By {
    By::User(caller.user, caller.device_no)
}

/// A token that is good for nothing is none.
fn scopes(asked: &[BotScope]) -> Outcome<Scopes> {
    if asked.is_empty() {
        let sentence = "A bot has at least one scope: `read`, `write`, `manage`.";
        return Err(Refusal::because(Code::BadRequest, sentence));
    }
    Ok(Scopes::of(asked))
}

fn told(made: Equipped, token: &Token) -> BotToken {
    BotToken {
        bot: made.bot,
        device: made.device,
        scopes: made.scopes.list(),
        token: token.text(),
    }
}
