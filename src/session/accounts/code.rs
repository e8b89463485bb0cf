//! Codes that people copy or type: how they are made, written, read and hashed. What must not live here: what a code is
//! for, where its hash is stored, and expiry. Session tokens and invitation codes are in `token`.

use std::fmt;

use super::token::{CROCKFORD, Chance, Malformed, symbols};

const LONG_CHARACTERS: usize = 26;
const SHORT_CHARACTERS: usize = 8;
/// One context per kind: no hash of one kind can serve as another.
const RESET_CONTEXT: &str = "kinglet 2026 reset code hash v1";
const PAIR_CONTEXT: &str = "kinglet 2026 pair code hash v1";
const TICKET_CONTEXT: &str = "kinglet 2026 pair ticket hash v1";
const RESET_LABEL: &[u8] = b"kinglet 2026 reset code v1";

/// A code of 128 bits, in 26 characters of Crockford's base32: for links.
#[derive(Clone, PartialEq, Eq)]
pub struct ResetCode([u8; LONG_CHARACTERS]);

impl ResetCode {
    /// The code for one request, from a secret that is not stored: the same request gives the same code.
    #[must_use]
    pub fn derive(secret: &[u8; 32], device: u64, client: &[u8; 16]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        hasher
            .update(RESET_LABEL)
            .update(&device.to_le_bytes())
            .update(client);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(spelt(u128::from_be_bytes(bytes)))
    }

    /// The code without dashes: what stands in a link.
    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.0)
    }

    /// The code in groups of five, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        let groups: Vec<String> = self
            .0
            .chunks(5)
            .map(|group| group.iter().map(|character| char::from(*character)).collect())
            .collect();
        groups.join("-")
    }

    /// Reads a code in any case, with dashes or blanks, or the whole link.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.rsplit('#').next().unwrap_or(text);
        read(text).map(Self)
    }

    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        blake3::derive_key(RESET_CONTEXT, &self.0)
    }
}

/// A code of 40 bits, in 8 characters: for a few minutes, and to be typed.
#[derive(Clone, PartialEq, Eq)]
pub struct PairCode([u8; SHORT_CHARACTERS]);

impl PairCode {
    #[must_use]
    pub fn new(chance: Chance<'_>) -> Self {
        let mut bytes = [0; 16];
        chance(&mut bytes[11..]);
        Self(spelt(u128::from_be_bytes(bytes)))
    }

    /// The code without a dash: what stands in a link.
    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.0)
    }

    #[must_use]
    pub fn shown(&self) -> String {
        let text = self.text();
        format!("{}-{}", &text[..4], &text[4..])
    }

    /// Reads a code in any case, with dashes or blanks, or the whole link.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        read(text.rsplit('#').next().unwrap_or(text)).map(Self)
    }

    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        blake3::derive_key(PAIR_CONTEXT, &self.0)
    }
}

/// What a device that asked to be let in waits with: 128 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket([u8; LONG_CHARACTERS]);

impl Ticket {
    #[must_use]
    pub fn new(chance: Chance<'_>) -> Self {
        let mut bytes = [0; 16];
        chance(&mut bytes);
        Self(spelt(u128::from_be_bytes(bytes)))
    }

    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.0)
    }

    pub fn parse(text: &str) -> Result<Self, Malformed> {
        read(text).map(Self)
    }

    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        blake3::derive_key(TICKET_CONTEXT, &self.0)
    }
}

macro_rules! silent_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}
silent_debug!(ResetCode, PairCode, Ticket);

fn text_of(characters: &[u8]) -> String {
    characters
        .iter()
        .map(|character| char::from(*character))
        .collect()
}

/// The lowest bits of a number, five to a character.
fn spelt<const N: usize>(bits: u128) -> [u8; N] {
    std::array::from_fn(|at| CROCKFORD[((bits >> (5 * (N - 1 - at))) & 31) as usize])
}

/// Characters as they were meant: letters that look like digits are those digits.
fn read<const N: usize>(text: &str) -> Result<[u8; N], Malformed> {
    let mut code: [u8; N] = symbols(text)?;
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
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let all: [u8; LONG_CHARACTERS] = spelt(u128::MAX);
        assert_eq!(
            &all[..2],
            b"7Z",
            "128 bits need 26 characters, the first of three bits"
        );
        let shown = code.shown();
        assert_eq!(shown.len(), LONG_CHARACTERS + 5);
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
}
