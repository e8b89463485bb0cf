//! The text of every message, the same for all systems: a mark, a stamp, and filling. What must not live here: frames.

use memchr::memmem;

/// Bytes of text in each message.
pub const SIZE: usize = 100;
const MARK: &[u8] = b"#T";
const DIGITS: usize = 20;

/// Appends the text that carries a stamp.
pub fn write(stamp: u64, out: &mut Vec<u8>) {
    let end = out.len() + SIZE;
    out.extend_from_slice(MARK);
    let mut digits = [b'0'; DIGITS];
    let mut rest = stamp;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits);
    out.resize(end, b'x');
}

/// The stamp of the text somewhere in these bytes.
pub fn stamp(bytes: &[u8]) -> Option<u64> {
    let at = memmem::find(bytes, MARK)? + MARK.len();
    let digits = bytes.get(at..at + DIGITS)?;
    digits.iter().try_fold(0u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_from_whatever_is_around_it() {
        for value in [0, 7, 1_234_567_890_123, u64::MAX] {
            let mut bytes = b"<body a='#'>".to_vec();
            write(value, &mut bytes);
            assert_eq!(bytes.len(), 12 + SIZE);
            bytes.extend_from_slice(b"</body>");
            assert_eq!(stamp(&bytes), Some(value));
        }
        for none in [
            &b"#T123"[..],
            b"",
            b"#Tx0000000000000000000",
            b"#T99999999999999999999",
        ] {
            assert_eq!(stamp(none), None);
        }
    }
}
