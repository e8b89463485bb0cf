//! WebSocket frames on the server side (RFC 6455), without I/O: words shared by the reader and the writer, the header,
//! the masking key, and the answer to a handshake. What must not live here: sockets, clocks, JSON, sessions.

mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use reader::Reader;
pub use writer::{head, push_binary, push_close, push_close_answer, push_ping, push_pong, push_text};

use data_encoding::BASE64;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The longest payload of a control frame (RFC 6455, 5.5).
pub const MAX_CONTROL: usize = 125;

/// The longest header a client can send: two bytes, a 64-bit length, a masking key.
const MAX_HEADER: usize = 14;

/// What a client may send in one message. It may differ from one feed to the next: small before sign-in, larger later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Payload bytes of one message, all fragments together.
    pub max_message: usize,
    /// Frames of one message, empty ones included. Without it a message of empty fragments would never end.
    pub max_fragments: u32,
}

/// One thing that a client said. It borrows the bytes that were fed, or the partial state that is about to be freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    /// To be answered by [`push_pong`] with the same bytes.
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// Always the last: whatever the client sends after it is discarded.
    Close {
        code: Option<u16>,
        reason: &'a str,
    },
}

/// What the sink wants after having taken an [`Incoming`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Continue,
    /// This one is taken; nothing more until the next feed.
    Stop,
}

/// A broken rule. The connection is to be closed with [`Violation::code`] and [`Violation::reason`]; both are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("reading a client frame: {}; close with {}", self.reason(), self.code())]
pub enum Violation {
    ReservedBits,
    ReservedOpcode,
    FragmentedControl,
    StrayContinuation,
    InterleavedMessage,
    TooManyFragments,
    Unmasked,
    LongControl,
    NonMinimalLength,
    LengthTopBit,
    TooBig,
    InvalidUtf8,
    ShortClose,
    BadCloseCode,
}

impl Violation {
    pub const fn code(self) -> u16 {
        match self {
            Self::InvalidUtf8 => 1007,
            Self::TooManyFragments => 1008,
            Self::TooBig => 1009,
            _ => 1002,
        }
    }

    pub const fn reason(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved bits are set",
            Self::ReservedOpcode => "unknown opcode",
            Self::FragmentedControl => "control frame is fragmented",
            Self::StrayContinuation => "continuation without a message",
            Self::InterleavedMessage => "new message inside a fragmented one",
            Self::TooManyFragments => "message has too many fragments",
            Self::Unmasked => "client frame is not masked",
            Self::LongControl => "control frame is longer than 125 bytes",
            Self::NonMinimalLength => "length is not in its shortest form",
            Self::LengthTopBit => "length has its top bit set",
            Self::TooBig => "message is too big",
            Self::InvalidUtf8 => "text is not UTF-8",
            Self::ShortClose => "close frame has half a code",
            Self::BadCloseCode => "close code is not allowed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl Opcode {
    const fn from_wire(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// The message that earlier frames began and none has ended yet, as far as a header must know it.
#[derive(Clone, Copy)]
struct Unfinished {
    fragments: u32,
    len: usize,
}

#[derive(Clone, Copy)]
struct Header {
    opcode: Opcode,
    fin: bool,
    mask: [u8; 4],
    len: usize,
}

impl Header {
    /// The header at the start of `bytes` and its size, or `None` while it is incomplete. Every byte is judged as soon
    /// as it is there and in its order, so the verdict does not depend on how the network cut the stream.
    fn parse(
        bytes: &[u8],
        unfinished: Option<Unfinished>,
        limits: &Limits,
    ) -> Result<Option<(Self, usize)>, Violation> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let (fin, opcode) = judge_first(first, unfinished, limits)?;
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        if second & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        let short = second & 0x7F;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL {
            return Err(Violation::LongControl);
        }
        let rest = &bytes[2..];
        let (len, mask_at) = match short {
            126 => {
                let Some(long) = rest.first_chunk() else {
                    return Ok(None);
                };
                (judge_length(u64::from(u16::from_be_bytes(*long)), 126)?, 2)
            }
            127 => {
                let Some(long) = rest.first_chunk() else {
                    return Ok(None);
                };
                (judge_length(u64::from_be_bytes(*long), 65_536)?, 8)
            }
            short => (u64::from(short), 0),
        };
        // The announcement alone is refused: not one byte is set aside for a payload that may not come.
        let limit = if opcode.is_control() {
            MAX_CONTROL
        } else {
            limits.max_message
        };
        let room = limit.saturating_sub(if opcode.is_control() {
            0
        } else {
            unfinished.map_or(0, |it| it.len)
        });
        let len = usize::try_from(len)
            .ok()
            .filter(|&len| len <= room)
            .ok_or(Violation::TooBig)?;
        let Some(&mask) = rest[mask_at..].first_chunk() else {
            return Ok(None);
        };
        Ok(Some((
            Self {
                opcode,
                fin,
                mask,
                len,
            },
            2 + mask_at + mask.len(),
        )))
    }

    /// Whether this frame is all of what it says, so that it needs no place to wait in.
    const fn stands_alone(&self) -> bool {
        self.fin && !matches!(self.opcode, Opcode::Continuation)
    }
}

fn judge_first(
    first: u8,
    unfinished: Option<Unfinished>,
    limits: &Limits,
) -> Result<(bool, Opcode), Violation> {
    let fin = first & 0x80 != 0;
    if first & 0x70 != 0 {
        return Err(Violation::ReservedBits);
    }
    let opcode = Opcode::from_wire(first & 0x0F).ok_or(Violation::ReservedOpcode)?;
    match (opcode, unfinished) {
        (Opcode::Continuation, None) => Err(Violation::StrayContinuation),
        (Opcode::Continuation, Some(it)) if it.fragments >= limits.max_fragments => {
            Err(Violation::TooManyFragments)
        }
        (Opcode::Text | Opcode::Binary, Some(_)) => Err(Violation::InterleavedMessage),
        _ if opcode.is_control() && !fin => Err(Violation::FragmentedControl),
        _ => Ok((fin, opcode)),
    }
}

fn judge_length(len: u64, least: u64) -> Result<u64, Violation> {
    if len >> 63 != 0 {
        return Err(Violation::LengthTopBit);
    }
    if len < least {
        Err(Violation::NonMinimalLength)
    } else {
        Ok(len)
    }
}

/// Applies the masking key to bytes that begin `offset` bytes into their payload. Eight bytes at a time: this is the
/// one loop that touches every byte of every client.
fn unmask(bytes: &mut [u8], mut key: [u8; 4], offset: usize) {
    key.rotate_left(offset % 4);
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`; `None` unless the key is the base64 of sixteen bytes.
pub fn accept_key(client_key: &str) -> Option<String> {
    let nonce = BASE64.decode(client_key.as_bytes()).ok()?;
    (nonce.len() == 16).then(|| derive_accept_key(client_key.as_bytes()))
}
