//! Who sends: the server's key pair, and the signed greeting that each push service gets (RFC 8292).
//! What must not live here: where the key is kept.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD as BASE64;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use crate::clock::{Now, monotonic};
use crate::limits;

/// How long a greeting is good; RFC 8292 allows a day.
const GOOD_FOR: Duration = Duration::from_secs(12 * 60 * 60);
/// How long it is used.
const USED_FOR: Duration = Duration::from_secs(11 * 60 * 60);
/// A wall clock that moved by so much makes a new one.
const DRIFT_MS: u64 = 10 * 60 * 1_000;

struct Kept {
    header: String,
    made: Instant,
    at_ms: u64,
}

/// The key pair, whom to write to about it, and the greetings made of them.
pub struct Greeter {
    key: EcdsaKeyPair,
    subject: String,
    kept: Mutex<HashMap<String, Kept>>,
}

/// A new key pair, in the form in which it is kept (PKCS #8).
///
/// # Errors
/// The system gives no chance.
pub fn new_key() -> Result<Vec<u8>, &'static str> {
    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map(|key| key.as_ref().to_vec())
        .map_err(|_| "no key pair could be made")
}

impl Greeter {
    /// # Errors
    /// What is kept is no key pair.
    pub fn new(key: &[u8], subject: &str) -> Result<Greeter, &'static str> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &SystemRandom::new())
            .map_err(|_| "the stored key pair for push is damaged")?;
        Ok(Greeter {
            key,
            subject: subject.to_owned(),
            kept: Mutex::default(),
        })
    }

    /// The public key, as clients subscribe with it.
    #[must_use]
    pub fn public_key(&self) -> String {
        BASE64.encode(self.key.public_key().as_ref())
    }

    /// The `Authorization` header for a push service.
    ///
    /// # Errors
    /// The system gives no chance.
    pub fn header(&self, origin: &str, now: Now) -> Result<String, &'static str> {
        let mut kept = self.kept.lock();
        if let Some(known) = kept.get(origin)
            && known.made.elapsed() < USED_FOR
            && drift(known, now) < DRIFT_MS
        {
            return Ok(known.header.clone());
        }
        if kept.len() >= limits::PUSH_GREETINGS {
            kept.clear();
        }
        let header = self.sign(origin, now)?;
        let fresh = Kept {
            header: header.clone(),
            made: monotonic(),
            at_ms: now.ms,
        };
        kept.insert(origin.to_owned(), fresh);
        Ok(header)
    }

    /// The next one is made anew: this one was refused.
    pub fn forget(&self, origin: &str) {
        self.kept.lock().remove(origin);
    }

    fn sign(&self, origin: &str, now: Now) -> Result<String, &'static str> {
        let head = json!({ "typ": "JWT", "alg": "ES256" });
        let until = now.ms / 1_000 + GOOD_FOR.as_secs();
        let claims = json!({ "aud": origin, "exp": until, "sub": self.subject });
        let part = |value: &serde_json::Value| BASE64.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&head), part(&claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_| "the greeting could not be signed")?;
        Ok(format!(
            "vapid t={signed}.{}, k={}",
            BASE64.encode(signature.as_ref()),
            self.public_key()
        ))
    }
}

/// How far the wall clock is from where it should be since the greeting was made.
fn drift(known: &Kept, now: Now) -> u64 {
    let gone = u64::try_from(known.made.elapsed().as_millis()).unwrap_or(u64::MAX);
    known.at_ms.saturating_add(gone).abs_diff(now.ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now {
            ms,
            synchronised: true,
        }
    }

    #[test]
    fn a_greeting_is_kept_until_the_clock_moves_and_there_are_few_of_them() {
        let greeter = Greeter::new(&new_key().expect("chance"), "mailto:a@example.org").expect("its own key");
        let say = |origin: &str, ms| greeter.header(origin, at(ms)).expect("chance");
        let first = say("https://a.example", 1_764_000_000_000);
        assert_eq!(say("https://a.example", 1_764_000_001_000), first);
        assert_ne!(say("https://b.example", 1_764_000_001_000), first);
        let later = say("https://a.example", 1_764_100_000_000);
        assert_ne!(later, first, "the clock was set");
        greeter.forget("https://a.example");
        assert_ne!(
            say("https://a.example", 1_764_100_000_000),
            later,
            "signatures differ"
        );
        for n in 0..limits::PUSH_GREETINGS * 2 {
            say(&format!("https://{n}.example"), 1_764_100_000_000);
        }
        assert!(greeter.kept.lock().len() <= limits::PUSH_GREETINGS);
    }

    #[test]
    fn what_is_no_key_pair_is_refused() {
        assert!(Greeter::new(b"no key", "mailto:a@example.org").is_err());
    }
}
