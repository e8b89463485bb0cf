//! Pictures as strangers send them: what they tell is taken out, and whatever their header promises, the memory that they
//! take is bounded. Measured with an allocator that counts. What must not live here: uploads, which are stories.

use std::alloc::System;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use cap::Cap;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use img_parts::jpeg::Jpeg;
use img_parts::png::{Png, PngChunk};
use img_parts::webp::WebP;
use img_parts::{Bytes, ImageEXIF};
use kinglet::limits;
use kinglet::store::blobs::picture::{self, Picture};
use kinglet::store::blobs::sniff;
use parking_lot::Mutex;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);
/// One test at a time, since memory is measured.
static TURN: Mutex<()> = Mutex::new(());

const SECRET: &[u8] = b"Musterstrasse 7, 52.5N 13.4E";

/// EXIF with a way up (turned to the left), and a text.
fn exif() -> Bytes {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    exif.extend(SECRET);
    exif.into()
}

fn noise(width: u32, height: u32) -> RgbImage {
    let mut bytes = vec![0; width as usize * height as usize * 3];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    RgbImage::from_raw(width, height, bytes).expect("as many bytes as pixels need")
}

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).expect("it encodes");
    bytes.into_inner()
}

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Bench {
        Bench(tempfile::tempdir().expect("a directory"))
    }

    fn put(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("picture");
        std::fs::write(&path, bytes).expect("written");
        path
    }

    /// The cleaned bytes, if there was something to clean.
    fn cleaned(&self, bytes: &[u8], media_type: &str) -> Option<Vec<u8>> {
        let path = self.put(bytes);
        let mut to = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.0.path().join("clean"))
            .expect("made");
        let differs = picture::clean(&path, media_type, &mut to, limits::PICTURE_BYTES).expect("readable");
        let mut cleaned = Vec::new();
        to.seek(SeekFrom::Start(0)).expect("a file");
        to.read_to_end(&mut cleaned).expect("readable");
        differs.then_some(cleaned)
    }
}

fn holds(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

fn pixels(bytes: &[u8]) -> RgbaImage {
    image::load_from_memory(bytes).expect("a picture").to_rgba8()
}

fn look(path: &Path, media_type: &str) -> Picture {
    picture::look(path, media_type, limits::PICTURE_BYTES)
}

#[test]
fn what_a_picture_tells_of_place_and_people_is_taken_out() {
    let _turn = TURN.lock();
    let bench = Bench::new();
    let plain = noise(60, 40);
    let mut jpeg = Jpeg::from_bytes(encoded(plain.clone(), ImageFormat::Jpeg).into()).expect("a JPEG");
    jpeg.set_exif(Some(exif()));
    for (marker, words) in [
        (0xe1, b"http://ns.adobe.com/xap/1.0/\0".to_vec()),
        (0xed, b"Photoshop 3.0\0".to_vec()),
        (0xfe, Vec::new()),
        (0xe2, b"MPF\0".to_vec()),
    ] {
        let contents = [words, SECRET.to_vec()].concat();
        let segment = img_parts::jpeg::JpegSegment::new_with_contents(marker, contents.into());
        jpeg.segments_mut().insert(1, segment);
    }
    let mut jpeg = jpeg.encoder().bytes().to_vec();
    // A second picture or a film after the first, as phones append it.
    jpeg.extend(SECRET);
    let mut png = Png::from_bytes(encoded(plain.clone(), ImageFormat::Png).into()).expect("a PNG");
    png.set_exif(Some(exif()));
    png.chunks_mut()
        .insert(1, PngChunk::new(*b"tEXt", SECRET.to_vec().into()));
    png.chunks_mut()
        .insert(1, PngChunk::new(*b"iTXt", SECRET.to_vec().into()));
    let png = [&png.encoder().bytes()[..], SECRET].concat();
    let mut webp = WebP::from_bytes(encoded(plain, ImageFormat::WebP).into()).expect("a WebP");
    webp.set_exif(Some(exif()));
    let webp = webp.encoder().bytes().to_vec();
    for (media_type, bytes) in [("image/jpeg", jpeg), ("image/png", png), ("image/webp", webp)] {
        assert!(holds(&bytes, SECRET));
        let clean = bench
            .cleaned(&bytes, media_type)
            .expect("there is something to clean");
        assert!(!holds(&clean, b"Musterstrasse"), "{media_type} still tells");
        assert_eq!(
            pixels(&clean),
            pixels(&bytes),
            "{media_type}: the pixels are others"
        );
        let path = bench.put(&clean);
        let shown = look(&path, media_type);
        assert_eq!(
            (shown.width, shown.height),
            (Some(40), Some(60)),
            "{media_type}: the way up is lost"
        );
        let small = pixels(&shown.thumbnail.expect("it can be decoded"));
        assert_eq!((small.width(), small.height()), (40, 60), "{media_type}");
        assert_eq!(
            bench.cleaned(&clean, media_type),
            None,
            "{media_type}: nothing is left to clean"
        );
    }
}

/// What `docs/DATA-PROTECTION.md` says of the other formats: they are kept as they came, with all that they tell.
#[test]
fn other_formats_keep_what_they_tell() {
    let _turn = TURN.lock();
    let bench = Bench::new();
    let telling = |head: &[u8]| [head, b"Exif\0\0GPS 52.5 13.4 \xa9xyz+52.5+013.4/"].concat();
    for (head, media_type) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0heicmif1"[..], "image/heif"),
        (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "image/avif"),
        (b"GIF89a\x01\0\x01\0\0\0\0!\xfe\x0a", "image/gif"),
        (b"II*\0\x08\0\0\0", "image/tiff"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video/mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video/quicktime"),
        (b"ID3\x03\0\0\0\0\0\x21TIT2", "audio/mpeg"),
        (b"%PDF-1.7 ", "application/pdf"),
    ] {
        let bytes = telling(head);
        assert_eq!(sniff::media_type(&bytes), media_type);
        assert_eq!(bench.cleaned(&bytes, media_type), None, "{media_type}");
    }
}

#[test]
fn what_cannot_be_understood_stays_and_hurts_nobody() {
    let _turn = TURN.lock();
    let bench = Bench::new();
    let jpeg = encoded(noise(300, 200), ImageFormat::Jpeg);
    let png = encoded(noise(300, 200), ImageFormat::Png);
    let webp = encoded(noise(300, 200), ImageFormat::WebP);
    let gif = encoded(noise(30, 20), ImageFormat::Gif);
    for (media_type, bytes) in [
        ("image/jpeg", jpeg),
        ("image/png", png),
        ("image/webp", webp),
        ("image/gif", gif),
    ] {
        for cut in (0..bytes.len()).step_by(bytes.len() / 40) {
            let path = bench.put(&bytes[..cut]);
            let _ = bench.cleaned(&bytes[..cut], media_type);
            let shown = look(&path, media_type);
            assert!(
                shown.width.is_none_or(|width| width <= 300),
                "{media_type} cut at {cut}"
            );
            let mut torn = bytes.clone();
            torn[cut] ^= 0xff;
            let path = bench.put(&torn);
            let _ = (bench.cleaned(&torn, media_type), look(&path, media_type));
        }
        let other = bench.put(b"no picture at all");
        assert!(look(&other, media_type).thumbnail.is_none());
    }
    let large = vec![0; limits::PICTURE_BYTES + 1];
    assert_eq!(
        bench.cleaned(&large, "image/jpeg"),
        None,
        "larger than what is cleaned"
    );
}

#[test]
fn a_thumbnail_is_small_and_flat() {
    let _turn = TURN.lock();
    let bench = Bench::new();
    let clear = RgbaImage::from_pixel(1_000, 500, Rgba([0, 0, 0, 0]));
    for (media_type, bytes) in [
        ("image/png", encoded(clear, ImageFormat::Png)),
        ("image/jpeg", encoded(noise(1_500, 750), ImageFormat::Jpeg)),
        ("image/gif", encoded(noise(600, 300), ImageFormat::Gif)),
        ("image/webp", encoded(noise(600, 300), ImageFormat::WebP)),
    ] {
        let path = bench.put(&bytes);
        let shown = look(&path, media_type);
        let small = pixels(&shown.thumbnail.expect("it can be decoded"));
        let side = limits::THUMBNAIL_SIDE;
        assert_eq!((small.width(), small.height()), (side, side / 2), "{media_type}");
        assert!(shown.thumbhash.is_some_and(|hash| (5..=25).contains(&hash.len())));
        if media_type == "image/png" {
            assert!(small.get_pixel(5, 5).0[0] > 250, "on white");
        }
    }
}

/// A PNG that promises this many pixels and has hardly any.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut png = Png::from_bytes(encoded(noise(2, 2), ImageFormat::Png).into()).expect("a PNG");
    let mut head = png.chunks()[0].contents().to_vec();
    head[..4].copy_from_slice(&width.to_be_bytes());
    head[4..8].copy_from_slice(&height.to_be_bytes());
    png.chunks_mut()[0] = PngChunk::new(*b"IHDR", head.into());
    png.encoder().bytes().to_vec()
}

#[test]
fn a_picture_takes_no_more_memory_than_the_budget_says() {
    let _turn = TURN.lock();
    let bench = Bench::new();
    let white = |width: u32, height: u32| RgbaImage::from_pixel(width, height, Rgba([255; 4]));
    let flat = |width: u32, height: u32| RgbImage::from_pixel(width, height, Rgb([200, 100, 0]));
    // (what, bytes, whether it has to be shown)
    let cases = [
        (
            "image/jpeg",
            encoded(noise(3_000, 2_500), ImageFormat::Jpeg),
            true,
        ),
        ("image/jpeg", encoded(flat(5_000, 5_000), ImageFormat::Jpeg), true),
        ("image/png", encoded(white(2_300, 2_300), ImageFormat::Png), true),
        ("image/png", encoded(white(3_000, 3_000), ImageFormat::Png), false),
        ("image/png", bomb(60_000, 60_000), false),
        ("image/png", bomb(u32::MAX >> 1, 1), false),
        ("image/webp", encoded(flat(1_500, 1_500), ImageFormat::WebP), true),
        (
            "image/webp",
            encoded(flat(3_000, 3_000), ImageFormat::WebP),
            false,
        ),
        ("image/gif", encoded(flat(1_500, 1_500), ImageFormat::Gif), true),
        ("image/gif", encoded(flat(3_000, 3_000), ImageFormat::Gif), false),
    ];
    for (media_type, bytes, is_shown) in cases {
        let path = bench.put(&bytes);
        let size = bytes.len();
        drop(bytes);
        let mut to = File::create(bench.0.path().join("clean")).expect("made");
        let before = ALLOCATOR.allocated();
        ALLOCATOR
            .set_limit(before + limits::PICTURE_BYTES)
            .expect("not reached yet");
        let cleaned = picture::clean(&path, media_type, &mut to, limits::PICTURE_BYTES);
        let shown = look(&path, media_type);
        ALLOCATOR.set_limit(usize::MAX).expect("always more");
        assert!(cleaned.is_ok());
        assert_eq!(
            shown.thumbnail.is_some(),
            is_shown,
            "{media_type} of {size} bytes"
        );
    }
}
