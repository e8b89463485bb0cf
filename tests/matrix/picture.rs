//! A picture of one point, another for each seed: what is the same picture is the same file to the server, whoever sends it.
//! What must not live here: anything else about files.

/// What a row writes for it, before the seed.
pub const WORD: &str = "a-picture ";

/// A PNG (ISO/IEC 15948) of 72 bytes whose colour is made of the seed.
pub fn of(seed: &str) -> Vec<u8> {
    let colour = crc(seed.as_bytes()).to_be_bytes();
    let point = [0, colour[1], colour[2], colour[3]];
    // A deflate block that stores its four bytes as they are (RFC 1951, 3.2.4), in the frame of RFC 1950.
    let mut data = vec![0x78, 0x01, 0x01, 4, 0, !4, !0];
    data.extend(point);
    data.extend(adler(&point).to_be_bytes());
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let head = [0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0];
    for (name, content) in [(b"IHDR", &head[..]), (b"IDAT", &data), (b"IEND", &[])] {
        let mut chunk = name.to_vec();
        chunk.extend(content);
        png.extend(u32::try_from(content.len()).expect("it is short").to_be_bytes());
        png.extend(&chunk);
        png.extend(crc(&chunk).to_be_bytes());
    }
    png
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    };
    !bytes.iter().fold(!0, step)
}

fn adler(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    high << 16 | low
}
