//! Codes that people copy or type: how they are made, written, read and hashed. What must not live here: what a code is
//! for, where its hash is stored, and expiry. Session tokens and the claim code are in `token`.

use std::fmt;
use std::marker::PhantomData;

use super::token::{Chance, Malformed, symbols};

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What sets one kind of code apart.
pub trait Kind: Clone + PartialEq + Eq {
    const NAME: &'static str;
    /// One per kind: no hash of one kind can serve as another. Changing it revokes what was issued.
    const CONTEXT: &'static str;
    /// How many characters stand together when it is shown to people.
    const GROUP: usize;
}

/// `N` characters of Crockford's base32, five bits each, at most 128 in all.
#[derive(Clone, PartialEq, Eq)]
pub struct Code<K, const N: usize>([u8; N], PhantomData<K>);

macro_rules! kinds {
    ($($(#[$doc:meta])* $code:ident = $kind:ident, $characters:literal in $group:literal, $context:literal;)*) => {$(
        #[derive(Clone, PartialEq, Eq)]
        pub struct $kind;

        impl Kind for $kind {
            const NAME: &'static str = stringify!($code);
            const CONTEXT: &'static str = $context;
            const GROUP: usize = $group;
        }

        $(#[$doc])*
        pub type $code = Code<$kind, $characters>;
    )*};
}

kinds! {
    /// What an invitation link carries: 80 bits. Derived, so that the owner can see the link again without the server
    /// storing it; whoever reads the database alone, without the server's secret, cannot make one.
    InvitationCode = Invitation, 16 in 4, "kinglet 2026 invitation code hash v1";
    /// What a link carries that sets a password: 128 bits. Derived, so that the same request gives the same code.
    ResetCode = Reset, 26 in 5, "kinglet 2026 reset code hash v1";
    /// For a few minutes, and to be typed: 40 bits.
    PairCode = Pair, 8 in 4, "kinglet 2026 pair code hash v1";
    /// What a device that asked to be let in waits with: 128 bits.
    Ticket = Waiting, 26 in 26, "kinglet 2026 pair ticket hash v1";
}

impl InvitationCode {
    #[must_use]
    pub fn derive(server_secret: &[u8; 32], invitation: u64) -> Self {
        let parts = [b"kinglet 2026 invitation code v1", &invitation.to_le_bytes()[..]];
        Self::keyed(server_secret, &parts)
    }
}

impl ResetCode {
    /// The code for one request, from a secret that is not stored.
    #[must_use]
    pub fn derive(secret: &[u8; 32], device: u64, client: &[u8; 16]) -> Self {
        let parts = [b"kinglet 2026 reset code v1", &device.to_le_bytes()[..], client];
        Self::keyed(secret, &parts)
    }
}

impl<K: Kind, const N: usize> Code<K, N> {
    /// Whole bytes of chance in a code.
    const BYTES: usize = if N * 5 < 128 { N * 5 / 8 } else { 16 };

    #[must_use]
    pub fn new(chance: Chance<'_>) -> Self {
        let mut bytes = [0; 16];
        chance(&mut bytes[16 - Self::BYTES..]);
        Self::spelt(u128::from_be_bytes(bytes))
    }

    fn keyed(secret: &[u8; 32], parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        for part in parts {
            hasher.update(part);
        }
        let hash = hasher.finalize();
        Self::new(&mut |bytes| bytes.copy_from_slice(&hash.as_bytes()[..Self::BYTES]))
    }

    /// The lowest bits of a number, five to a character.
    fn spelt(bits: u128) -> Self {
        let character = |at| CROCKFORD[((bits >> (5 * (N - 1 - at))) & 31) as usize];
        Self(std::array::from_fn(character), PhantomData)
    }

    /// The code without dashes: what stands in a link.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.iter().copied().map(char::from).collect()
    }

    /// The code in groups, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        let groups = self.0.chunks(K::GROUP);
        let groups: Vec<String> = groups
            .map(|group| group.iter().copied().map(char::from).collect())
            .collect();
        groups.join("-")
    }

    /// Reads a code as people write it: any case, `I` and `L` for `1`, `O` for `0`, any separators, or the whole link.
    ///
    /// # Errors
    /// [`Malformed`] when there are not exactly so many such characters.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        // Who pastes the whole link means what stands behind its `#`.
        let mut code: [u8; N] = symbols(text.rsplit('#').next().unwrap_or(text))?;
        for character in &mut code {
            *character = match character.to_ascii_uppercase() {
                b'I' | b'L' => b'1',
                b'O' => b'0',
                other => other,
            };
            if !CROCKFORD.contains(character) {
                return Err(Malformed);
            }
        }
        Ok(Self(code, PhantomData))
    }

    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        blake3::derive_key(K::CONTEXT, &self.0)
    }
}

impl<K: Kind, const N: usize> fmt::Debug for Code<K, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(…)", K::NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_reset_code_has_128_bits_and_is_read_as_it_is_typed() {
        let code = ResetCode::derive(&[7; 32], 3, &[1; 16]);
        assert_eq!(code, ResetCode::derive(&[7; 32], 3, &[1; 16]));
        for other in [
            ResetCode::derive(&[8; 32], 3, &[1; 16]),
            ResetCode::derive(&[7; 32], 4, &[1; 16]),
            ResetCode::derive(&[7; 32], 3, &[2; 16]),
        ] {
            assert_ne!(code.hash(), other.hash());
        }
        let shown = code.shown();
        assert_eq!(shown.len(), 26 + 5);
        for typed in [
            code.text(),
            shown.to_lowercase(),
            format!(" https://chat.example.org/reset#{} ", code.text()),
        ] {
            assert_eq!(ResetCode::parse(&typed).expect(&typed).hash(), code.hash());
        }
        for wrong in ["", "ABC", &code.text()[1..], &format!("{}0", code.text())] {
            assert!(ResetCode::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(format!("{code:?}"), "ResetCode(…)");
    }

    #[test]
    fn a_pair_code_has_40_bits_and_a_ticket_128() {
        let code = PairCode::new(&mut |bytes| bytes.fill(0xff));
        assert_eq!(code.shown(), "ZZZZ-ZZZZ");
        assert_eq!(PairCode::parse(" zzzz zzzz").expect("typed").hash(), code.hash());
        let ticket = Ticket::new(&mut |bytes| bytes.fill(0xff));
        assert_eq!(ticket.text(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!(
            Ticket::parse(&ticket.text()).expect("as it was").hash(),
            ticket.hash()
        );
        assert!(Ticket::parse(&code.text()).is_err() && PairCode::parse(&ticket.text()).is_err());
    }

    #[test]
    fn a_hash_of_one_kind_is_none_of_another() {
        let text = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ";
        let ticket = Ticket::parse(text).expect("26 characters");
        let reset = ResetCode::parse(text).expect("26 characters");
        assert_ne!(ticket.hash(), reset.hash());
        let stored = blake3::derive_key("kinglet 2026 reset code hash v1", text.as_bytes());
        assert_eq!(
            reset.hash(),
            stored,
            "a link that was handed out must go on opening"
        );
    }

    #[test]
    fn invitation_codes_are_derived_from_secret_and_number() {
        let code = InvitationCode::derive(&[1; 32], 1);
        assert_eq!(code, InvitationCode::derive(&[1; 32], 1));
        let mut seen = HashSet::new();
        for invitation in 0..1000 {
            assert!(seen.insert(InvitationCode::derive(&[1; 32], invitation).text()));
            assert!(seen.insert(InvitationCode::derive(&[2; 32], invitation).text()));
        }
        // All 80 bits are used: every place takes many characters.
        for at in 0..16 {
            let characters: HashSet<u8> = seen.iter().map(|text| text.as_bytes()[at]).collect();
            assert_eq!(characters.len(), 32, "place {at}");
        }
        // Pinned against another encoder: a code must read the same after every update.
        let mut hasher = blake3::Hasher::new_keyed(&[1; 32]);
        hasher
            .update(b"kinglet 2026 invitation code v1")
            .update(&1_u64.to_le_bytes());
        let mut crockford = data_encoding::Specification::new();
        crockford.symbols.push_str("0123456789ABCDEFGHJKMNPQRSTVWXYZ");
        let crockford = crockford.encoding().expect("32 symbols");
        let expected = crockford.encode(&hasher.finalize().as_bytes()[..10]);
        assert_eq!(code.text(), expected);
    }

    #[test]
    fn an_invitation_code_is_read_as_people_write_it() {
        let code = InvitationCode::parse("0123456789ABCDEF").expect("16 characters of the alphabet");
        for text in [
            "0123-4567-89ab-cdef",
            "O1234 56789abcdef",
            "oL23456789ABCDEF",
            "0i23456789abcdeF\n",
        ] {
            assert_eq!(InvitationCode::parse(text), Ok(code.clone()), "{text}");
        }
        assert_eq!(code.shown(), "0123-4567-89AB-CDEF");
        assert_eq!(InvitationCode::parse(&code.shown()), Ok(code.clone()));
        for text in [
            "",
            "0123456789ABCDE",
            "0123456789ABCDEF0",
            "U123456789ABCDEF",
            "*123456789ABCDEF",
            "é123456789ABCDEF",
        ] {
            assert_eq!(InvitationCode::parse(text), Err(Malformed), "{text}");
        }
        let endless = format!("{}0123456789ABCDEF", "-".repeat(1_000_000));
        assert_eq!(InvitationCode::parse(&endless), Err(Malformed));
        assert_ne!(
            code.hash(),
            InvitationCode::parse("1123456789ABCDEF").expect("valid").hash()
        );
        assert_eq!(format!("{code:?}"), "InvitationCode(…)");
    }
}
