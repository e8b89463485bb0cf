//! Opaque tokens and the claim code: how they are made, written, read and compared. All other codes are in `code`.
//!
//! What must not live here: who a token belongs to, where hashes are stored, and expiry. Chance and the server's secret
//! come in as arguments. No secret has a Debug or Display that shows it.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use thiserror::Error;

/// Where random bytes come from: the operating system, or a test's script.
pub type Chance<'a> = &'a mut dyn FnMut(&mut [u8]);

const TOKEN_PREFIX: &str = "kt_";
const TOKEN_BYTES: usize = 32;
/// Length of a token's text: the prefix and 43 characters of base64url.
pub const TOKEN_TEXT_BYTES: usize = TOKEN_PREFIX.len() + 43;

// One context per kind, so that no hash of one kind can ever serve as another. Changing one revokes what was issued.
const TOKEN_CONTEXT: &str = "kinglet 2026 session token v1";
const CLAIM_CONTEXT: &str = "kinglet 2026 claim code v1";
const DRAWN_CONTEXT: &str = "kinglet 2026 claim code drawn from the server's secret v1";
const BOT_LABEL: &[u8] = b"kinglet 2026 bot token v1";

const CLAIM_DIGITS: usize = 10;
const CLAIM_CODES: u64 = 10_u64.pow(CLAIM_DIGITS as u32);
/// Wrong claim codes before none is taken until the next start.
pub const CLAIM_TRIES: u8 = 5;

/// No code is longer with all its separators; longer input is refused unread.
const CODE_TEXT_BYTES: usize = 128;

/// Fills `buffer` from the operating system. The only place that asks it.
pub fn os_random(buffer: &mut [u8]) {
    getrandom::fill(buffer)
        .expect("getrandom(2) cannot fail on a kernel that has it, and Kinglet needs such a kernel");
}

/// The text is not one of ours. It does not say why: whoever holds a real token never sees this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this is not a valid code or token; copy it again, whole")]
pub struct Malformed;

/// A session's secret: 256 random bits. It lives with the device; the server keeps only [`TokenHash`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; TOKEN_BYTES]);

/// What the server stores and looks up instead of a token.
///
/// A lookup by this hash needs no constant-time comparison: an index does leak, by its timing, how far two *hashes*
/// agree, but a caller who wants to use that must choose the hash of what he sends, and BLAKE3 does not let him. For
/// the same reason a plain fast hash is enough: 256 random bits cannot be guessed, unlike a password.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl Token {
    #[must_use]
    pub fn new(chance: Chance<'_>) -> Self {
        let mut bytes = [0; TOKEN_BYTES];
        chance(&mut bytes);
        Self(bytes)
    }

    /// The token for one request, from a secret that is not stored: the same request gives the same token.
    #[must_use]
    pub fn derive(secret: &[u8; 32], device: u64, client: &[u8; 16]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        hasher
            .update(BOT_LABEL)
            .update(&device.to_le_bytes())
            .update(client);
        Self(*hasher.finalize().as_bytes())
    }

    /// The text handed to the device, once.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{TOKEN_PREFIX}{}", BASE64URL_NOPAD.encode(&self.0))
    }

    /// Reads [`Token::text`] back. Every token has exactly one text: no padding, no spaces, no stray trailing bits.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() != TOKEN_TEXT_BYTES {
            return Err(Malformed);
        }
        let encoded = text.strip_prefix(TOKEN_PREFIX).ok_or(Malformed)?;
        let bytes = BASE64URL_NOPAD
            .decode(encoded.as_bytes())
            .map_err(|_| Malformed)?;
        Ok(Self(bytes.try_into().map_err(|_| Malformed)?))
    }

    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(blake3::derive_key(TOKEN_CONTEXT, &self.0))
    }
}

impl TokenHash {
    /// From the stored column.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The one-time code that makes its holder the owner of a new server: ten digits, printed at each start until then.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimCode(u64);

impl ClaimCode {
    /// The server's own, the same at each start: who has no screen turns the machine off to read it from its card.
    #[must_use]
    pub fn of(secret: &[u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = blake3::derive_key(DRAWN_CONTEXT, secret);
        // 2^64 is no multiple of 10^10: the first codes are likelier by one part in 10^9, which helps no one.
        Self(u64::from_le_bytes([a, b, c, d, e, f, g, h]) % CLAIM_CODES)
    }

    /// The form for people: `12345-67890`.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{:05}-{:05}", self.0 / 100_000, self.0 % 100_000)
    }

    /// Reads ten digits, whatever separates them.
    ///
    /// # Errors
    /// [`Malformed`] when there are not exactly ten digits, or when anything but separators stands between them.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let digits: [u8; CLAIM_DIGITS] = symbols(text)?;
        digits
            .iter()
            .try_fold(0, |code: u64, digit| match digit {
                b'0'..=b'9' => Ok(code * 10 + u64::from(digit - b'0')),
                _ => Err(Malformed),
            })
            .map(Self)
    }

    fn hash(&self) -> [u8; 32] {
        blake3::derive_key(CLAIM_CONTEXT, &self.0.to_le_bytes())
    }
}

/// Guards the claim: five tries, then closed until the next start. Kept in memory only, never stored:
/// ten digits could be found from their hash in seconds, so the hash is for comparing, not for hiding.
pub struct ClaimGate {
    hash: [u8; 32],
    tries_left: u8,
}

/// The claim code was wrong, or the tries are used up (then `tries_left` is 0 and a right code is refused as well).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the claim code is wrong, {tries_left} tries left; the code is in the server's output, and a restart gives five tries again"
)]
pub struct ClaimRefused {
    pub tries_left: u8,
}

impl ClaimGate {
    #[must_use]
    pub fn new(code: &ClaimCode) -> Self {
        Self {
            hash: code.hash(),
            tries_left: CLAIM_TRIES,
        }
    }

    /// Checks a typed code. Text that cannot be a code at all (a digit missing) costs no try: it tells nothing.
    /// A right code leaves the gate open, so that a claim which fails later (a bad user name) can be tried again; the
    /// caller closes it with [`ClaimGate::close`] once the owner is committed.
    ///
    /// # Errors
    /// [`ClaimRefused`] with what is left.
    pub fn try_code(&mut self, text: &str) -> Result<(), ClaimRefused> {
        let refused = |tries_left| Err(ClaimRefused { tries_left });
        if self.tries_left == 0 {
            return refused(0);
        }
        let Ok(code) = ClaimCode::parse(text) else {
            return refused(self.tries_left);
        };
        if same(&code.hash(), &self.hash) {
            return Ok(());
        }
        self.tries_left -= 1;
        refused(self.tries_left)
    }

    /// The server has its owner: no code works any more.
    pub const fn close(&mut self) {
        self.tries_left = 0;
    }
}

/// The `N` characters of a typed code without spaces, dashes and dots.
pub(super) fn symbols<const N: usize>(text: &str) -> Result<[u8; N], Malformed> {
    if text.len() > CODE_TEXT_BYTES {
        return Err(Malformed);
    }
    let mut found = [0; N];
    let mut count = 0;
    for c in text.chars() {
        if c.is_whitespace() || matches!(c, '-' | '_' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}') {
            continue;
        }
        *found.get_mut(count).ok_or(Malformed)? = u8::try_from(c).map_err(|_| Malformed)?;
        count += 1;
    }
    if count == N { Ok(found) } else { Err(Malformed) }
}

/// Compares without stopping at the first difference, so that time tells nothing about where it is.
fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0
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
silent_debug!(Token, TokenHash, ClaimCode);

impl fmt::Debug for ClaimGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimGate")
            .field("tries_left", &self.tries_left)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chance that counts: every byte of the n-th draw is n.
    fn counting() -> impl FnMut(&mut [u8]) {
        let mut draw = 0;
        move |buffer| {
            draw += 1;
            buffer.fill(draw);
        }
    }

    fn claim(code: u64) -> ClaimCode {
        ClaimCode(code)
    }

    #[test]
    fn a_token_has_one_text_and_comes_back_from_it() {
        let token = Token::new(&mut counting());
        let text = token.text();
        assert_eq!(text, "kt_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE");
        assert_eq!(text.len(), TOKEN_TEXT_BYTES);
        assert_eq!(Token::parse(&text), Ok(token));
    }

    #[test]
    fn anything_but_a_token_is_refused() {
        let text = Token::new(&mut counting()).text();
        let mut bad = vec![
            String::new(),
            text[3..].to_owned(),
            format!("{text}="),
            format!("{text} "),
            format!(" {text}"),
            text.replace("kt_", "KT_"),
            text.replace("kt_", "kx_"),
            text[..text.len() - 1].to_owned(),
            format!("{text}A"),
            text.replacen("AQ", "A+", 1),
            text.replacen("AQ", "A/", 1),
            text.replacen("AQE", "é", 1),
            "kt_".repeat(100_000),
        ];
        // The last character carries two spare bits; a token must not have four texts.
        bad.push(format!("{}F", &text[..text.len() - 1]));
        for text in bad {
            assert_eq!(Token::parse(&text), Err(Malformed), "{text:.60}");
        }
    }

    #[test]
    fn tokens_differ_and_so_do_their_hashes() {
        let mut chance = counting();
        let (one, two) = (Token::new(&mut chance), Token::new(&mut chance));
        assert_ne!(one.text(), two.text());
        assert_ne!(one.hash(), two.hash());
        assert_ne!(one.hash().as_bytes(), &one.0, "the stored hash is not the token");
        assert_eq!(TokenHash::from_bytes(*one.hash().as_bytes()), one.hash());
        // Pinned: a change of the context or the hash would sign everyone out.
        let hex = data_encoding::HEXLOWER.encode(one.hash().as_bytes());
        assert_eq!(
            hex,
            "35386698060ad64a906e293c7af3ecd874cf1f8bc05dff75bd020cae2732bbcd"
        );
    }

    #[test]
    fn the_system_gives_fresh_bytes() {
        let (mut one, mut two) = ([0; 32], [0; 32]);
        os_random(&mut one);
        os_random(&mut two);
        assert_ne!(one, [0; 32]);
        assert_ne!(one, two);
    }

    #[test]
    fn a_claim_code_is_ten_digits_however_typed() {
        let code = claim(1_234_567_890);
        assert_eq!(code.shown(), "12345-67890");
        for text in [
            "12345-67890",
            "1234567890",
            " 12345 67890\n",
            "123-456-78-90",
            "12345–67890",
        ] {
            assert_eq!(ClaimCode::parse(text), Ok(code.clone()), "{text}");
        }
        for text in [
            "",
            "123456789",
            "12345678901",
            "12345-6789x",
            "１２３４５６７８９０",
            "+1234567890",
        ] {
            assert_eq!(ClaimCode::parse(text), Err(Malformed), "{text}");
        }
        assert_eq!(claim(7).shown(), "00000-00007");
        assert_eq!(ClaimCode::parse("0000000007"), Ok(claim(7)));
        for secret in 0..=255 {
            let drawn = ClaimCode::of(&[secret; 32]);
            assert!(drawn.0 < CLAIM_CODES, "never an eleventh digit");
            assert_eq!(drawn, ClaimCode::of(&[secret; 32]), "the same at each start");
            assert_ne!(drawn, ClaimCode::of(&[secret ^ 1; 32]));
        }
    }

    #[test]
    fn the_claim_gate_gives_five_tries() {
        let mut gate = ClaimGate::new(&claim(42));
        assert_eq!(gate.try_code("not a code"), Err(ClaimRefused { tries_left: 5 }));
        for left in [4, 3, 2, 1] {
            assert_eq!(
                gate.try_code("00000-00043"),
                Err(ClaimRefused { tries_left: left })
            );
        }
        assert_eq!(
            gate.try_code("00000-00042"),
            Ok(()),
            "the last try may be the right one"
        );
        assert_eq!(gate.try_code("00000-00043"), Err(ClaimRefused { tries_left: 0 }));
        assert_eq!(
            gate.try_code("00000-00042"),
            Err(ClaimRefused { tries_left: 0 }),
            "too late"
        );
        assert_eq!(
            gate.try_code("00000-00043"),
            Err(ClaimRefused { tries_left: 0 }),
            "no wrap-around"
        );
    }

    #[test]
    fn a_closed_claim_gate_stays_closed() {
        let mut gate = ClaimGate::new(&claim(42));
        assert_eq!(gate.try_code("0000000042"), Ok(()));
        assert_eq!(
            gate.try_code("0000000042"),
            Ok(()),
            "until the owner is committed"
        );
        gate.close();
        assert_eq!(gate.try_code("0000000042"), Err(ClaimRefused { tries_left: 0 }));
    }

    #[test]
    fn comparing_sees_every_byte() {
        for at in 0..32 {
            let mut other = [7; 32];
            other[at] ^= 0x80;
            assert!(!same(&[7; 32], &other), "byte {at}");
        }
        assert!(same(&[7; 32], &[7; 32]));
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = Token([b'A'; 32]);
        let gate = ClaimGate::new(&claim(1_234_567_890));
        let printed = format!("{token:?} {:?} {:?} {gate:?}", token.hash(), claim(1_234_567_890));
        assert_eq!(
            printed,
            "Token(…) TokenHash(…) ClaimCode(…) ClaimGate { tries_left: 5, .. }"
        );
    }
}
