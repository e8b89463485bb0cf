//! What a message has beside its words, in front of them in the row's body: it goes when they go. What must not live here:
//! what it means.
//!
//! The form: how many bytes the extras have, then of each its tag, how many numbers it has, and the numbers. A reader skips
//! a tag that it does not know.

use super::rows::{put_number, take_number};
use crate::proto::talk::Forwarded;
use crate::proto::{Seq, UserId};

const MENTIONS: u64 = 1;
const MENTION_ALL: u64 = 2;
const FORWARDED: u64 = 3;
const REPLY_TO: u64 = 4;
const THREAD_COUNT: u64 = 5;
const ALSO_SEND: u64 = 6;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    pub mentions: Vec<UserId>,
    pub mention_all: bool,
    pub forwarded: Option<Forwarded>,
    /// Only in a thread, whose root has the row's target.
    pub reply_to: Option<Seq>,
    pub thread_count: Option<u64>,
    pub also_send: bool,
}

impl Extras {
    /// The row's body: these, then the words.
    pub fn before(&self, words: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        let mut put = |tag: u64, numbers: &[u64]| {
            put_number(&mut packed, tag);
            put_number(&mut packed, numbers.len() as u64);
            numbers.iter().for_each(|number| put_number(&mut packed, *number));
        };
        if !self.mentions.is_empty() {
            put(
                MENTIONS,
                &self.mentions.iter().map(|user| user.0).collect::<Vec<_>>(),
            );
        }
        if self.mention_all {
            put(MENTION_ALL, &[]);
        }
        if let Some(forwarded) = self.forwarded {
            put(FORWARDED, &[forwarded.by.0]);
        }
        if let Some(reply_to) = self.reply_to {
            put(REPLY_TO, &[reply_to]);
        }
        if let Some(count) = self.thread_count {
            put(THREAD_COUNT, &[count]);
        }
        if self.also_send {
            put(ALSO_SEND, &[]);
        }
        let mut body = Vec::with_capacity(packed.len() + words.len() + 4);
        put_number(&mut body, packed.len() as u64);
        body.extend_from_slice(&packed);
        body.extend_from_slice(words);
        body
    }

    /// The row's body taken apart again; nothing when it is damaged.
    pub fn split(mut body: &[u8]) -> Option<(Extras, &[u8])> {
        let length = usize::try_from(take_number(&mut body)?).ok()?;
        let (mut packed, words) = body.split_at_checked(length)?;
        let mut extras = Extras::default();
        while !packed.is_empty() {
            let (tag, many) = (take_number(&mut packed)?, take_number(&mut packed)?);
            let mut first = None;
            for _ in 0..many {
                let number = take_number(&mut packed)?;
                first.get_or_insert(number);
                if tag == MENTIONS {
                    extras.mentions.push(UserId(number));
                }
            }
            match tag {
                MENTION_ALL => extras.mention_all = true,
                FORWARDED => extras.forwarded = Some(Forwarded { by: UserId(first?) }),
                REPLY_TO => extras.reply_to = first,
                THREAD_COUNT => extras.thread_count = first,
                ALSO_SEND => extras.also_send = true,
                _ => {}
            }
        }
        Some((extras, words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_read_back_and_an_unknown_one_is_skipped() {
        let all = Extras {
            mentions: vec![UserId(7), UserId(1 << 47)],
            mention_all: true,
            forwarded: Some(Forwarded { by: UserId(9) }),
            reply_to: Some(300),
            thread_count: Some(2),
            also_send: true,
        };
        for extras in [Extras::default(), all.clone()] {
            let body = extras.before(b"words");
            assert_eq!(Extras::split(&body), Some((extras, &b"words"[..])));
        }
        let mut newer = vec![3, 99, 1, 5];
        newer.extend_from_slice(b"words");
        assert_eq!(Extras::split(&newer), Some((Extras::default(), &b"words"[..])));
        let whole = all.before(b"");
        for cut in 0..whole.len() {
            assert_eq!(Extras::split(&whole[..cut]), None, "cut at {cut}");
        }
    }
}
