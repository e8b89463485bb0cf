//! What an archive holds of a person beside conversations and files: settings, saved messages, sign-ins, news, threads,
//! subscriptions. What must not live here: how a file is put into the archive.

use super::{Export, Outcome};
use crate::limits;
use crate::proto::account::PageOf;
use crate::proto::command::Settings;
use crate::proto::privacy::{ExportPush, ExportSubscription};
use crate::proto::talk::Threads;
use crate::proto::{Answer, Code, Command};
use crate::session::settings;

/// A page's number in the name of its file, counted from one.
fn numbered(name: &str, number: u32) -> String {
    format!("{name}-{number:06}.json")
}

impl Export {
    pub(super) async fn sign_ins(&self) -> Outcome<()> {
        let list = self.services.accounts.sign_ins(&self.caller).await?;
        self.file("sign-ins.json", &list).await
    }

    pub(super) async fn news(&self) -> Outcome<()> {
        // One page has all that is kept.
        let page = PageOf::default();
        let news = self.services.accounts.news(&self.caller, &page).await?;
        self.file("news.json", &news).await
    }

    pub(super) async fn push(&self) -> Outcome<()> {
        let kept = self.services.store.pushes_of(self.caller.user).await?;
        let subscriptions = kept.into_iter().map(|(device, subscription)| ExportSubscription {
            device,
            host: host(&subscription.endpoint),
            text: subscription.text,
            created: subscription.created,
        });
        let push = ExportPush {
            subscriptions: subscriptions.collect(),
        };
        self.file("push.json", &push).await
    }

    /// All settings, each once: what one is notified of, quiet hours, drafts, blocks, what is saved, hidden, pinned, put away.
    pub(super) async fn settings(&self) -> Outcome<()> {
        let (mut after, mut number) = (None, 0);
        loop {
            self.still_in().await?;
            let ask = Settings { after, limit: None };
            let page = settings::settings(&self.services, &self.who, &ask).await?;
            after = page.settings.last().map(|kept| kept.change);
            number += 1;
            self.file(&numbered("settings", number), &page).await?;
            if !page.more {
                return Ok(());
            }
        }
    }

    /// The saved messages themselves.
    pub(super) async fn saved(&self) -> Outcome<()> {
        let (mut after, mut number) = (None, 0);
        loop {
            self.still_in().await?;
            let ask = Settings { after, limit: None };
            let page = settings::saved(&self.services, &self.who, &ask).await?;
            after = page.last;
            number += 1;
            self.file(&numbered("saved", number), &page).await?;
            if !page.more {
                return Ok(());
            }
        }
    }

    /// The threads that one follows.
    pub(super) async fn threads(&self) -> Outcome<()> {
        let (mut before, mut number): (Option<String>, u32) = (None, 0);
        loop {
            let ask = Threads {
                conversation: None,
                before: before.take(),
                limit: u32::try_from(limits::LIST_ROWS).ok(),
            };
            let Answer::Threads(page) = self.ask(Command::Threads(ask)).await? else {
                return Err(Code::Internal.into());
            };
            number += 1;
            self.file(&numbered("threads", number), &page).await?;
            if page.next.is_none() {
                return Ok(());
            }
            before = page.next;
        }
    }
}

/// Which service it is: the rest of an endpoint is as good as a key.
fn host(endpoint: &str) -> String {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_endpoint_only_the_host_is_told() {
        for endpoint in [
            "https://push.example/secret",
            "https://u:p@push.example?secret",
            "push.example/secret",
        ] {
            assert_eq!(host(endpoint), "push.example", "{endpoint}");
        }
    }
}
