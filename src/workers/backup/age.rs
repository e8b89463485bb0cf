//! Files in age's form (C2SP, age.md, version 1), for one X25519 recipient: written with the public half, read with the secret
//! one. What must not live here: what is in the files, and where they lie.
//!
//! Own code, since the format is a page and everything secret in it is `ring`'s and `x25519-dalek`'s, which are here already
//! (docs/decisions/0016-backups.md). The tests hold it to files that age itself made.

use std::io::{self, BufRead, Read, Write};

use bech32::Hrp;
use data_encoding::BASE64_NOPAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

const VERSION: &str = "age-encryption.org/v1";
const WRAP_INFO: &[u8] = b"age-encryption.org/v1/X25519";
const IDENTITY: Hrp = Hrp::parse_unchecked("age-secret-key-");
const RECIPIENT: Hrp = Hrp::parse_unchecked("age");
/// What is sealed at once, and what the seal adds.
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
const FILE_KEY: usize = 16;
/// A header is a few lines; more is no file of ours.
const HEADER_BYTES: usize = 64 * 1024;
/// A line of a stanza's body; a shorter one ends it.
const BODY_LINE: usize = 64;

/// Why a text is no key, or a file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AgeError {
    #[error("this is not a recovery key: it begins with AGE-SECRET-KEY-1 and has 74 characters")]
    NotAKey,
    #[error("the recovery key has a slip in it: one or more of its characters are not as on the sheet")]
    KeyMistyped,
    #[error("this is not a recipient of age's X25519 kind")]
    NotARecipient,
    #[error("this file was encrypted to another key")]
    OtherKey,
    #[error("this is not a file in age's form: {0}")]
    NotAge(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The public half.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

/// The secret half; cleared from memory when dropped.
pub struct Identity(StaticSecret);

impl Recipient {
    pub fn parse(text: &str) -> Result<Recipient, AgeError> {
        let (hrp, bytes) = bech32::decode(text).map_err(|_| AgeError::NotARecipient)?;
        let bytes = bytes.try_into().map_err(|_| AgeError::NotARecipient)?;
        if hrp != RECIPIENT {
            return Err(AgeError::NotARecipient);
        }
        Ok(Recipient(bytes))
    }
}

impl Identity {
    /// From what somebody typed, with the spaces and line breaks that help to read it.
    pub fn parse(text: &str) -> Result<Identity, AgeError> {
        let bare: Zeroizing<String> = Zeroizing::new(text.split_whitespace().collect());
        if !bare.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-1") {
            return Err(AgeError::NotAKey);
        }
        let (hrp, bytes) = bech32::decode(&bare).map_err(|_| AgeError::KeyMistyped)?;
        let bytes = Zeroizing::new(bytes);
        let mut secret: [u8; 32] = bytes.as_slice().try_into().map_err(|_| AgeError::NotAKey)?;
        if hrp != IDENTITY {
            return Err(AgeError::NotAKey);
        }
        let identity = Identity(StaticSecret::from(secret));
        secret.zeroize();
        Ok(identity)
    }

    pub fn recipient(&self) -> Recipient {
        Recipient(PublicKey::from(&self.0).to_bytes())
    }
}

/// Encrypts what is written to it. Without `finish` the file has no end, and nobody reads it.
pub struct Encryptor<W: Write> {
    inner: W,
    sealer: Sealer,
    chunk: Vec<u8>,
    plain: blake3::Hasher,
    share: [u8; 32],
    wrap: LessSafeKey,
}

/// Opens the one file that was written with it, as the recipient's key does: by its own half of what the two agreed upon. It is not
/// stored, so that after this nobody but the recipient opens it.
pub struct Proof {
    share: [u8; 32],
    wrap: LessSafeKey,
    plain: blake3::Hash,
}

/// Decrypts what it reads. Only bytes whose seal was right are given out.
pub struct Decryptor<R: Read> {
    inner: R,
    sealer: Sealer,
    chunk: Vec<u8>,
    /// The first byte of the next chunk, read to know whether there is one.
    ahead: Option<u8>,
    at: usize,
    is_over: bool,
}

impl<W: Write> Encryptor<W> {
    /// Writes the header. `random` fills what must be chance.
    pub fn begin(recipient: Recipient, mut inner: W, random: &dyn Fn(&mut [u8])) -> io::Result<Encryptor<W>> {
        let mut file_key = Zeroizing::new([0; FILE_KEY]);
        random(&mut *file_key);
        let mut secret = [0; 32];
        random(&mut secret);
        let ephemeral = StaticSecret::from(secret);
        secret.zeroize();
        let share = PublicKey::from(&ephemeral).to_bytes();
        let shared = ephemeral.diffie_hellman(&PublicKey::from(recipient.0));
        if !shared.was_contributory() {
            return Err(io::Error::other(
                "the recipient is not a point that can be encrypted to",
            ));
        }
        let wrap = wrap_key(shared.as_bytes(), &share, &recipient.0);
        let mut body = file_key.to_vec();
        seal(&wrap, [0; 12], &mut body);
        let mut header = format!(
            "{VERSION}\n-> X25519 {}\n{}\n---",
            BASE64_NOPAD.encode(&share),
            BASE64_NOPAD.encode(&body)
        );
        let mac = hmac::sign(&header_key(&file_key), header.as_bytes());
        header.push_str(&format!(" {}\n", BASE64_NOPAD.encode(mac.as_ref())));
        inner.write_all(header.as_bytes())?;
        let mut nonce = [0; 16];
        random(&mut nonce);
        inner.write_all(&nonce)?;
        Ok(Encryptor {
            inner,
            sealer: Sealer::new(&file_key, &nonce),
            chunk: Vec::with_capacity(CHUNK + TAG),
            plain: blake3::Hasher::new(),
            share,
            wrap,
        })
    }

    /// Seals the end, and gives back what was written to, and what shows that it can be opened.
    pub fn finish(mut self) -> io::Result<(W, Proof)> {
        self.put(true)?;
        self.inner.flush()?;
        let proof = Proof {
            share: self.share,
            wrap: self.wrap,
            plain: self.plain.finalize(),
        };
        Ok((self.inner, proof))
    }

    fn put(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = self.sealer.next(is_last);
        seal(&self.sealer.key, nonce, &mut self.chunk);
        self.inner.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl<W: Write> Write for Encryptor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only the last chunk may be short, and it may not be empty: a full one waits until it is known not to be the last.
        if self.chunk.len() == CHUNK && !bytes.is_empty() {
            self.put(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        self.plain.update(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Proof {
    /// Opens a file to its end, and holds what is in it to what was written.
    ///
    /// # Errors
    /// For another file, and for one of which any byte is another.
    pub fn holds(&self, mut file: impl BufRead) -> Result<(), AgeError> {
        let header = Header::read(&mut file)?;
        let stanza = header.stanzas.iter().find(|(share, _)| *share == self.share);
        let (_, body) = stanza.ok_or(AgeError::OtherKey)?;
        let file_key = unwrapped(&self.wrap, body).ok_or(AgeError::OtherKey)?;
        let mut opened = Decryptor::opened(&header, &file_key, file)?;
        let mut plain = blake3::Hasher::new();
        io::copy(&mut opened, &mut plain)?;
        if plain.finalize() != self.plain {
            return Err(damaged().into());
        }
        Ok(())
    }
}

impl<R: BufRead> Decryptor<R> {
    /// Reads the header.
    pub fn open(identity: &Identity, mut inner: R) -> Result<Decryptor<R>, AgeError> {
        let header = Header::read(&mut inner)?;
        let file_key = header.file_key(identity)?;
        Decryptor::opened(&header, &file_key, inner)
    }

    /// Begins with what stands behind the header.
    fn opened(header: &Header, file_key: &[u8; FILE_KEY], mut inner: R) -> Result<Decryptor<R>, AgeError> {
        if hmac::verify(&header_key(file_key), &header.signed, &header.mac).is_err() {
            return Err(AgeError::NotAge("its header was changed"));
        }
        let mut nonce = [0; 16];
        inner.read_exact(&mut nonce)?;
        let mut first = [0];
        inner.read_exact(&mut first)?;
        Ok(Decryptor {
            inner,
            sealer: Sealer::new(file_key, &nonce),
            chunk: Vec::with_capacity(CHUNK + TAG),
            ahead: Some(first[0]),
            at: 0,
            is_over: false,
        })
    }
}

impl<R: Read> Decryptor<R> {
    /// The next chunk; an error for one that is not as it was written.
    fn fill(&mut self) -> io::Result<()> {
        let Some(first) = self.ahead.take() else {
            self.is_over = true;
            return Ok(());
        };
        self.chunk.clear();
        self.at = 0;
        self.chunk.push(first);
        let rest = (CHUNK + TAG) as u64;
        (&mut self.inner).take(rest).read_to_end(&mut self.chunk)?;
        let is_last = self.chunk.len() <= CHUNK + TAG;
        if !is_last {
            self.ahead = self.chunk.pop();
        }
        let is_first = self.sealer.counter == 0;
        let nonce = self.sealer.next(is_last);
        let opened = self
            .sealer
            .key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut self.chunk)
            .map(|plain| plain.len());
        let length = opened.map_err(|_| damaged())?;
        if length == 0 && !is_first {
            return Err(damaged());
        }
        self.chunk.truncate(length);
        self.is_over = is_last && length == 0;
        Ok(())
    }
}

/// Changed or cut off: the seal does not say which.
fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the backup is damaged or cut off: its encryption does not open from here on",
    )
}

impl<R: Read> Read for Decryptor<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() && !self.is_over {
            self.fill()?;
        }
        if self.is_over {
            return Ok(0);
        }
        let given = out.len().min(self.chunk.len() - self.at);
        out[..given].copy_from_slice(&self.chunk[self.at..self.at + given]);
        self.at += given;
        Ok(given)
    }
}

/// The key of the payload, and how many chunks it has sealed.
struct Sealer {
    key: LessSafeKey,
    counter: u64,
}

impl Sealer {
    fn new(file_key: &[u8; FILE_KEY], nonce: &[u8; 16]) -> Sealer {
        Sealer {
            key: chacha(&derived(nonce, file_key, b"payload")),
            counter: 0,
        }
    }

    /// Eleven bytes that count, and one that says whether it is the last.
    fn next(&mut self, is_last: bool) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.counter.to_be_bytes());
        nonce[11] = u8::from(is_last);
        self.counter += 1;
        nonce
    }
}

fn chacha(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has the cipher's length"))
}

fn seal(key: &LessSafeKey, nonce: [u8; 12], bytes: &mut Vec<u8>) {
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), bytes)
        .expect("a chunk is far below the cipher's bound");
}

fn derived(salt: &[u8], secret: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|made| made.fill(&mut *key))
        .expect("the length asked for is the hash's own");
    key
}

fn wrap_key(shared: &[u8; 32], share: &[u8; 32], recipient: &[u8; 32]) -> LessSafeKey {
    let salt = [&share[..], &recipient[..]].concat();
    chacha(&derived(&salt, shared, WRAP_INFO))
}

/// The file's key, as a stanza has it.
fn unwrapped(wrap: &LessSafeKey, body: &[u8]) -> Option<Zeroizing<[u8; FILE_KEY]>> {
    let mut body = Zeroizing::new(body.to_vec());
    let opened = wrap.open_in_place(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut body);
    let key = <[u8; FILE_KEY]>::try_from(&*opened.ok()?).ok()?;
    Some(Zeroizing::new(key))
}

fn header_key(file_key: &[u8; FILE_KEY]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &*derived(&[], file_key, b"header"))
}

/// What stands before the payload.
struct Header {
    /// (share, sealed file key) of each X25519 stanza.
    stanzas: Vec<([u8; 32], Vec<u8>)>,
    /// Everything that the MAC is over.
    signed: Vec<u8>,
    mac: Vec<u8>,
}

impl Header {
    fn read(inner: &mut impl BufRead) -> Result<Header, AgeError> {
        let mut header = Header {
            stanzas: Vec::new(),
            signed: Vec::new(),
            mac: Vec::new(),
        };
        let first = header.line(inner)?;
        if first != VERSION {
            return Err(AgeError::NotAge("its first line is another"));
        }
        let mut next = header.line(inner)?;
        while let Some(arguments) = next.strip_prefix("-> ") {
            let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
            let mut body = String::new();
            loop {
                let line = header.line(inner)?;
                body.push_str(&line);
                if line.len() > BODY_LINE {
                    return Err(AgeError::NotAge("a line of its header is too long"));
                }
                if line.len() < BODY_LINE {
                    break;
                }
            }
            header.stanza(&arguments, &body)?;
            next = header.line(inner)?;
        }
        let mac = next.strip_prefix("--- ").and_then(decoded);
        header.mac = mac.ok_or(AgeError::NotAge("its header does not end as it should"))?;
        // The MAC is over the three dashes, too, and over nothing behind them.
        let end = header.signed.len() - next.len() - 1 + 3;
        header.signed.truncate(end);
        Ok(header)
    }

    fn line(&mut self, inner: &mut impl BufRead) -> Result<String, AgeError> {
        let left = HEADER_BYTES.saturating_sub(self.signed.len()) as u64;
        let mut line = Vec::new();
        inner.by_ref().take(left).read_until(b'\n', &mut line)?;
        self.signed.extend_from_slice(&line);
        if line.pop() != Some(b'\n') {
            return Err(AgeError::NotAge("its header has no end"));
        }
        String::from_utf8(line).map_err(|_| AgeError::NotAge("its header is no text"))
    }

    /// Keeps what an X25519 identity can open; of others there may be any number.
    fn stanza(&mut self, arguments: &[String], body: &str) -> Result<(), AgeError> {
        let [kind, share] = arguments else { return Ok(()) };
        if kind != "X25519" {
            return Ok(());
        }
        let share = decoded(share).and_then(|share| share.try_into().ok());
        match (share, decoded(body)) {
            (Some(share), Some(body)) if body.len() == FILE_KEY + TAG => {
                self.stanzas.push((share, body));
                Ok(())
            }
            _ => Err(AgeError::NotAge("the part for the key is damaged")),
        }
    }

    fn file_key(&self, identity: &Identity) -> Result<Zeroizing<[u8; FILE_KEY]>, AgeError> {
        let own = identity.recipient().0;
        for (share, body) in &self.stanzas {
            let shared = identity.0.diffie_hellman(&PublicKey::from(*share));
            if !shared.was_contributory() {
                return Err(AgeError::NotAge("the part for the key is damaged"));
            }
            if let Some(key) = unwrapped(&wrap_key(shared.as_bytes(), share, &own), body) {
                return Ok(key);
            }
        }
        Err(AgeError::OtherKey)
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64_NOPAD.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use data_encoding::BASE64;

    use super::*;

    /// The pair of age's own documentation (filippo.io/age, example_test.go).
    const KEY: &str = "AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU";
    const PUBLIC: &str = "age1cy0su9fwf3gf9mw868g5yut09p6nytfmmnktexz2ya5uqg9vl9sss4euqm";
    const OTHER: &str = "age1dryz0he3wpt6c47rkgssclark847665lm7prckwzh929u8stpguqqjnyqt";
    /// Written by age 1.1.1 (`age -r`), to this key, and to another one besides.
    const BY_AGE: [(&str, &str); 3] = [
        (
            "what age wrote\n",
            "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSB1ZXdZd1hhcElXR1J3YlY0MklyT1RsU0lYbmdtWWhKbVRlcHQzcW5HS0c0Ck1DMjZK\
             OUZKNmhyblNIT0EvVVhJWFpLSUorc0c5b2NuOXc5VFNYRlBjWWMKLS0tIHJzU1lSWTBBTG5WT1FNWlNuYUtQWVoxYWtaQURsTDU5QVZiRGJB\
             VktkbVUKRi2mFN8dsoeiz5/VmuRtLDD95wVhUG+PRtf/BTLC+gRbFLL5Ba4xTnQewoP55v0=",
        ),
        (
            "",
            "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBFQzFaZWJHY2Y1SnZYM3FmYUFTNVRrc0lvN1BVZFQ4ckZQQ2ExRGVMZFhFCkZlWnpQ\
             MGpWNENncHlhN0tkbzRITG5MM3VQM1RmdXZkZUxvemxSN2s4WWcKLS0tIFhxVENGaGdmalpUMEYrd3B5dDJjR001Ylp0ZHRhbDhDbDVxRWo1\
             bG9xdlkKn4hijiJKyln6pba+yJ+CRmlOcek38CogorE3KyzYbfw=",
        ),
        (
            "for two\n",
            "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBFV0ViS3dDVm1kSDNqL0tHR2pZUXB2NUtJeG50SC80RmFzS3ZVaXhwWkVBCjlnNUZu\
             RHBmWmg2WlNEd0M2ekN2V3ZlbW5BVTdxUjM2VW0vUWZCQituVVkKLT4gWDI1NTE5IEhUZDMzUUJ2bHgxSlZUNVA1QUgvVEhmL3JNSzdGWU5W\
             R0lDOTNvNXhGRU0KRFY1MlJPR05EL1RBZXQvSy93UmdBRWlPeTlyZXJ0Znp0UlBwUWZ1TW1IOAotLS0gV1lWazJGYTdXQlJIVkRBRXZCbDFW\
             Ymg2N3FZVlNhbWhvaFErQjBMNzhBbwpB6Tnh0PjYR94UB2X8/gNJY+f5/YaraNd82CS1zWjMHaainLTFdo0o",
        ),
    ];

    fn chance(out: &mut [u8]) {
        getrandom::fill(out).expect("there is chance");
    }

    fn sealed(plain: &[u8], recipient: &str) -> Vec<u8> {
        proven(plain, recipient).0
    }

    fn proven(plain: &[u8], recipient: &str) -> (Vec<u8>, Proof) {
        let recipient = Recipient::parse(recipient).expect("a recipient");
        let mut writer = Encryptor::begin(recipient, Vec::new(), &chance).expect("it begins");
        writer.write_all(plain).expect("a vector takes all");
        writer.finish().expect("it ends")
    }

    fn opened(file: &[u8]) -> Result<Vec<u8>, AgeError> {
        let identity = Identity::parse(KEY).expect("a key");
        let mut plain = Vec::new();
        Decryptor::open(&identity, Cursor::new(file))?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn what_age_wrote_is_read() {
        for (plain, file) in BY_AGE {
            let file = BASE64.decode(file.as_bytes()).expect("base64");
            assert_eq!(opened(&file).expect("it opens"), plain.as_bytes());
        }
    }

    #[test]
    fn what_is_written_is_read_at_every_length_around_a_chunk() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7] {
            let plain: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let file = sealed(&plain, PUBLIC);
            assert_eq!(opened(&file).expect("it opens"), plain, "{length}");
        }
    }

    #[test]
    fn a_proof_holds_for_the_whole_of_its_own_file() {
        for length in [0, 1, CHUNK, CHUNK + 100] {
            let plain = vec![7; length];
            let (file, proof) = proven(&plain, PUBLIC);
            proof.holds(Cursor::new(&file)).expect("nothing was changed");
            for at in (0..220.min(file.len())).chain([file.len() / 2, file.len() - 1]) {
                let mut changed = file.clone();
                changed[at] ^= 1;
                assert!(
                    proof.holds(Cursor::new(&changed)).is_err(),
                    "byte {at} of {length}"
                );
            }
            assert!(proof.holds(Cursor::new(&file[..file.len() - 1])).is_err());
            let other = sealed(&plain, PUBLIC);
            assert!(matches!(
                proof.holds(Cursor::new(&other)),
                Err(AgeError::OtherKey)
            ));
        }
        // Whole, opened by the right key, and not what was to be kept.
        let (file, mut proof) = proven(b"one", PUBLIC);
        proof.plain = blake3::hash(b"two");
        assert!(proof.holds(Cursor::new(&file)).is_err());
    }

    #[test]
    fn nothing_that_was_changed_or_cut_off_is_read_to_its_end() {
        let plain = vec![7; CHUNK + 100];
        let file = sealed(&plain, PUBLIC);
        let places = (0..220).chain([file.len() / 2, file.len() - 1]);
        for at in places {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(opened(&changed).is_err(), "byte {at}");
        }
        for length in [
            0,
            20,
            100,
            200,
            216,
            217,
            CHUNK,
            file.len() - 117,
            file.len() - 116,
            file.len() - 1,
        ] {
            assert!(opened(&file[..length]).is_err(), "{length} bytes of it");
        }
        let longer = [&file[..], b"x"].concat();
        assert!(opened(&longer).is_err());
    }

    #[test]
    fn another_key_is_told_from_a_slip() {
        assert!(matches!(opened(&sealed(b"x", OTHER)), Err(AgeError::OtherKey)));
        let spaced = format!(" {}\n{} ", &KEY[..20], KEY[20..].to_lowercase());
        assert!(Identity::parse(&spaced).is_err(), "bech32 is of one case");
        let spaced = format!(" {}\n{} {}", &KEY[..20], &KEY[20..30], &KEY[30..]);
        let identity = Identity::parse(&spaced).expect("spaces help to read it");
        assert!(identity.recipient() == Recipient::parse(PUBLIC).expect("a recipient"));
        let slip = KEY.replace("84JM", "84JN");
        assert!(matches!(Identity::parse(&slip), Err(AgeError::KeyMistyped)));
        for wrong in ["", PUBLIC, "AGE-SECRET-KEY-1", "my cat"] {
            assert!(Identity::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Recipient::parse(KEY).is_err() && Recipient::parse("age1qqq").is_err());
    }
}
