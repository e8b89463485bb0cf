//! A second device, let in by one that is signed in: a short code, a number to compare, a confirmation. What must not live
//! here: anything stored; who waits here has minutes, and a restart ends it.
//!
//! Invariants: a code is used by one device; no token is made before the device that made the code has confirmed the very
//! number that the new one shows; time is monotonic, so no wrong clock prolongs it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::code::{PairCode, Ticket};
use super::{Accounts, Caller, Outcome, checked, signed_in};
use crate::clock::monotonic;
use crate::core::permit::DeviceNo;
use crate::limits;
use crate::proto::account::{NewDevice, SignedIn};
use crate::proto::history::SignInHow;
use crate::proto::pairing::{
    AskToPair, AwaitPairing, ConfirmDevice, DeviceCode, DeviceCodeState, Paired, PairingState, PairingTicket,
};
use crate::proto::{Code, Refusal, UserId};
use crate::store::sqlite::accounts::PairedWith;

type SecretHash = [u8; 32];

/// The codes that are good at this moment.
pub(super) struct Pairings {
    open: Mutex<Vec<Pairing>>,
    /// Raised at each step of any of them, for those who wait.
    steps: watch::Sender<u64>,
}

/// One code, and what became of it.
struct Pairing {
    user: UserId,
    maker: DeviceNo,
    code: SecretHash,
    until: Instant,
    asked: Option<Asked>,
}

/// The device that presented it.
#[derive(Clone)]
struct Asked {
    device: NewDevice,
    ticket: SecretHash,
    number: String,
    state: PairingState,
}

impl Pairings {
    pub(super) fn new() -> Pairings {
        Pairings {
            open: Mutex::new(Vec::new()),
            steps: watch::channel(0).0,
        }
    }

    /// Looks at, or changes, what is still good; says so to those who wait if it was a step.
    fn with<T>(&self, step: bool, look: impl FnOnce(&mut Vec<Pairing>) -> T) -> T {
        let done = {
            let mut open = self.open.lock();
            let now = monotonic();
            open.retain(|pairing| pairing.until > now);
            look(&mut open)
        };
        if step {
            self.steps.send_modify(|steps| *steps += 1);
        }
        done
    }

    /// Puts a new code in, instead of an older one of the same user.
    fn put(&self, pairing: Pairing) -> Outcome<()> {
        self.with(true, |open| {
            open.retain(|other| other.user != pairing.user);
            if open.len() >= limits::DEVICE_CODES {
                return Err(Refusal::later(Code::Busy, 10_000));
            }
            open.push(pairing);
            Ok(())
        })
    }

    /// Asks again at each step until there is an answer, at most so long. The last answer counts.
    async fn wait<T>(
        &self,
        wait: Duration,
        mut ask: impl FnMut() -> Outcome<Option<T>>,
    ) -> Outcome<Option<T>> {
        let mut steps = self.steps.subscribe();
        let deadline = tokio::time::Instant::from_std(monotonic() + wait);
        loop {
            steps.borrow_and_update();
            if let Some(found) = ask()? {
                return Ok(Some(found));
            }
            if tokio::time::timeout_at(deadline, steps.changed()).await.is_err() {
                return ask();
            }
        }
    }
}

impl Pairing {
    fn left_ms(&self) -> u64 {
        let left = self.until.saturating_duration_since(monotonic());
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }

    fn shown(&self) -> DeviceCodeState {
        DeviceCodeState {
            state: self
                .asked
                .as_ref()
                .map_or(PairingState::Open, |asked| asked.state),
            device_name: self.asked.as_ref().map(|asked| asked.device.name.clone()),
            number: self.asked.as_ref().map(|asked| asked.number.clone()),
            expires_in_ms: self.left_ms(),
        }
    }

    fn is_of(&self, caller: &Caller) -> bool {
        (self.user, self.maker) == (caller.user, caller.device_no)
    }
}

fn gone<T>() -> Outcome<T> {
    Err(Code::LinkInvalid.into())
}

/// Seconds that somebody wants to wait, within the bound.
fn waiting(asked: Option<u64>) -> Outcome<Duration> {
    let wait = Duration::from_secs(asked.unwrap_or(0));
    if wait > limits::POLL_WAIT {
        let sentence = format!("`wait` is 0 to {} seconds.", limits::POLL_WAIT.as_secs());
        return Err(Refusal::because(Code::BadRequest, sentence));
    }
    Ok(wait)
}

impl Accounts {
    /// Makes a code by which another device may ask to be let in. It ends an older one of the same user.
    ///
    /// # Errors
    /// `rate_limited`, `busy` when too many codes are open on this server.
    pub async fn make_device_code(&self, caller: &Caller) -> Outcome<DeviceCode> {
        // Taken and never given back: each code is one more that somebody could hit upon. No user name has a blank.
        self.doors.at_account(&format!("codes of {}", caller.user))?;
        let code = PairCode::new(&mut |bytes| self.store.clock().random(bytes));
        let address = self.address().await?;
        let pairing = Pairing {
            user: caller.user,
            maker: caller.device_no,
            code: code.hash(),
            until: monotonic() + limits::DEVICE_CODE_TIME,
            asked: None,
        };
        let expires_in_ms = pairing.left_ms();
        self.pairings.put(pairing)?;
        Ok(DeviceCode {
            code: code.shown(),
            // Behind the `#`, so that no proxy's log and no referrer ever has it.
            link: format!("{address}/pair#{}", code.text()),
            expires_in_ms,
        })
    }

    /// How far the caller's code has come; waits for the next step while nobody has used it.
    ///
    /// # Errors
    /// `link_invalid` when there is none, or none any more.
    pub async fn device_code(&self, caller: &Caller, wait: Option<u64>) -> Outcome<DeviceCodeState> {
        let wait = waiting(wait)?;
        let look = || {
            self.pairings.with(false, |open| {
                let own = open.iter().find(|pairing| pairing.is_of(caller));
                own.map_or_else(gone, |pairing| Ok(pairing.shown()))
            })
        };
        let before = look()?.state;
        let moves = matches!(before, PairingState::Open | PairingState::Confirmed);
        let step = || look().map(|now| Some(now).filter(|now| !moves || now.state != before));
        match self.pairings.wait(wait, step).await? {
            Some(now) => Ok(now),
            None => look(),
        }
    }

    /// Lets the device in that shows this number. Another number than it was told ends the code.
    ///
    /// # Errors
    /// `link_invalid`.
    pub fn confirm_device(&self, caller: &Caller, request: &ConfirmDevice) -> Outcome<()> {
        self.pairings.with(true, |open| {
            let Some(at) = open.iter().position(|pairing| pairing.is_of(caller)) else {
                return gone();
            };
            match &mut open[at].asked {
                None => Err(Code::NoChange.into()),
                Some(asked) if asked.number == request.number => {
                    if asked.state == PairingState::Asked {
                        asked.state = PairingState::Confirmed;
                    }
                    Ok(())
                }
                Some(_) => {
                    open.swap_remove(at);
                    gone()
                }
            }
        })
    }

    /// Takes the caller's code back: whoever asked by it is not let in. Doing it again changes nothing.
    pub fn end_device_code(&self, caller: &Caller) {
        self.pairings
            .with(true, |open| open.retain(|pairing| !pairing.is_of(caller)));
    }

    /// Asks to be let in, by a code. The same device may ask again, after its answer was lost; another one may not.
    ///
    /// # Errors
    /// `link_invalid` for every code that lets nobody in now; `rate_limited`.
    pub fn ask_to_pair(&self, request: AskToPair, from: IpAddr) -> Outcome<PairingTicket> {
        let attempt = self.doors.from(from)?;
        let outcome = self.ask_with_code(request);
        self.doors.settle(&attempt, &outcome);
        outcome
    }

    fn ask_with_code(&self, request: AskToPair) -> Outcome<PairingTicket> {
        let device = checked(request.device)?;
        let code = PairCode::parse(&request.code)
            .map_err(|_| Code::LinkInvalid)?
            .hash();
        let ticket = Ticket::new(&mut |bytes| self.store.clock().random(bytes));
        let mut chance = [0; 4];
        self.store.clock().random(&mut chance);
        let fresh = format!("{:03}", u32::from_le_bytes(chance) % 1_000);
        self.pairings.with(true, |open| {
            let Some(pairing) = open.iter_mut().find(|pairing| pairing.code == code) else {
                return gone();
            };
            let (number, state) = match &pairing.asked {
                None => (fresh, PairingState::Asked),
                Some(asked) if asked.device.id == device.id => (asked.number.clone(), asked.state),
                Some(_) => return gone(),
            };
            pairing.asked = Some(Asked {
                device,
                ticket: ticket.hash(),
                number: number.clone(),
                state,
            });
            Ok(PairingTicket {
                ticket: ticket.text(),
                number,
                expires_in_ms: pairing.left_ms(),
            })
        })
    }

    /// Waits for the confirmation, and signs the new device in. The same again, after a lost answer, signs in anew.
    ///
    /// # Errors
    /// `link_invalid` once it was taken back or is over, or when the device that made the code is signed out.
    pub async fn await_pairing(&self, request: &AwaitPairing, from: IpAddr) -> Outcome<Paired> {
        let attempt = self.doors.from(from)?;
        let outcome = self.await_confirmation(request, from).await;
        self.doors.settle(&attempt, &outcome);
        outcome
    }

    async fn await_confirmation(&self, request: &AwaitPairing, from: IpAddr) -> Outcome<Paired> {
        let wait = waiting(request.wait)?;
        let ticket = Ticket::parse(&request.ticket)
            .map_err(|_| Code::LinkInvalid)?
            .hash();
        let look = || {
            self.pairings.with(false, |open| {
                let asked = |pairing: &Pairing| Some((pairing.user, pairing.maker, pairing.asked.clone()?));
                let mut all = open.iter().filter_map(asked);
                let Some(found) = all.find(|(.., asked)| asked.ticket == ticket) else {
                    return gone();
                };
                Ok(Some(found).filter(|(.., asked)| asked.state != PairingState::Asked))
            })
        };
        let Some((user, maker, asked)) = self.pairings.wait(wait, look).await? else {
            return Ok(Paired { signed_in: None });
        };
        let signed_in = self.let_in((user, maker), &asked, from).await?;
        self.pairings.with(true, |open| {
            let all = open.iter_mut().filter_map(|pairing| pairing.asked.as_mut());
            for asked in all.filter(|asked| asked.ticket == ticket) {
                asked.state = PairingState::Done;
            }
        });
        Ok(Paired {
            signed_in: Some(signed_in),
        })
    }

    async fn let_in(
        &self,
        (user, voucher): (UserId, DeviceNo),
        asked: &Asked,
        from: IpAddr,
    ) -> Outcome<SignedIn> {
        let token = self.fresh_token();
        let by = self.entrance(SignInHow::DeviceCode, from, Some(user));
        let with = PairedWith {
            user,
            voucher,
            device: asked.device.clone(),
            token: *token.hash().as_bytes(),
            is_first: asked.state == PairingState::Confirmed,
        };
        let entered = self.store.sign_in_paired(with, by).await?;
        Ok(signed_in(entered, asked.device.id, &token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairing(user: u64, until: Instant) -> Pairing {
        Pairing {
            user: UserId(user),
            maker: 1,
            code: [0; 32],
            until,
            asked: None,
        }
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let pairings = Pairings::new();
        let now = monotonic();
        pairings.with(true, |open| {
            open.push(pairing(1, now));
            open.push(pairing(2, now + limits::DEVICE_CODE_TIME));
        });
        let left = pairings.with(false, |open| {
            open.iter().map(|one| one.user.0).collect::<Vec<_>>()
        });
        assert_eq!(left, [2]);
        let most = pairings.with(false, |open| open[0].left_ms());
        assert!(most <= 300_000 && most > 200_000, "{most}");
    }

    #[test]
    fn a_full_table_is_busy() {
        let pairings = Pairings::new();
        let far = monotonic() + limits::DEVICE_CODE_TIME;
        for user in 1..=limits::DEVICE_CODES as u64 {
            pairings.put(pairing(user, far)).expect("there is room");
        }
        pairings
            .put(pairing(1, far))
            .expect("a newer one takes the older one's place");
        let refused = pairings.put(pairing(0, far)).expect_err("it is full");
        assert!(refused.code == Code::Busy && refused.retry_after_ms.is_some());
    }

    #[tokio::test]
    async fn who_waits_hears_of_a_step_and_else_goes_when_the_time_is_over() {
        let pairings = Pairings::new();
        let mut asked = 0;
        let nothing = pairings.wait(Duration::ZERO, || {
            asked += 1;
            Ok(None::<()>)
        });
        assert_eq!(nothing.await, Ok(None));
        assert_eq!(asked, 2, "the last look is after the wait");
        let far = monotonic() + limits::DEVICE_CODE_TIME;
        let look = || Ok(pairings.with(false, |open| open.first().map(|one| one.user.0)));
        let (found, ()) = tokio::join!(pairings.wait(Duration::from_secs(20), look), async {
            pairings.with(true, |open| open.push(pairing(7, far)));
        });
        assert_eq!(found, Ok(Some(7)));
    }
}
