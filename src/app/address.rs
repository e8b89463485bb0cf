//! The one address people are told: the setting's, else the one fixed at the first run, else a guess that the claim or the
//! first invitation fixes. What must not live here: how the guess is made (`settings`), or links (`session::accounts`).

use serde::Serialize;

use super::config::Config;
use super::failure::Outcome;
use crate::store::Store;

/// Where the address in force comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// `listen.canonical_url`.
    Setting,
    /// Fixed at the first run, or by a setting that is gone.
    Stored,
    /// Nobody was told any address yet.
    Guess,
}

/// The address in force, beside those it may differ from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Address {
    pub url: String,
    pub origin: Origin,
    /// What people were told so far.
    pub stored: Option<String>,
    /// What the listening address suggests.
    pub here: String,
}

impl Address {
    #[must_use]
    pub fn decide(config: &Config, stored: Option<String>, here: String) -> Address {
        let configured = config.listen.canonical_url.trim_end_matches('/');
        let (url, origin) = match &stored {
            _ if !configured.is_empty() => (configured.to_owned(), Origin::Setting),
            Some(stored) => (stored.clone(), Origin::Stored),
            None => (here.clone(), Origin::Guess),
        };
        Address {
            url,
            origin,
            stored,
            here,
        }
    }

    /// Where the server is reached now: what was fixed long ago may lead elsewhere.
    #[must_use]
    pub fn reached(&self) -> &str {
        match self.origin {
            Origin::Setting => &self.url,
            Origin::Stored | Origin::Guess => &self.here,
        }
    }

    /// What the operator must hear, if anything.
    #[must_use]
    pub fn news(&self) -> Option<String> {
        let (url, here) = (&self.url, &self.here);
        match (self.origin, &self.stored) {
            (Origin::Setting, Some(old)) if old != url => Some(format!(
                "listen.canonical_url changes this server's address from {old} to {url}: apps installed from {old} lose \
                 their cache, and links sent so far lead there. Keep {old} reachable until everybody has moved; to go \
                 back, set listen.canonical_url = \"{old}\""
            )),
            (Origin::Stored, _) if here != url => Some(format!(
                "invitations go on saying {url}, the address that people were told, though the listening address makes it \
                 {here} now: if people no longer reach {url}, set listen.canonical_url to what they reach"
            )),
            _ => None,
        }
    }

    /// The settings with the address in force, for all that is named after it.
    #[must_use]
    pub fn put_into(&self, mut config: Config) -> Config {
        if self.origin != Origin::Guess {
            config.listen.canonical_url.clone_from(&self.url);
        }
        config
    }
}

/// Decides on the address, and notes a setting's so that later starts go by it.
pub async fn settle(store: &Store, config: &Config, here: String) -> Outcome<Address> {
    let address = Address::decide(config, store.address().await?, here);
    if address.origin == Origin::Setting
        && address.stored.as_ref() != Some(&address.url)
        && let Err(refusal) = store.fix_address(address.url.clone(), true).await
    {
        // The setting holds all the same; the next start tries again.
        log::warn!("cannot note the address in the database: {refusal}");
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(setting: &str, stored: Option<&str>, here: &str) -> Address {
        let mut config = Config::default();
        config.listen.canonical_url = setting.into();
        Address::decide(&config, stored.map(str::to_owned), here.into())
    }

    #[test]
    fn the_setting_wins_then_what_people_know() {
        let guess = decide("", None, "http://a");
        assert_eq!((guess.url.as_str(), guess.origin), ("http://a", Origin::Guess));
        assert_eq!(guess.news(), None);
        let same = decide("", Some("http://a"), "http://a");
        assert_eq!((same.origin, same.news()), (Origin::Stored, None));
        let moved = decide("", Some("http://a"), "http://b");
        assert_eq!((moved.url.as_str(), moved.reached()), ("http://a", "http://b"));
        assert!(
            moved
                .news()
                .is_some_and(|news| news.contains("set listen.canonical_url"))
        );
        let first = decide("https://c/", None, "http://b");
        assert_eq!((first.url.as_str(), first.news()), ("https://c", None));
        let again = decide("https://c/", Some("https://c"), "http://b");
        assert_eq!((again.reached(), again.news()), ("https://c", None));
        let changed = decide("https://c", Some("http://a"), "http://b");
        assert!(
            changed
                .news()
                .is_some_and(|news| news.contains("lose their cache"))
        );
    }
}
