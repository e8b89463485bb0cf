//! Every rule and its violation. Must not depend on how a stream is cut: `refused` tries both extremes.

use super::*;

#[test]
fn each_broken_rule_has_its_violation() {
    use Violation::*;
    let after_start = |bad: &[u8]| [&frame(TEXT, b"begun")[..], bad].concat();
    let text = frame(FIN | TEXT, b"hi");
    let unmasked = [&text[..], &[FIN | TEXT, 2, b'h', b'i']].concat();
    assert_eq!(refused(&unmasked, 1), Unmasked);
    assert_eq!(refused(&[FIN | PING, 0], 0), Unmasked);
    for bit in [0x40, 0x20, 0x10, 0x70] {
        assert_eq!(refused(&frame(FIN | bit | TEXT, b"hi"), 0), ReservedBits);
        assert_eq!(
            refused(&after_start(&frame(FIN | bit | CONT, b"hi")), 0),
            ReservedBits
        );
    }
    for opcode in (3..=7).chain(11..=15) {
        assert_eq!(refused(&frame(FIN | opcode, b""), 0), ReservedOpcode);
        assert_eq!(refused(&frame(opcode, b""), 0), ReservedOpcode);
    }
    for control in [CLOSE, PING, PONG] {
        assert_eq!(refused(&frame(control, b""), 0), FragmentedControl);
        assert_eq!(refused(&frame(FIN | control, &[b'x'; 126]), 0), LongControl);
        assert_eq!(refused(&[FIN | control, 0xFF], 0), LongControl);
    }
    assert_eq!(refused(&frame(FIN | CONT, b"x"), 0), StrayContinuation);
    assert_eq!(refused(&frame(CONT, b"x"), 0), StrayContinuation);
    let ended = [
        frame(TEXT, b"a"),
        frame(FIN | CONT, b"b"),
        frame(FIN | CONT, b"c"),
    ]
    .concat();
    assert_eq!(refused(&ended, 1), StrayContinuation);
    for opcode in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
        assert_eq!(refused(&after_start(&frame(opcode, b"x")), 0), InterleavedMessage);
    }
    assert_eq!(refused(&[FIN | TEXT, 0xFE, 0, 125], 0), NonMinimalLength);
    assert_eq!(
        refused(&[FIN | TEXT, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], 0),
        NonMinimalLength
    );
    assert_eq!(
        refused(&[FIN | TEXT, 0xFF, 0, 0, 0, 0, 0, 0, 0, 5], 0),
        NonMinimalLength
    );
    assert_eq!(
        refused(&[FIN | TEXT, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], 0),
        LengthTopBit
    );
    assert_eq!(refused(&[FIN | BINARY, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1], 0), TooBig);
    assert_eq!(refused(&frame(FIN | TEXT, b"\xC0\xAF"), 0), InvalidUtf8);
}

#[test]
fn close_frames_keep_their_rules() {
    let close = |code: u16, reason: &[u8]| frame(FIN | CLOSE, &[&code.to_be_bytes()[..], reason].concat());
    assert_eq!(refused(&frame(FIN | CLOSE, &[3]), 0), Violation::ShortClose);
    for code in 0..=u16::MAX {
        let good = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let expected = if good {
            (vec![Said::Close(Some(code), "ok".into())], None)
        } else {
            (vec![], Some(Violation::BadCloseCode))
        };
        assert_eq!(at_once(&close(code, b"ok")), expected);
    }
    assert_eq!(refused(&close(1000, b"\xFF"), 0), Violation::InvalidUtf8);
    assert_eq!(refused(&close(1000, b"\xE4\xB8"), 0), Violation::InvalidUtf8);
    assert_eq!(
        at_once(&frame(FIN | CLOSE, b"")),
        (vec![Said::Close(None, String::new())], None)
    );
}

#[test]
fn nothing_is_heard_after_the_end() {
    let mut reader = Reader::new();
    let mut heard: Vec<Said> = Vec::new();
    let mut feed = |reader: &mut Reader, mut bytes: Vec<u8>, flow| {
        let fed = reader.feed(&mut bytes, &LIMITS, &mut |incoming| {
            heard.push(incoming.into());
            flow
        });
        assert_eq!(
            (fed, reader.held(), reader.is_ended()),
            (Ok(bytes.len()), 0, true)
        );
    };
    let close = [frame(FIN | CLOSE, b""), frame(FIN | TEXT, b"late"), vec![0xFF; 9]].concat();
    feed(&mut reader, close.clone(), Flow::Continue);
    feed(&mut reader, frame(FIN | TEXT, b"later"), Flow::Continue);
    feed(&mut Reader::new(), close, Flow::Stop);
    let mut broken = Reader::new();
    assert_eq!(
        broken.feed(&mut [0xFF], &LIMITS, &mut |_| Flow::Continue),
        Err(Violation::ReservedBits)
    );
    feed(&mut broken, frame(FIN | TEXT, b"later"), Flow::Continue);
    assert_eq!(heard, vec![Said::Close(None, String::new()); 2]);
}

#[test]
fn codes_and_reasons_fit_a_close_frame() {
    use Violation::*;
    assert_eq!(
        (InvalidUtf8.code(), TooBig.code(), TooManyFragments.code()),
        (1007, 1009, 1008)
    );
    let protocol = [
        ReservedBits,
        ReservedOpcode,
        FragmentedControl,
        StrayContinuation,
        InterleavedMessage,
        Unmasked,
        LongControl,
        NonMinimalLength,
        LengthTopBit,
        ShortClose,
        BadCloseCode,
    ];
    assert!(
        protocol
            .iter()
            .all(|it| it.code() == 1002 && it.reason().len() <= MAX_CONTROL - 2)
    );
    assert_eq!(
        TooBig.to_string(),
        "reading a client frame: message is too big; close with 1009"
    );
}

#[test]
fn utf8_is_judged_across_fragments() {
    let good: [&[u8]; 16] = [
        b"",
        b"\x00",
        b"\x7F",
        b"\xC2\x80",
        b"\xDF\xBF",
        b"\xE0\xA0\x80",
        b"\xED\x9F\xBF",
        b"\xEE\x80\x80",
        b"\xEF\xBF\xBD",
        b"\xEF\xBF\xBE",
        b"\xEF\xBF\xBF",
        b"\xF0\x90\x80\x80",
        b"\xF4\x8F\xBF\xBF",
        "κόσμε".as_bytes(),
        "世界".as_bytes(),
        "🦀é".as_bytes(),
    ];
    let bad: [&[u8]; 20] = [
        b"\x80",
        b"\xBF",
        b"\xC0\x80",
        b"\xC1\xBF",
        b"\xE0\x80\xAF",
        b"\xE0\x9F\xBF",
        b"\xF0\x80\x80\xAF",
        b"\xF0\x8F\xBF\xBF",
        b"\xED\xA0\x80",
        b"\xED\xBF\xBF",
        b"\xED\xA0\x80\xED\xB0\x80",
        b"\xF4\x90\x80\x80",
        b"\xF5\x80\x80\x80",
        b"\xF8\x88\x80\x80\x80",
        b"\xFE",
        b"\xFF",
        b"\xC3",
        b"\xE4\xB8",
        b"\xF0\x9F\xA6",
        b"\xE4\xB8a",
    ];
    for (core, valid) in good
        .into_iter()
        .map(|it| (it, true))
        .chain(bad.into_iter().map(|it| (it, false)))
    {
        let bytes = [b"ok ", core].concat();
        let expected = match str::from_utf8(&bytes) {
            Ok(text) => (vec![Said::Text(text.into())], None),
            Err(_) => (vec![], Some(Violation::InvalidUtf8)),
        };
        assert_eq!(expected.1.is_none(), valid, "{core:02x?}");
        assert_eq!(at_once(&frame(FIN | TEXT, &bytes)), expected, "{core:02x?}");
        assert_eq!(by_byte(&frame(FIN | TEXT, &bytes)), expected, "{core:02x?}");
        for cut in 0..=bytes.len() {
            let two = [frame(TEXT, &bytes[..cut]), frame(FIN | CONT, &bytes[cut..])].concat();
            assert_eq!(at_once(&two), expected, "{core:02x?} cut at {cut}");
            assert_eq!(by_byte(&two), expected, "{core:02x?} cut at {cut}");
        }
        let mut ones: Vec<_> = bytes.chunks(1).map(|it| frame(CONT, it)).collect();
        ones[0][0] = TEXT;
        ones.push(frame(FIN | CONT, b""));
        assert_eq!(at_once(&ones.concat()), expected, "{core:02x?} in single bytes");
    }
    let anything = [frame(BINARY, b"\xFF\xC0"), frame(FIN | CONT, b"\x80")].concat();
    assert_eq!(
        at_once(&anything),
        (vec![Said::Binary(b"\xFF\xC0\x80".into())], None)
    );
}

#[test]
fn bad_text_is_refused_before_its_end() {
    assert_eq!(refused(&frame(TEXT, b"\xC0"), 0), Violation::InvalidUtf8);
    let mut long = frame(FIN | TEXT, &[&b"ok \xED\xA0"[..], &[b'x'; 4000]].concat());
    long.truncate(20);
    assert_eq!(refused(&long, 0), Violation::InvalidUtf8);
}

#[test]
fn unmasking_equals_the_plain_loop() {
    let plain: Vec<u8> = (0..=255).cycle().take(100).collect();
    for offset in 0..9 {
        for len in 0..=plain.len() {
            let mut fast = plain[..len].to_vec();
            unmask(&mut fast, MASK, offset);
            let slow: Vec<u8> = (0..len).map(|at| plain[at] ^ MASK[(at + offset) % 4]).collect();
            assert_eq!(fast, slow, "offset {offset}, length {len}");
        }
    }
}

#[test]
fn the_handshake_answers_only_a_real_key() {
    assert_eq!(
        accept_key("dGhlIHNhbXBsZSBub25jZQ==").as_deref(),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    for bad in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25j",
        " dGhlIHNhbXBsZSBub25jZQ==",
        "not base64 at all!!!!!==",
    ] {
        assert_eq!(accept_key(bad), None, "{bad}");
    }
}
