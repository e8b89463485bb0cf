//! The recovery key: an X25519 identity in age's form, that backups are encrypted to. It is made here, told once, and stands
//! on paper from then on. What must not live here: backups, and who may.
//!
//! Invariant: the secret half is in no file, no row and no log. It is made anew for a repeat of the very request that made it,
//! from a secret of this process and the request's `client_id`, neither of which is stored, until its owner has shown
//! that they hold it.

use bech32::{Bech32, Hrp};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use super::{Accounts, Caller, Outcome, check_client_id};
use crate::core::permit::DeviceNo;
use crate::proto::ClientId;
use crate::proto::house::{NewRecoveryKey, RecoveryKey};
use crate::store::sqlite::accounts::By;

const LABEL: &[u8] = b"kinglet 2026 recovery key v1";
/// The prefixes of age's bech32 forms (C2SP, age.md, "X25519 recipient stanza").
const IDENTITY: Hrp = Hrp::parse_unchecked("age-secret-key-");
const RECIPIENT: Hrp = Hrp::parse_unchecked("age");

/// The secret half; cleared from memory when dropped.
struct Identity(StaticSecret);

impl Identity {
    fn derive(secret: &[u8; 32], device: DeviceNo, client: ClientId) -> Identity {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        hasher
            .update(LABEL)
            .update(&device.to_le_bytes())
            .update(client.0.as_bytes());
        let mut bytes = *hasher.finalize().as_bytes();
        let identity = Identity(StaticSecret::from(bytes));
        bytes.zeroize();
        identity
    }

    /// As age writes it: in capitals.
    fn text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(self.0.to_bytes());
        let text = bech32::encode_upper::<Bech32>(IDENTITY, &*bytes);
        Zeroizing::new(text.expect("32 bytes fit into bech32"))
    }

    fn recipient(&self) -> String {
        let public = PublicKey::from(&self.0);
        bech32::encode::<Bech32>(RECIPIENT, public.as_bytes()).expect("32 bytes fit into bech32")
    }
}

impl Accounts {
    /// Makes a recovery key and keeps its public half. Backups made before stay readable with the key before.
    ///
    /// # Errors
    /// `forbidden` for all but owners; `changed_meanwhile` where `replaces` is not the recipient that there is;
    /// `link_invalid` for a repeat after it was shown to be kept.
    pub async fn make_recovery_key(&self, caller: &Caller, ask: NewRecoveryKey) -> Outcome<RecoveryKey> {
        check_client_id(ask.client_id)?;
        let identity = Identity::derive(&self.links, caller.device_no, ask.client_id);
        let recipient = identity.recipient();
        let by = By::User(caller.user, caller.device_no);
        self.store
            .set_recovery(by, recipient.clone(), ask.replaces)
            .await?;
        Ok(RecoveryKey {
            key: identity.text().to_string(),
            recipient,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_are_ages_own() {
        // The pair of age's own documentation (filippo.io/age, example_test.go).
        let hrp_and_bytes =
            bech32::decode("AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU")
                .expect("it is bech32");
        let bytes: [u8; 32] = hrp_and_bytes.1.try_into().expect("a key has 32 bytes");
        let identity = Identity(StaticSecret::from(bytes));
        assert_eq!(
            &**identity.text(),
            "AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU"
        );
        assert_eq!(
            identity.recipient(),
            "age1cy0su9fwf3gf9mw868g5yut09p6nytfmmnktexz2ya5uqg9vl9sss4euqm"
        );
    }

    #[test]
    fn each_request_has_its_own_key_and_a_repeat_the_same() {
        let id = |n| ClientId(uuid::Uuid::from_bytes([n; 16]));
        let key = |secret: u8, device, client| Identity::derive(&[secret; 32], device, client).recipient();
        let first = key(1, 1, id(1));
        assert_eq!(first, key(1, 1, id(1)));
        for other in [key(2, 1, id(1)), key(1, 2, id(1)), key(1, 1, id(2))] {
            assert_ne!(first, other);
        }
    }
}
