//! The first door: the claim code makes its holder the owner. What must not live here: other ways to become owner.

use std::net::IpAddr;

use super::{Accounts, Outcome, checked, signed_in, user_name};
use crate::proto::account::{Claim, SignedIn};
use crate::proto::history::SignInHow;
use crate::proto::{Code, Refusal};

/// Where a peer stands, as far as claiming is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerPlace {
    Loopback,
    /// Private and link-local ranges: the same building, as a rule.
    Lan,
    Elsewhere,
}

impl PeerPlace {
    #[must_use]
    pub fn of(address: IpAddr) -> PeerPlace {
        match address.to_canonical() {
            address if address.is_loopback() => PeerPlace::Loopback,
            IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => PeerPlace::Lan,
            IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => PeerPlace::Lan,
            _ => PeerPlace::Elsewhere,
        }
    }
}

impl Accounts {
    /// Makes the first user, an owner, and signs it in.
    ///
    /// # Errors
    /// `claim_closed` from elsewhere, after five wrong codes and once there is an owner; `claim_wrong`; the rules of
    /// names and passwords. A right code whose claim was refused for another reason stays good.
    pub async fn claim(&self, request: Claim, from: IpAddr) -> Outcome<SignedIn> {
        if PeerPlace::of(from) == PeerPlace::Elsewhere {
            return Err(Code::ClaimClosed.into());
        }
        let attempt = self.doors.from(from)?;
        let outcome = self.claim_from_here(request, from).await;
        self.doors.settle(&attempt, &outcome);
        outcome
    }

    async fn claim_from_here(&self, request: Claim, from: IpAddr) -> Outcome<SignedIn> {
        let device = checked(request.device)?;
        if self.is_claimed() {
            // Perhaps this very claim, whose answer was lost: then the same person asks from the same device.
            let again = self
                .enter_again(&request.name, request.password, device, from)
                .await?;
            return again.ok_or_else(|| Code::ClaimClosed.into());
        }
        self.try_claim_code(&request.code)?;
        let name = user_name(&request.name)?;
        let founding = self.founding(request.team.as_deref(), request.address.as_deref())?;
        let user = self
            .new_user(&name, &request.display_name, request.password)
            .await?;
        let (token, device_id) = (self.fresh_token(), device.id);
        let by = self.entrance(SignInHow::Claim, from, None);
        let entered = self
            .found(user, device, *token.hash().as_bytes(), by, founding)
            .await?;
        *self.claim.lock() = None;
        Ok(signed_in(entered, device_id, &token))
    }

    fn try_claim_code(&self, code: &str) -> Outcome<()> {
        let mut gate = self.claim.lock();
        let gate = gate.as_mut().ok_or(Code::ClaimClosed)?;
        gate.try_code(code).map_err(|refused| match refused.tries_left {
            0 => {
                let message =
                    "The claim code was wrong too often: none is taken until the server is restarted.";
                Refusal::because(Code::ClaimClosed, message)
            }
            1 => Refusal::because(Code::ClaimWrong, "This is not the claim code. One try is left."),
            left => Refusal::because(
                Code::ClaimWrong,
                format!("This is not the claim code. {left} tries are left."),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for (address, place) in [
            ("127.0.0.1", PeerPlace::Loopback),
            ("::1", PeerPlace::Loopback),
            ("::ffff:127.0.0.1", PeerPlace::Loopback),
            ("192.168.1.7", PeerPlace::Lan),
            ("10.0.0.1", PeerPlace::Lan),
            ("172.31.0.1", PeerPlace::Lan),
            ("169.254.3.4", PeerPlace::Lan),
            ("::ffff:192.168.1.7", PeerPlace::Lan),
            ("fe80::1", PeerPlace::Lan),
            ("fd00::1", PeerPlace::Lan),
            ("172.32.0.1", PeerPlace::Elsewhere),
            ("100.64.0.1", PeerPlace::Elsewhere),
            ("203.0.113.9", PeerPlace::Elsewhere),
            ("2001:db8::1", PeerPlace::Elsewhere),
            ("::ffff:203.0.113.9", PeerPlace::Elsewhere),
            ("0.0.0.0", PeerPlace::Elsewhere),
        ] {
            assert_eq!(
                PeerPlace::of(address.parse().expect("an address")),
                place,
                "{address}"
            );
        }
    }
}
