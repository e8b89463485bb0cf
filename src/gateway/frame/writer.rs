//! Server frames: never masked, never fragmented. What must not live here: queues, sockets, and what the payload means.

use super::{MAX_CONTROL, Opcode};

/// Writes the header of a whole frame and answers its size, so that a shared payload can be sent without a copy.
pub fn head(opcode: Opcode, len: usize, out: &mut [u8; 10]) -> usize {
    out[0] = 0x80 | opcode as u8;
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ 0..=125), _) => {
            out[1] = short;
            2
        }
        (_, Ok(long)) => {
            out[1] = 126;
            out[2..4].copy_from_slice(&long.to_be_bytes());
            4
        }
        _ => {
            out[1] = 127;
            out[2..].copy_from_slice(&(len as u64).to_be_bytes());
            10
        }
    }
}

pub fn push_text(out: &mut Vec<u8>, payload: &[u8]) {
    push(out, Opcode::Text, payload);
}

pub fn push_binary(out: &mut Vec<u8>, payload: &[u8]) {
    push(out, Opcode::Binary, payload);
}

/// A payload longer than [`MAX_CONTROL`] is cut: a longer control frame would end the connection.
pub fn push_ping(out: &mut Vec<u8>, payload: &[u8]) {
    push(out, Opcode::Ping, &payload[..payload.len().min(MAX_CONTROL)]);
}

/// The answer to a ping, with the ping's own payload (which the reader bounds by [`MAX_CONTROL`]).
pub fn push_pong(out: &mut Vec<u8>, payload: &[u8]) {
    push(out, Opcode::Pong, &payload[..payload.len().min(MAX_CONTROL)]);
}

/// A reason longer than what a control frame carries is cut between two characters.
pub fn push_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let mut end = reason.len().min(MAX_CONTROL - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut head_bytes = [0; 10];
    let size = head(Opcode::Close, 2 + end, &mut head_bytes);
    out.extend_from_slice(&head_bytes[..size]);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(&reason.as_bytes()[..end]);
}

/// The answer to a client's close: its own code back, or an empty frame when it gave none.
pub fn push_close_answer(out: &mut Vec<u8>, code: Option<u16>) {
    match code {
        Some(code) => push_close(out, code, ""),
        None => push(out, Opcode::Close, &[]),
    }
}

fn push(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    let mut head_bytes = [0; 10];
    let size = head(opcode, payload.len(), &mut head_bytes);
    out.reserve(size + payload.len());
    out.extend_from_slice(&head_bytes[..size]);
    out.extend_from_slice(payload);
}
