//! Identities on the wire. What must not live here: how they are stored or found.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An event's place in its conversation: 1, 2, 3, ... without a gap.
pub type Seq = u64;
/// Milliseconds since 1970-01-01 UTC. Shown, never compared.
pub type Timestamp = u64;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ID_CHARS: usize = 10;
/// Ids are random numbers of 48 bits: short in the store, and a restore cannot give one out again.
pub const ID_MASK: u64 = (1 << 48) - 1;

/// Why a text is not an id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected `{prefix}` and ten characters of 0-9 a-z without i, l, o, u")]
pub struct BadId {
    prefix: char,
}

/// The form that an error says it expected, where those words are ours: libraries keep only an error's text.
pub(super) fn form_in(error: &str) -> Option<String> {
    let request = "a text of at most 64 bytes, or a whole number below 2^53";
    if error.contains(request) {
        return Some(request.to_owned());
    }
    if error.contains(&BadBlobId.to_string()) {
        return Some(BlobId::FORM.to_owned());
    }
    ['u', 'c', 'i', 'f'].into_iter().find_map(|prefix| {
        let text = BadId { prefix }.to_string();
        let form = text.strip_prefix("expected ")?;
        error.contains(&text).then(|| form.to_owned())
    })
}

fn write_id(out: &mut [u8; ID_CHARS + 1], prefix: u8, value: u64) {
    out[0] = prefix;
    for (index, byte) in out[1..].iter_mut().enumerate() {
        *byte = ALPHABET[((value >> (5 * (ID_CHARS - 1 - index))) & 31) as usize];
    }
}

fn read_id(text: &str, prefix: u8) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() != ID_CHARS + 1 || bytes[0] != prefix {
        return None;
    }
    let mut value = 0u64;
    for byte in &bytes[1..] {
        let digit = ALPHABET.iter().position(|known| known == byte)?;
        value = value << 5 | digit as u64;
    }
    (value <= ID_MASK).then_some(value)
}

macro_rules! wire_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The id made of 48 random bits.
            #[must_use]
            pub fn from_random(bytes: [u8; 8]) -> $name {
                $name(u64::from_le_bytes(bytes) & ID_MASK)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; ID_CHARS + 1];
                write_id(&mut text, $prefix, self.0);
                f.pad(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                read_id(text, $prefix).map($name).ok_or(BadId { prefix: $prefix as char })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut text = [0; ID_CHARS + 1];
                write_id(&mut text, $prefix, self.0);
                serializer.serialize_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let pattern = format!("^{}[0-9a-hjkmnp-tv-z]{{10}}$", $prefix as char);
                schemars::json_schema!({ "type": "string", "pattern": pattern })
            }
        }
    };
}

wire_id!(
    /// A person or a bot on this server: `u` and ten characters.
    UserId,
    b'u'
);
wire_id!(
    /// A file on its way to the server: `f` and ten characters.
    UploadId,
    b'f'
);
wire_id!(
    /// A conversation: `c` and ten characters.
    ConversationId,
    b'c'
);
wire_id!(
    /// An invitation to this server: `i` and ten characters.
    InvitationId,
    b'i'
);

/// A stored file: the BLAKE3 hash of its bytes, as 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

/// Why a text is not a blob's id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected {}", BlobId::FORM)]
pub struct BadBlobId;

impl BlobId {
    const FORM: &str = "64 hexadecimal digits in lower case";
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BlobId {
    type Err = BadBlobId;
    fn from_str(text: &str) -> Result<Self, BadBlobId> {
        let mut hash = [0; 32];
        if text.len() != 64 {
            return Err(BadBlobId);
        }
        match data_encoding::HEXLOWER.decode_mut(text.as_bytes(), &mut hash) {
            Ok(32) => Ok(BlobId(hash)),
            _ => Err(BadBlobId),
        }
    }
}

impl Serialize for BlobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BlobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for BlobId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BlobId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

macro_rules! wire_uuid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": "uuid" })
            }
        }
    };
}

wire_uuid!(
    /// A device: a UUID the client makes once, presents at every sign-in and never reuses.
    DeviceId
);
wire_uuid!(
    /// A command's identity: a UUID the client chooses (version 7 spares the card), unique per device for ever.
    ClientId
);

/// A request's identity on its connection, echoed as `re`: a text of at most 64 bytes or a whole number below 2^53.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "an `id` is a text of at most 64 bytes, or a whole number below 2^53"
)]
pub enum RequestId {
    Number(u64),
    Text(#[schemars(length(max = 64))] Box<str>),
}

impl RequestId {
    #[must_use]
    pub fn is_valid(&self) -> bool {
        match self {
            RequestId::Number(number) => *number < 1 << 53,
            RequestId::Text(text) => text.len() <= 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_refuse_what_is_not_theirs() {
        let id = ConversationId::from_random([0xff; 8]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(UserId(0).to_string(), "u0000000000");
        for bad in [
            "",
            "c",
            "u000000000",
            "c00000000000",
            "c000000000i",
            "U0000000000",
            "cZ000000000",
            "czzzzzzzzzz",
        ] {
            assert!(bad.parse::<ConversationId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_blobs_id_is_its_hash_and_nothing_else() {
        let id = BlobId([0xa5; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "..",
            &"A5".repeat(32),
            &"a5".repeat(31),
            &"a5".repeat(33),
            &"/.".repeat(32),
        ] {
            assert_eq!(bad.parse::<BlobId>(), Err(BadBlobId), "{bad}");
        }
    }
}
