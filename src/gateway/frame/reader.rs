//! Client frames in, messages out. What must not live here: buffers for connections that have nothing half-said.

use std::mem;

use super::{Flow, Header, Incoming, Limits, MAX_HEADER, Opcode, Unfinished, Violation, unmask};

/// The reading half of one connection. At rest it is a null pointer and a flag: the bytes live in the caller's scratch
/// buffer, and only what was cut off by the end of a read, or by [`Flow::Stop`], is copied into an allocation of its
/// own. That allocation is dropped as soon as nothing is half-said any more.
#[derive(Default)]
pub struct Reader {
    partial: Option<Box<Partial>>,
    /// A close frame was read or a rule was broken: nothing that follows has a meaning.
    ended: bool,
}

#[derive(Default)]
struct Partial {
    head: [u8; MAX_HEADER],
    head_len: u8,
    /// The frame whose payload is incomplete, and how much of that payload is here.
    frame: Option<Header>,
    got: usize,
    message: Option<Message>,
    /// The payload of an incomplete control frame, which may come between the fragments of `message`.
    control: Vec<u8>,
    /// Raw bytes from `held_from` on that [`Flow::Stop`] left unread.
    held: Vec<u8>,
    held_from: usize,
}

struct Message {
    opcode: Opcode,
    fragments: u32,
    body: Vec<u8>,
    /// How much of a text is known to be UTF-8; always a boundary of characters.
    checked: usize,
}

type Sink<'s> = &'s mut dyn FnMut(Incoming<'_>) -> Flow;

impl Reader {
    pub const fn new() -> Self {
        Self {
            partial: None,
            ended: false,
        }
    }

    /// Takes the bytes of one read. Whole frames are unmasked in place and lent to `sink`; the beginning of a frame
    /// that the read cut off is copied and waits for the next feed.
    ///
    /// Nothing of `input` is to be fed again. The answer says how many of its bytes were read: all of them, or fewer
    /// when `sink` answered [`Flow::Stop`]; the rest then waits inside the reader. To go on, feed an empty slice, again
    /// after each further `Stop`, while [`Reader::is_stopped`]; until then the caller should not read its socket (if it
    /// feeds more all the same, that waits behind the rest, in order). Bytes that wait are not judged: they meet the
    /// limits of the feed that reads them, so a sink that stops at the sign-in may raise the limits for what follows.
    ///
    /// After a violation, or after [`Incoming::Close`], the reader holds nothing and discards all it is fed.
    pub fn feed(&mut self, input: &mut [u8], limits: &Limits, sink: Sink<'_>) -> Result<usize, Violation> {
        let all = input.len();
        let fed = if self.ended {
            Ok(all)
        } else {
            self.feed_behind_held(input, limits, sink)
        };
        self.ended |= fed.is_err();
        if self.ended || self.partial.as_ref().is_some_and(|it| it.is_idle()) {
            self.partial = None;
        }
        if self.ended { fed.map(|_| all) } else { fed }
    }

    /// Bytes of memory that this reader holds beyond its own size, spare capacity included; 0 when nothing is half-said.
    ///
    /// The bound: `max_message` (the largest that was in force since the message began) + [`super::MAX_CONTROL`] + a
    /// fixed state of less than 256 bytes, together below `max_message` + 4 KiB; and, only while
    /// [`Reader::is_stopped`], the part of the stopped feed that was not read, at most the length of its input (the
    /// scratch buffer), plus all that was fed since the stop. What a message holds is never more than twice what it
    /// has received: a length that was only announced costs nothing.
    pub fn held(&self) -> usize {
        self.partial.as_ref().map_or(0, |it| {
            let body = it.message.as_ref().map_or(0, |it| it.body.capacity());
            size_of::<Partial>() + body + it.control.capacity() + it.held.capacity()
        })
    }

    /// Whether bytes wait that [`Flow::Stop`] left unread, so that feeding an empty slice would go on.
    pub fn is_stopped(&self) -> bool {
        self.partial.as_ref().is_some_and(|it| !it.held.is_empty())
    }

    /// Whether a close frame was read or a rule was broken: nothing more will come out.
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    fn feed_behind_held(
        &mut self,
        input: &mut [u8],
        limits: &Limits,
        sink: Sink<'_>,
    ) -> Result<usize, Violation> {
        if self.is_stopped()
            && let Some(partial) = &mut self.partial
        {
            let mut held = mem::take(&mut partial.held);
            let from = mem::take(&mut partial.held_from);
            let (used, flow) = self.consume(&mut held[from..], limits, sink)?;
            if flow == Flow::Stop {
                self.hold(held, from + used, input);
                return Ok(0);
            }
        }
        let (used, flow) = self.consume(input, limits, sink)?;
        if flow == Flow::Stop {
            self.hold(Vec::new(), 0, &input[used..]);
        }
        Ok(used)
    }

    /// Keeps what a stop left: `held` from `from` on, and `more` behind it.
    fn hold(&mut self, mut held: Vec<u8>, mut from: usize, more: &[u8]) {
        // Moved only once half of it is read: resuming frame by frame stays linear, and at most half is waste.
        if from * 2 >= held.len() || !more.is_empty() {
            let mut rest = Vec::with_capacity(held.len() - from + more.len());
            rest.extend_from_slice(&held[from..]);
            rest.extend_from_slice(more);
            (held, from) = (rest, 0);
        }
        if !held.is_empty() {
            let partial = self.partial.get_or_insert_default();
            (partial.held, partial.held_from) = (held, from);
        }
    }

    /// Reads frames until the input ends, the sink stops or the reader ends; answers how much was read.
    fn consume(
        &mut self,
        input: &mut [u8],
        limits: &Limits,
        sink: Sink<'_>,
    ) -> Result<(usize, Flow), Violation> {
        let mut at = 0;
        while at < input.len() && !self.ended {
            let (used, flow) = self.step(&mut input[at..], limits, sink)?;
            at += used;
            if flow == Flow::Stop {
                return Ok((at, flow));
            }
        }
        Ok((at, Flow::Continue))
    }

    /// Reads at most one frame.
    fn step(
        &mut self,
        input: &mut [u8],
        limits: &Limits,
        sink: Sink<'_>,
    ) -> Result<(usize, Flow), Violation> {
        if let Some(header) = self.partial.as_ref().and_then(|it| it.frame) {
            return self.fill(header, input, limits, sink);
        }
        let Some((header, used)) = self.read_header(input, limits)? else {
            return Ok((input.len(), Flow::Continue));
        };
        let payload = &mut input[used..];
        let (taken, flow) = if header.stands_alone() && payload.len() >= header.len {
            let payload = &mut payload[..header.len];
            unmask(payload, header.mask, 0);
            (header.len, self.deliver(header.opcode, payload, sink)?)
        } else {
            let partial = self.partial.get_or_insert_default();
            if !header.opcode.is_control() {
                partial
                    .message
                    .get_or_insert_with(|| Message::new(header.opcode))
                    .fragments += 1;
            }
            self.fill(header, payload, limits, sink)?
        };
        Ok((used + taken, flow))
    }

    /// The next header and how much of `input` belongs to it; `None` when all of `input` did and more is missing.
    fn read_header(&mut self, input: &[u8], limits: &Limits) -> Result<Option<(Header, usize)>, Violation> {
        let unfinished = self
            .partial
            .as_ref()
            .and_then(|it| it.message.as_ref())
            .map(Message::unfinished);
        let known = self.partial.as_ref().map_or(0, |it| usize::from(it.head_len));
        if known == 0
            && let Some(found) = Header::parse(input, unfinished, limits)?
        {
            return Ok(Some(found));
        }
        let partial = self.partial.get_or_insert_default();
        let end = MAX_HEADER.min(known + input.len());
        partial.head[known..end].copy_from_slice(&input[..end - known]);
        match Header::parse(&partial.head[..end], unfinished, limits)? {
            Some((header, size)) => {
                partial.head_len = 0;
                Ok(Some((header, size - known)))
            }
            None => {
                partial.head_len = end as u8;
                Ok(None)
            }
        }
    }

    /// Moves payload of a frame that cannot be lent from the input into the partial state; delivers what it completes.
    fn fill(
        &mut self,
        header: Header,
        input: &mut [u8],
        limits: &Limits,
        sink: Sink<'_>,
    ) -> Result<(usize, Flow), Violation> {
        let partial = self.partial.get_or_insert_default();
        let here = input.len().min(header.len - partial.got);
        let bytes = &mut input[..here];
        unmask(bytes, header.mask, partial.got);
        if header.opcode.is_control() {
            append(&mut partial.control, bytes, header.len);
        } else if let Some(message) = &mut partial.message {
            let most = if header.fin {
                message.body.len() + header.len - partial.got
            } else {
                limits.max_message
            };
            message.append(bytes, most)?;
        }
        partial.got += bytes.len();
        if partial.got < header.len {
            partial.frame = Some(header);
            return Ok((bytes.len(), Flow::Continue));
        }
        partial.frame = None;
        partial.got = 0;
        let flow = if header.opcode.is_control() {
            let payload = mem::take(&mut partial.control);
            self.deliver(header.opcode, &payload, sink)?
        } else if header.fin
            && let Some(message) = partial.message.take()
        {
            self.deliver(message.opcode, &message.body, sink)?
        } else {
            Flow::Continue
        };
        Ok((bytes.len(), flow))
    }

    fn deliver(&mut self, opcode: Opcode, payload: &[u8], sink: Sink<'_>) -> Result<Flow, Violation> {
        Ok(sink(match opcode {
            Opcode::Text => Incoming::Text(utf8(payload)?),
            Opcode::Binary => Incoming::Binary(payload),
            Opcode::Ping => Incoming::Ping(payload),
            Opcode::Pong => Incoming::Pong(payload),
            Opcode::Close => {
                let close = read_close(payload)?;
                self.ended = true;
                close
            }
            Opcode::Continuation => return Err(Violation::StrayContinuation),
        }))
    }
}

impl Partial {
    fn is_idle(&self) -> bool {
        self.head_len == 0 && self.frame.is_none() && self.message.is_none() && self.held.is_empty()
    }
}

impl Message {
    const fn new(opcode: Opcode) -> Self {
        Self {
            opcode,
            fragments: 0,
            body: Vec::new(),
            checked: 0,
        }
    }

    const fn unfinished(&self) -> Unfinished {
        Unfinished {
            fragments: self.fragments,
            len: self.body.len(),
        }
    }

    /// Text is judged as it comes; only a character that is still incomplete waits for its rest.
    fn append(&mut self, bytes: &[u8], most: usize) -> Result<(), Violation> {
        append(&mut self.body, bytes, most);
        if self.opcode == Opcode::Text {
            match str::from_utf8(&self.body[self.checked..]) {
                Ok(_) => self.checked = self.body.len(),
                Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
                Err(_) => return Err(Violation::InvalidUtf8),
            }
        }
        Ok(())
    }
}

/// Grows by doubling what is really here, and never beyond `most`: one byte of a 64 KiB announcement costs one byte.
fn append(buffer: &mut Vec<u8>, bytes: &[u8], most: usize) {
    let need = buffer.len() + bytes.len();
    if need > buffer.capacity() {
        let target = usize::max(need, usize::min(buffer.capacity() * 2, most));
        buffer.reserve_exact(target - buffer.len());
    }
    buffer.extend_from_slice(bytes);
}

fn utf8(bytes: &[u8]) -> Result<&str, Violation> {
    str::from_utf8(bytes).map_err(|_| Violation::InvalidUtf8)
}

fn read_close(payload: &[u8]) -> Result<Incoming<'_>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        let empty = Incoming::Close {
            code: None,
            reason: "",
        };
        return if payload.is_empty() {
            Ok(empty)
        } else {
            Err(Violation::ShortClose)
        };
    };
    let code = u16::from_be_bytes(*code);
    // 1004 to 1006 and 1015 are never on the wire, 1016 to 2999 wait for a later RFC, the rest belongs to nobody.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::BadCloseCode);
    }
    Ok(Incoming::Close {
        code: Some(code),
        reason: utf8(reason)?,
    })
}
