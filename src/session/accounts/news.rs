//! What a person hears about their account. What must not live here: when something is news; the store says so in the
//! transaction of what happened.

use super::{Accounts, Caller, Outcome, rows};
use crate::limits;
use crate::proto::account::PageOf;
use crate::proto::people::NewsPage;

impl Accounts {
    /// The caller's news after a number, ascending.
    ///
    /// # Errors
    /// `bad_request` for a limit out of range.
    pub async fn news(&self, caller: &Caller, page: &PageOf) -> Outcome<NewsPage> {
        let limit = rows(page.limit, limits::NEWS_PER_USER)?;
        self.store.news(caller.user, page.after.unwrap_or(0), limit).await
    }
}
