//! What a reader holds, at rest and under attack.

use super::*;

#[test]
fn a_reader_at_rest_is_a_pointer_and_a_flag() {
    assert!(size_of::<Reader>() <= 16, "{}", size_of::<Reader>());
    let mut reader = Reader::new();
    let stream = mixed();
    let stream = &stream[..stream.len() - frame(FIN | CLOSE, b"\x03\xE8bye").len()];
    for cut in 0..=stream.len() {
        for part in [&stream[..cut], &stream[cut..]] {
            reader
                .feed(&mut part.to_vec(), &LIMITS, &mut |_| Flow::Continue)
                .expect("the stream keeps the rules");
        }
        assert_eq!(reader.held(), 0, "cut at {cut}");
    }
    let mut half = frame(FIN | TEXT, b"hello");
    half.pop();
    reader
        .feed(&mut half, &LIMITS, &mut |_| Flow::Continue)
        .expect("half a frame breaks no rule");
    assert!((1..=256 + 5).contains(&reader.held()), "{}", reader.held());
}

#[test]
fn whole_frames_are_lent_without_a_copy() {
    let mut scratch = [frame(FIN | TEXT, b"first"), frame(FIN | BINARY, b"second")].concat();
    let range = scratch.as_ptr_range();
    let mut seen = 0;
    let fed = Reader::new().feed(&mut scratch, &LIMITS, &mut |incoming| {
        let start = match incoming {
            Incoming::Text(text) => text.as_ptr(),
            Incoming::Binary(bytes) => bytes.as_ptr(),
            other => panic!("{other:?}"),
        };
        assert!(range.contains(&start));
        seen += 1;
        Flow::Continue
    });
    assert_eq!((fed, seen), (Ok(scratch.len()), 2));
}

#[test]
fn an_announced_length_is_not_memory() {
    let announce = [FIN | BINARY, 0xFF, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
    let mut reader = Reader::new();
    let mut most = 0;
    let verdict = announce.iter().find_map(|&byte| {
        let fed = reader.feed(&mut [byte], &LIMITS, &mut |_| Flow::Continue);
        most = most.max(reader.held());
        fed.err()
    });
    assert_eq!(verdict, Some(Violation::TooBig));
    assert!(most <= 256, "{most}");
    // As much as is allowed, and then one byte after the other: what is held follows what came.
    let stream = frame(FIN | BINARY, &vec![9; LIMITS.max_message]);
    let mut reader = Reader::new();
    for (came, &byte) in stream[..stream.len() - 1].iter().enumerate() {
        reader
            .feed(&mut [byte], &LIMITS, &mut |_| Flow::Continue)
            .expect("the frame keeps the rules");
        assert!(reader.held() <= 256 + 2 * came, "{} after {came}", reader.held());
        assert!(
            reader.held() <= 256 + LIMITS.max_message,
            "{} after {came}",
            reader.held()
        );
    }
}

#[test]
fn a_million_fragments_stay_small_and_are_refused() {
    let run = |limits: Limits, payload: &[u8]| {
        let (mut reader, mut most) = (Reader::new(), 0);
        let next = frame(CONT, payload);
        reader
            .feed(&mut frame(TEXT, payload), &limits, &mut |_| Flow::Continue)
            .expect("the first fragment is allowed");
        for count in 1..1_000_000 {
            let fed = reader.feed(&mut next.clone(), &limits, &mut |_| Flow::Continue);
            most = most.max(reader.held());
            if let Err(violation) = fed {
                return (count, Some(violation), most);
            }
        }
        (1_000_000, None, most)
    };
    let (count, violation, most) = run(LIMITS, b"x");
    assert_eq!((count, violation), (64, Some(Violation::TooManyFragments)));
    assert!(most <= 256 + 64, "{most}");
    let any_number = Limits {
        max_fragments: u32::MAX,
        ..LIMITS
    };
    let (count, violation, most) = run(any_number, b"x");
    assert_eq!((count, violation), (65_536, Some(Violation::TooBig)));
    assert!(most <= 256 + 65_536, "{most}");
    let (count, violation, most) = run(any_number, b"");
    assert_eq!((count, violation), (1_000_000, None));
    assert!(most <= 256, "{most}");
    assert_eq!(run(LIMITS, b"").1, Some(Violation::TooManyFragments));
}
