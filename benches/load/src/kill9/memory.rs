//! What was sent, acked, seen and found, and what contradicts what. What must not live here: sockets.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use uuid::Uuid;

use super::Outcome;

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Group,
    /// A direct conversation, named by the other person.
    Direct(usize),
}

/// A message as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub by: usize,
    pub place: Place,
    pub body: String,
    /// The conversation and seq it was acked with.
    pub acked: Option<(String, u64)>,
}

/// An event as it was shown, live or in a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub conversation: String,
    pub seq: u64,
    pub client: String,
    pub body: String,
}

/// What the checker knows. It lives outside the server, and so outlives it.
pub struct Memory {
    pub group: String,
    pub sent: HashMap<String, Sent>,
    /// Client ids in the order of sending.
    pub order: Vec<String>,
    /// Sent and not answered, oldest first.
    pub open: Vec<String>,
    /// What pages showed, by conversation; the place in the list is the seq less one.
    found: HashMap<String, Vec<(String, String)>>,
    /// Where each client id was found.
    place_of: HashMap<String, (String, u64)>,
    /// Live events and acks that no page confirmed yet.
    claims: Vec<(Shown, &'static str)>,
    /// The direct conversations, by their lower and upper person.
    pub pairs: HashMap<(usize, usize), String>,
    side_log: BufWriter<File>,
    pub outcome: Outcome,
}

/// A person's live events of one connection: the last seq of each conversation.
#[derive(Default)]
pub struct Reading(HashMap<String, u64>);

impl Memory {
    pub fn new(group: String, side_log: &Path) -> Result<Memory> {
        Ok(Memory {
            group,
            sent: HashMap::new(),
            order: Vec::new(),
            open: Vec::new(),
            found: HashMap::new(),
            place_of: HashMap::new(),
            claims: Vec::new(),
            pairs: HashMap::new(),
            side_log: BufWriter::new(File::create(side_log)?),
            outcome: Outcome::default(),
        })
    }

    pub fn note(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.side_log, "{line}")?)
    }

    fn finding(&mut self, text: String) {
        if self.outcome.findings.len() < 20 {
            self.outcome.findings.push(text);
        }
    }

    pub fn lost(&mut self, text: String) {
        self.outcome.lost += 1;
        self.finding(format!("lost: {text}"));
    }

    pub fn doubled(&mut self, text: String) {
        self.outcome.doubled += 1;
        self.finding(format!("doubled: {text}"));
    }

    pub fn reordered(&mut self, text: String) {
        self.outcome.reordered += 1;
        self.finding(format!("reordered: {text}"));
    }

    pub fn wrong(&mut self, text: String) {
        self.outcome.wrong += 1;
        self.finding(format!("wrong: {text}"));
    }

    /// A new message; gives its client id.
    pub fn compose(&mut self, by: usize, place: Place, size: usize) -> Result<String> {
        let client = Uuid::now_v7().to_string();
        let body = format!("{} from {by} {:.<size$}", self.order.len(), "");
        self.note(&format!("SENT {client} by {by}"))?;
        self.sent.insert(
            client.clone(),
            Sent {
                by,
                place,
                body,
                acked: None,
            },
        );
        self.order.push(client.clone());
        self.open.push(client.clone());
        Ok(client)
    }

    /// An ack came for a message.
    pub fn acked(&mut self, client: &str, conversation: &str, seq: u64, duplicate: bool) -> Result<()> {
        self.note(&format!("ACK {client} {conversation} {seq} {duplicate}"))?;
        let Some(sent) = self.sent.get_mut(client) else {
            return Ok(());
        };
        let now = (conversation.to_owned(), seq);
        let before = sent.acked.replace(now.clone());
        let (by, place, body) = (sent.by, sent.place, sent.body.clone());
        if let Place::Direct(peer) = place {
            let pair = (by.min(peer), by.max(peer));
            let known = self
                .pairs
                .entry(pair)
                .or_insert_with(|| conversation.to_owned())
                .clone();
            if known != conversation {
                self.wrong(format!(
                    "persons {by} and {peer} have two direct conversations, {known} and {conversation}"
                ));
            }
        }
        let stored = self.place_of.get(client).cloned();
        if let Some(earlier) = before.or(stored) {
            if earlier != now {
                self.doubled(format!(
                    "{client} was at {earlier:?} and a retry was acked at {now:?}"
                ));
            } else if !duplicate {
                self.wrong(format!(
                    "a retry of {client} got the same ack without `duplicate`"
                ));
            }
        }
        let shown = Shown {
            conversation: conversation.to_owned(),
            seq,
            client: client.to_owned(),
            body,
        };
        self.claims.push((shown, "acked"));
        Ok(())
    }

    /// A live event came.
    pub fn seen(&mut self, person: usize, reading: &mut Reading, shown: Shown) -> Result<()> {
        self.note(&format!(
            "RECV {person} {} {} {}",
            shown.conversation, shown.seq, shown.client
        ))?;
        self.outcome.events += 1;
        let last = reading.0.insert(shown.conversation.clone(), shown.seq);
        if let Some(last) = last.filter(|last| shown.seq != last + 1) {
            self.reordered(format!(
                "person {person} saw {} after {last} in {}",
                shown.seq, shown.conversation
            ));
        }
        self.claims.push((shown, "shown"));
        Ok(())
    }

    /// The seq up to which pages were read.
    pub fn found_up_to(&self, conversation: &str) -> u64 {
        self.found.get(conversation).map_or(0, Vec::len) as u64
    }

    /// An event of a page, after all before it.
    pub fn found(&mut self, shown: Shown) {
        let Shown {
            conversation,
            seq,
            client,
            body,
        } = shown;
        let next = self.found_up_to(&conversation) + 1;
        if seq != next {
            return self.wrong(format!(
                "a page of {conversation} has seq {seq} where {next} must follow"
            ));
        }
        if let Some(earlier) = self.place_of.insert(client.clone(), (conversation.clone(), seq)) {
            self.doubled(format!(
                "{client} is stored at {earlier:?} and at seq {seq} of {conversation}"
            ));
        }
        match self.sent.get(&client) {
            Some(sent) if sent.body != body => {
                self.wrong(format!(
                    "{client} is stored with another body than it was sent with"
                ));
            }
            Some(_) => {}
            // The founding of the group.
            None if conversation == self.group && seq == 1 => {}
            None => self.wrong(format!("{client} at seq {seq} of {conversation} was never sent")),
        }
        self.found.entry(conversation).or_default().push((client, body));
    }

    /// After all pages were read: what was acked or shown must be there.
    pub fn compare(&mut self) {
        for (shown, how) in std::mem::take(&mut self.claims) {
            let Shown {
                conversation,
                seq,
                client,
                body,
            } = shown;
            let at = usize::try_from(seq).expect("a small number").wrapping_sub(1);
            match self.found.get(&conversation).and_then(|events| events.get(at)) {
                None => self.lost(format!(
                    "{client} was {how} at seq {seq} of {conversation}, which is not stored"
                )),
                Some((stored, _)) if *stored != client => {
                    self.lost(format!(
                        "{client} was {how} at seq {seq} of {conversation}, where {stored} is stored"
                    ));
                }
                // A direct event's body is compared by its client id already.
                Some((_, stored)) if *stored != body => {
                    self.wrong(format!("{client} was {how} with another body than is stored"));
                }
                Some(_) => {}
            }
        }
    }

    /// Makes the next look begin at the first event again, with every ack as a claim.
    pub fn forget_what_was_found(&mut self) {
        self.found.clear();
        self.place_of.clear();
        for client in &self.order {
            let Some((conversation, seq)) = self.sent[client].acked.clone() else {
                continue;
            };
            let body = self.sent[client].body.clone();
            self.claims.push((
                Shown {
                    conversation,
                    seq,
                    client: client.clone(),
                    body,
                },
                "acked",
            ));
        }
    }

    /// The totals.
    pub fn tally(&mut self) {
        let stored = |client: &&String| self.place_of.contains_key(client.as_str());
        let acked = self.sent.values().filter(|sent| sent.acked.is_some()).count();
        let unacked = self
            .sent
            .iter()
            .filter(|(_, sent)| sent.acked.is_none())
            .map(|(client, _)| client);
        self.outcome.stored_unacked = unacked.filter(stored).count();
        self.outcome.sent = self.sent.len();
        self.outcome.acked = acked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        Memory::new("c1".into(), Path::new("/dev/null")).expect("it can be written")
    }

    fn event(memory: &Memory, client: &str, seq: u64) -> Shown {
        Shown {
            conversation: "c2".into(),
            seq,
            client: client.into(),
            body: memory.sent[client].body.clone(),
        }
    }

    #[test]
    fn what_a_server_may_do_is_no_finding() {
        let mut memory = memory();
        let ids: Vec<String> = (0..3)
            .map(|_| memory.compose(0, Place::Direct(1), 10).expect("it is written"))
            .collect();
        memory.acked(&ids[0], "c2", 1, false).expect("it is written");
        // The second was stored, but its ack did not come; the third was lost with the connection.
        for (at, client) in ids[..2].iter().enumerate() {
            memory.found(event(&memory, client, at as u64 + 1));
        }
        memory.compare();
        memory.acked(&ids[1], "c2", 2, true).expect("it is written");
        memory.compare();
        assert!(memory.outcome.is_clean(), "{:?}", memory.outcome);
    }

    #[test]
    fn every_breach_is_a_finding() {
        let breach = |act: &dyn Fn(&mut Memory, &[String])| {
            let mut memory = memory();
            let ids: Vec<String> = (0..2)
                .map(|_| memory.compose(0, Place::Direct(1), 10).expect("it is written"))
                .collect();
            memory.acked(&ids[0], "c2", 1, false).expect("it is written");
            act(&mut memory, &ids);
            memory.compare();
            let Outcome {
                lost,
                doubled,
                reordered,
                wrong,
                ..
            } = memory.outcome;
            (lost, doubled, reordered, wrong)
        };
        assert_eq!(breach(&|_, _| {}), (1, 0, 0, 0), "acked and not stored");
        assert_eq!(
            breach(&|m, ids| m.found(event(m, &ids[1], 1))),
            (1, 0, 0, 0),
            "another in its place"
        );
        let twice = |m: &mut Memory, ids: &[String]| (1..3).for_each(|seq| m.found(event(m, &ids[0], seq)));
        assert_eq!(breach(&twice), (0, 1, 0, 0), "stored twice");
        let again = |m: &mut Memory, ids: &[String]| {
            m.found(event(m, &ids[0], 1));
            m.found(event(m, &ids[1], 2));
            m.acked(&ids[1], "c2", 3, false).expect("it is written");
        };
        assert_eq!(breach(&again), (1, 1, 0, 0), "a stored one acked elsewhere");
        let gap = |m: &mut Memory, ids: &[String]| {
            m.found(event(m, &ids[0], 1));
            m.found(event(m, &ids[1], 3));
        };
        assert_eq!(breach(&gap), (0, 0, 0, 1), "a gap");
        let backwards = |m: &mut Memory, ids: &[String]| {
            let mut reading = Reading::default();
            (0..2).for_each(|at| m.found(event(m, &ids[at], at as u64 + 1)));
            for at in [1, 0] {
                m.seen(1, &mut reading, event(m, &ids[at], at as u64 + 1))
                    .expect("it is written");
            }
        };
        assert_eq!(breach(&backwards), (0, 0, 1, 0), "shown out of order");
    }
}
