//! The text of a push message, made readable for one receiver only (RFC 8291, with the coding of RFC 8188).
//! What must not live here: what is in it.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};

use crate::store::sqlite::push::{AUTH, POINT};

/// One record of this size holds it all; push services take no more than 4,096 bytes (RFC 8291, section 4).
const RECORD: u32 = 4_096;
const SALT: usize = 16;
const TAG: usize = 16;
/// Salt, record size, length of the key, key.
const HEADER: usize = SALT + 4 + 1 + POINT;
/// Texts are filled up to a multiple of this, so that their length tells little.
const STEP: usize = 256;
/// What a text may have: the record without header, tag and the mark at its end.
pub const ROOM: usize = RECORD as usize - HEADER - TAG - 1;

/// It could not be sealed: the receiver's key is no point of the curve, or the text has no room.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsealed;

/// The length of a derived key.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Seals a text with a key pair made for it alone.
///
/// # Errors
/// See [`Unsealed`].
pub fn seal(receiver: &[u8; POINT], auth: &[u8; AUTH], text: &[u8]) -> Result<Vec<u8>, Unsealed> {
    let chance = SystemRandom::new();
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &chance).map_err(|_| Unsealed)?;
    let own_public = own.compute_public_key().map_err(|_| Unsealed)?;
    let own_public: [u8; POINT] = own_public.as_ref().try_into().map_err(|_| Unsealed)?;
    let mut salt = [0; SALT];
    chance.fill(&mut salt).map_err(|_| Unsealed)?;
    let whole = text.len() + 1;
    let filled = whole.next_multiple_of(STEP).min(ROOM + 1);
    let peer = UnparsedPublicKey::new(&ECDH_P256, receiver);
    agree_ephemeral(own, &peer, |shared| {
        let keys = Keys {
            receiver,
            sender: &own_public,
            auth,
            salt: &salt,
        };
        record(&keys, shared, text, filled.saturating_sub(whole))
    })
    .map_err(|_| Unsealed)?
}

struct Keys<'a> {
    receiver: &'a [u8; POINT],
    sender: &'a [u8; POINT],
    auth: &'a [u8; AUTH],
    salt: &'a [u8; SALT],
}

fn derive(from: &Prk, info: &[&[u8]], out: &mut [u8]) -> Result<(), Unsealed> {
    let derived = from.expand(info, Length(out.len())).map_err(|_| Unsealed)?;
    derived.fill(out).map_err(|_| Unsealed)
}

/// The one record, from the shared secret on.
fn record(keys: &Keys<'_>, shared: &[u8], text: &[u8], filling: usize) -> Result<Vec<u8>, Unsealed> {
    if text.len() > ROOM {
        return Err(Unsealed);
    }
    let mut secret = [0; 32];
    let both = Salt::new(HKDF_SHA256, keys.auth).extract(shared);
    derive(
        &both,
        &[b"WebPush: info\0", keys.receiver, keys.sender],
        &mut secret,
    )?;
    let (mut key, mut nonce) = ([0; 16], [0; 12]);
    let of_record = Salt::new(HKDF_SHA256, keys.salt).extract(&secret);
    derive(&of_record, &[b"Content-Encoding: aes128gcm\0"], &mut key)?;
    derive(&of_record, &[b"Content-Encoding: nonce\0"], &mut nonce)?;
    let mut body = Vec::with_capacity(RECORD as usize);
    body.extend_from_slice(keys.salt);
    body.extend_from_slice(&RECORD.to_be_bytes());
    body.push(u8::try_from(POINT).expect("a point has 65 bytes"));
    body.extend_from_slice(keys.sender);
    body.extend_from_slice(text);
    // The mark of the last record, then nothing but zeros.
    body.push(2);
    body.resize(body.len() + filling, 0);
    let cipher = UnboundKey::new(&AES_128_GCM, &key).map_err(|_| Unsealed)?;
    let tag = LessSafeKey::new(cipher)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::empty(),
            &mut body[HEADER..],
        )
        .map_err(|_| Unsealed)?;
    body.extend_from_slice(tag.as_ref());
    Ok(body)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        let decoded = BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url");
        decoded.try_into().expect("of that length")
    }

    const RECEIVER: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH_SECRET: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn the_example_of_rfc_8291() {
        let keys = Keys {
            receiver: &bytes(RECEIVER),
            sender: &bytes(
                "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
            ),
            auth: &bytes(AUTH_SECRET),
            salt: &bytes("DGv6ra1nlYgDCS1FRnbzlw"),
        };
        let shared: [u8; 32] = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let sealed =
            record(&keys, &shared, b"When I grow up, I want to be a watermelon", 0).expect("there is room");
        assert_eq!(
            BASE64URL_NOPAD.encode(&sealed),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl\
             7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn the_length_tells_little_and_ends_at_4096() {
        let seal = |length: usize| super::seal(&bytes(RECEIVER), &bytes(AUTH_SECRET), &vec![b'x'; length]);
        let length = |length| seal(length).expect("there is room").len();
        assert_eq!(length(1), length(255));
        assert!(length(255) < length(256));
        assert_eq!(length(ROOM), 4_096);
        assert_eq!(seal(ROOM + 1), Err(Unsealed));
    }

    #[test]
    fn a_key_that_is_no_point_is_refused() {
        let mut point: [u8; POINT] = bytes(RECEIVER);
        point[40] ^= 1;
        assert_eq!(seal(&point, &bytes(AUTH_SECRET), b""), Err(Unsealed));
    }
}
