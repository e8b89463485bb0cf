//! Every way to cut a stream and to stop it reads the same. What is held meanwhile is tested elsewhere.

use proptest::prelude::*;

use super::*;

#[test]
fn every_cut_of_a_mixed_stream_reads_the_same() {
    let stream = mixed();
    let expected = (mixed_said(), None);
    assert_eq!(at_once(&stream), expected);
    assert_eq!(by_byte(&stream), expected);
    for first in 0..=stream.len() {
        let (left, right) = stream.split_at(first);
        assert_eq!(feed_all([left, right], &LIMITS), expected, "cut at {first}");
        let second = right.len() / 2;
        assert_eq!(
            feed_all([left, &right[..second], &right[second..]], &LIMITS),
            expected,
            "cut at {first} and later"
        );
    }
}

#[test]
fn the_limit_counts_the_whole_message_and_may_change() {
    let small = Limits {
        max_message: 10,
        max_fragments: 64,
    };
    let full = [frame(BINARY, &[1; 6]), frame(FIN | CONT, &[2; 4])].concat();
    assert_eq!(feed_all([&full[..]], &small).1, None);
    let over = [
        frame(BINARY, &[1; 6]),
        frame(FIN | PING, &[0; 125]),
        frame(FIN | CONT, &[2; 5])[..6].to_vec(),
    ]
    .concat();
    assert_eq!(
        feed_all([&over[..]], &small),
        (vec![Said::Ping(vec![0; 125])], Some(Violation::TooBig))
    );
    // The sign-in stops the feed; what came with it is read under the limits that it earned.
    let mut stream = [frame(FIN | TEXT, b"hello"), frame(FIN | TEXT, &[b'x'; 4000])].concat();
    let mut reader = Reader::new();
    assert_eq!(reader.feed(&mut stream, &small, &mut |_| Flow::Stop), Ok(11));
    let mut len = 0;
    let fed = reader.feed(&mut [], &LIMITS, &mut |incoming| {
        len = if let Incoming::Text(text) = incoming {
            text.len()
        } else {
            0
        };
        Flow::Continue
    });
    assert_eq!((fed, len, reader.held()), (Ok(0), 4000, 0));
}

#[test]
fn a_stop_loses_nothing() {
    let stream = mixed();
    for cut in 0..=stream.len() {
        let (mut reader, mut heard) = (Reader::new(), Vec::<Said>::new());
        for part in [&stream[..cut], &stream[cut..]] {
            let mut scratch = part.to_vec();
            let mut used = None;
            loop {
                let before = heard.len();
                let fed = reader.feed(&mut scratch, &LIMITS, &mut |incoming| {
                    heard.push(incoming.into());
                    Flow::Stop
                });
                assert!(heard.len() <= before + 1, "a stop lets nothing more through");
                let fed = fed.expect("the stream keeps the rules");
                assert!(
                    fed == scratch.len() || reader.is_stopped(),
                    "what was not used waits inside"
                );
                used.get_or_insert(fed);
                assert!(reader.held() <= 256 + 1024 + part.len(), "{}", reader.held());
                scratch.clear();
                if !reader.is_stopped() {
                    break;
                }
            }
            assert!(used.is_some_and(|it| it <= part.len()));
        }
        assert_eq!(heard, mixed_said(), "cut at {cut}");
        assert_eq!(reader.held(), 0);
    }
}

#[test]
fn what_is_fed_during_a_stop_waits_in_order() {
    let mut reader = Reader::new();
    let mut heard: Vec<Said> = Vec::new();
    for word in ["a", "b", "c"] {
        let mut two = [frame(FIN | TEXT, word.as_bytes()), frame(FIN | TEXT, b"-")].concat();
        reader
            .feed(&mut two, &LIMITS, &mut |incoming| {
                heard.push(incoming.into());
                Flow::Stop
            })
            .expect("the stream keeps the rules");
    }
    assert!(reader.is_stopped());
    let held = reader.feed(&mut [], &LIMITS, &mut |incoming| {
        heard.push(incoming.into());
        Flow::Continue
    });
    assert_eq!((held, reader.is_stopped(), reader.held()), (Ok(0), false, 0));
    let text: Vec<_> = ["a", "-", "b", "-", "c", "-"]
        .map(|it| Said::Text(it.into()))
        .into();
    assert_eq!(heard, text);
}

/// Streams of messages, some in fragments with control frames between them, some with one byte changed.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let fragments = (
        any::<bool>(),
        prop::collection::vec(("\\PC{0,40}", any::<Option<[u8; 3]>>()), 1..4),
    );
    let message = fragments.prop_map(|(text, parts)| {
        let last = parts.len() - 1;
        let mut out = Vec::new();
        for (at, (part, ping)) in parts.iter().enumerate() {
            let opcode = if at > 0 {
                CONT
            } else if text {
                TEXT
            } else {
                BINARY
            };
            out.extend(frame(opcode | if at == last { FIN } else { 0 }, part.as_bytes()));
            out.extend(ping.iter().flat_map(|it| frame(FIN | PING, it)));
        }
        out
    });
    let stream = prop::collection::vec(message, 0..6).prop_map(|it| it.concat());
    let wound = prop::option::of((any::<prop::sample::Index>(), 1..=255u8));
    (stream, wound).prop_map(|(mut stream, wound)| {
        if let Some((at, change)) = wound.filter(|_| !stream.is_empty()) {
            let at = at.index(stream.len());
            stream[at] ^= change;
        }
        stream
    })
}

proptest! {
    #[test]
    fn cuts_and_stops_change_nothing(
        stream in streams(),
        cuts in prop::collection::vec(1..60usize, 1..8),
        stops in prop::collection::vec(any::<bool>(), 1..16),
        resume in prop::collection::vec(any::<bool>(), 1..8),
    ) {
        let expected = at_once(&stream);
        prop_assert_eq!(&by_byte(&stream), &expected);
        let (mut reader, mut heard, mut violation) = (Reader::new(), Vec::<Said>::new(), None);
        let (mut cuts, mut stops, mut resume) = (cuts.iter().cycle(), stops.iter().cycle(), resume.iter().cycle());
        let mut rest = &stream[..];
        while violation.is_none() && (!rest.is_empty() || reader.is_stopped()) {
            let go_on = rest.is_empty() || reader.is_stopped() && resume.next() == Some(&true);
            let size = if go_on { 0 } else { rest.len().min(*cuts.next().expect("cycles")) };
            let (chunk, later) = rest.split_at(size);
            rest = later;
            let fed = reader.feed(&mut chunk.to_vec(), &LIMITS, &mut |incoming| {
                heard.push(incoming.into());
                if stops.next() == Some(&true) { Flow::Stop } else { Flow::Continue }
            });
            violation = fed.err();
        }
        prop_assert_eq!((heard, violation), expected);
    }

    #[test]
    fn no_bytes_make_it_panic_or_hoard(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut reader = Reader::new();
        for chunk in bytes.chunks(7) {
            let _ = reader.feed(&mut chunk.to_vec(), &LIMITS, &mut |_| Flow::Continue);
            prop_assert!(reader.held() <= 256 + 2 * bytes.len());
        }
    }
}
