//! Pictures: what they show of camera and place is taken out, how large they are, and a small one of each. Works on a bounded
//! memory whatever the file says. What must not live here: threads, rows, who asks.
//!
//! Invariants: nothing is decoded before its header said how much that takes; a file that cannot be understood stays as it is.

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, Limits, codecs};
use img_parts::jpeg::{Jpeg, markers};
use img_parts::png::Png;
use img_parts::webp::WebP;
use img_parts::{Bytes, ImageEXIF};

use crate::limits;

/// The side of the picture that a ThumbHash is made from.
const HASH_SIDE: u32 = 100;
const QUALITY: u8 = 80;

/// What could be found out about a picture.
#[derive(Debug, Default)]
pub struct Picture {
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub thumbhash: Option<Vec<u8>>,
    /// A JPEG.
    pub thumbnail: Option<Vec<u8>>,
}

fn format_of(media_type: &str) -> Option<ImageFormat> {
    match media_type {
        "image/gif" => Some(ImageFormat::Gif),
        "image/jpeg" => Some(ImageFormat::Jpeg),
        "image/png" => Some(ImageFormat::Png),
        "image/webp" => Some(ImageFormat::WebP),
        _ => None,
    }
}

/// Whether there is anything that this room can do for it.
#[must_use]
pub fn is_known(media_type: &str) -> bool {
    format_of(media_type).is_some()
}

/// Writes the picture without what it says of camera, place and people; its pixels, colours and the way up stay. False: it
/// has nothing of the kind, is no such picture, or is larger than `most`; then nothing of use was written.
pub fn clean(from: &Path, media_type: &str, to: &mut File, most: usize) -> io::Result<bool> {
    let length = std::fs::metadata(from)?.len();
    if !matches!(media_type, "image/jpeg" | "image/png" | "image/webp")
        || length > limits::picture_file(most) as u64
    {
        return Ok(false);
    }
    let bytes = Bytes::from(std::fs::read(from)?);
    let before = bytes.clone();
    let cleaned = match media_type {
        "image/jpeg" => cleaned_jpeg(bytes),
        "image/png" => cleaned_png(bytes),
        _ => cleaned_webp(bytes),
    };
    let Some(encoder) = cleaned else { return Ok(false) };
    to.set_len(0)?;
    to.seek(SeekFrom::Start(0))?;
    let mut compare = Compare {
        to,
        before: &before,
        same: true,
    };
    for piece in encoder {
        compare.write_all(&piece)?;
    }
    let differs = !compare.same || !compare.before.is_empty();
    if differs {
        to.sync_all()?;
    }
    Ok(differs)
}

/// A picture's parts in order, as they are to be written.
type Parts = Box<dyn Iterator<Item = Bytes>>;

/// Writes, and keeps in mind whether all of it was there before.
struct Compare<'a> {
    to: &'a mut File,
    before: &'a [u8],
    same: bool,
}

impl Write for Compare<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        match self.before.strip_prefix(&bytes[..count]) {
            Some(rest) => self.before = rest,
            None => self.same = false,
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn cleaned_jpeg(bytes: Bytes) -> Option<Parts> {
    let mut jpeg = Jpeg::from_bytes(bytes).ok()?;
    let orientation = jpeg.exif().as_deref().and_then(Orientation::from_exif_chunk);
    jpeg.segments_mut().retain(|segment| {
        let is_index_of_more = segment.marker() == markers::APP2 && segment.contents().starts_with(b"MPF\0");
        !matches!(segment.marker(), markers::APP1 | markers::APP13 | markers::COM) && !is_index_of_more
    });
    if let Some(orientation) = orientation.filter(|way| *way != Orientation::NoTransforms) {
        jpeg.set_exif(Some(way_up(orientation)));
    }
    if !jpeg.segments().iter().any(|segment| segment.has_entropy()) {
        return None;
    }
    // No part is copied. The last one is all from the first scan on; what follows the picture's end in it may be a second
    // picture or a film, with all that they say.
    let mut parts: Vec<Bytes> = jpeg.encoder().collect();
    let end = end_of_scans(parts.last()?)?;
    parts.last_mut()?.truncate(end);
    Some(Box::new(parts.into_iter()))
}

/// Where a JPEG's scans end, its end marker included; nothing where they do not.
fn end_of_scans(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        if *bytes.get(at)? != 0xff {
            at += 1;
            continue;
        }
        match *bytes.get(at + 1)? {
            // Fill bytes, an escaped 0xff, restarts.
            0xff => at += 1,
            0x00 | 0x01 | 0xd0..=0xd8 => at += 2,
            0xd9 => return Some(at + 2),
            _ => {
                let length = [*bytes.get(at + 2)?, *bytes.get(at + 3)?];
                at += 2 + usize::from(u16::from_be_bytes(length)).max(2);
            }
        }
    }
}

/// The least EXIF there is: one entry, the way up (TIFF 6.0, tag 274).
fn way_up(orientation: Orientation) -> Bytes {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation.to_exif(), 0, 0, 0, 0, 0, 0, 0]);
    Bytes::from(exif)
}

fn cleaned_png(bytes: Bytes) -> Option<Parts> {
    let mut png = Png::from_bytes(bytes).ok()?;
    let orientation = png.exif().as_deref().and_then(Orientation::from_exif_chunk);
    png.chunks_mut()
        .retain(|chunk| !matches!(&chunk.kind(), b"eXIf" | b"tEXt" | b"iTXt" | b"zTXt" | b"tIME"));
    if let Some(orientation) = orientation.filter(|way| *way != Orientation::NoTransforms) {
        png.set_exif(Some(way_up(orientation)));
    }
    Some(Box::new(png.encoder()))
}

fn cleaned_webp(bytes: Bytes) -> Option<Parts> {
    let mut webp = WebP::from_bytes(bytes).ok()?;
    let orientation = webp.exif().as_deref().and_then(Orientation::from_exif_chunk);
    webp.remove_chunks_by_id(*b"XMP ");
    webp.set_exif(None);
    if let Some(orientation) = orientation.filter(|way| *way != Orientation::NoTransforms) {
        webp.set_exif(Some(way_up(orientation)));
    }
    Some(Box::new(webp.encoder()))
}

/// Finds out what a picture can tell within `most` bytes of memory.
#[must_use]
pub fn look(path: &Path, media_type: &str, most: usize) -> Picture {
    let mut picture = Picture::default();
    let Some(format) = format_of(media_type) else {
        return picture;
    };
    let Some(size) = size_of(path, format) else {
        return picture;
    };
    let (width, height, turned) = size;
    let shown = if turned { (height, width) } else { (width, height) };
    (picture.width, picture.height) = (Some(shown.0), Some(shown.1));
    let Some(small) = shrunk(path, format, most) else {
        return picture;
    };
    let hash_of = within(small.clone(), HASH_SIDE).to_rgba8();
    let (width, height) = (hash_of.width() as usize, hash_of.height() as usize);
    picture.thumbhash = Some(thumbhash::rgba_to_thumb_hash(width, height, hash_of.as_raw()));
    picture.thumbnail = jpeg(&small);
    picture
}

fn reader(path: &Path) -> io::Result<BufReader<File>> {
    File::open(path).map(BufReader::new)
}

/// Width and height as stored, and whether it is shown on its side.
fn size_of(path: &Path, format: ImageFormat) -> Option<(u32, u32, bool)> {
    let reader = reader(path).ok()?;
    let (width, height, way) = match format {
        ImageFormat::Jpeg => {
            let mut decoder = jpeg_decoder::Decoder::new(reader);
            decoder.read_info().ok()?;
            let info = decoder.info()?;
            (info.width.into(), info.height.into(), way_of(&decoder))
        }
        ImageFormat::Png => facts(codecs::png::PngDecoder::new(reader).ok()?)?,
        ImageFormat::Gif => facts(codecs::gif::GifDecoder::new(reader).ok()?)?,
        ImageFormat::WebP => facts(codecs::webp::WebPDecoder::new(reader).ok()?)?,
        _ => return None,
    };
    let turned = matches!(
        way,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    Some((width, height, turned))
}

fn facts(mut decoder: impl ImageDecoder) -> Option<(u32, u32, Orientation)> {
    let (width, height) = decoder.dimensions();
    Some((width, height, decoder.orientation().ok()?))
}

fn way_of<R: io::Read>(decoder: &jpeg_decoder::Decoder<R>) -> Orientation {
    let said = decoder.exif_data().and_then(Orientation::from_exif_chunk);
    said.unwrap_or(Orientation::NoTransforms)
}

/// The picture, small and the right way up; nothing where that takes more than `most` bytes.
fn shrunk(path: &Path, format: ImageFormat, most: usize) -> Option<DynamicImage> {
    let (mut small, way) = if format == ImageFormat::Jpeg {
        shrunk_jpeg(path, most)?
    } else {
        decoded(path, format, most)?
    };
    small = within(small, limits::THUMBNAIL_SIDE);
    small.apply_orientation(way);
    Some(small)
}

/// Made smaller where it is larger; never larger.
fn within(picture: DynamicImage, side: u32) -> DynamicImage {
    if picture.width().max(picture.height()) > side {
        picture.thumbnail(side, side)
    } else {
        picture
    }
}

/// A JPEG is decoded at a fraction of its size, which takes a fraction of the memory. One that comes in several scans is
/// gathered as a whole first: two bytes for each sample.
fn shrunk_jpeg(path: &Path, most: usize) -> Option<(DynamicImage, Orientation)> {
    let mut decoder = jpeg_decoder::Decoder::new(reader(path).ok()?);
    decoder.set_max_decoding_buffer_size(most / 2);
    decoder.read_info().ok()?;
    let info = decoder.info()?;
    let pixels = usize::from(info.width) * usize::from(info.height);
    let gathers = info.coding_process != jpeg_decoder::CodingProcess::DctSequential;
    let each = if gathers {
        info.pixel_format.pixel_bytes() * 2
    } else {
        0
    };
    if pixels.checked_mul(each)? > most / 2 {
        return None;
    }
    let way = way_of(&decoder);
    let side = u16::try_from(limits::THUMBNAIL_SIDE).expect("a small number");
    let (width, height) = decoder.scale(side, side).ok()?;
    let bytes = decoder.decode().ok()?;
    let (width, height) = (u32::from(width), u32::from(height));
    let small = match decoder.info()?.pixel_format {
        jpeg_decoder::PixelFormat::L8 => image::GrayImage::from_raw(width, height, bytes)?.into(),
        jpeg_decoder::PixelFormat::RGB24 => image::RgbImage::from_raw(width, height, bytes)?.into(),
        // Ink and 16 bits of grey are no pictures for a chat.
        jpeg_decoder::PixelFormat::L16 | jpeg_decoder::PixelFormat::CMYK32 => return None,
    };
    Some((small, way))
}

fn decoded(path: &Path, format: ImageFormat, most: usize) -> Option<(DynamicImage, Orientation)> {
    let reader = reader(path).ok()?;
    match format {
        ImageFormat::Png => pixels(codecs::png::PngDecoder::new(reader).ok()?, most, 1),
        ImageFormat::Gif => pixels(codecs::gif::GifDecoder::new(reader).ok()?, most, 2),
        ImageFormat::WebP => pixels(codecs::webp::WebPDecoder::new(reader).ok()?, most, 3),
        _ => None,
    }
}

/// `times`: how often a decoder of the kind holds the picture while it works.
fn pixels(mut decoder: impl ImageDecoder, most: usize, times: u64) -> Option<(DynamicImage, Orientation)> {
    // The small picture and its turned copy need a little, too.
    if decoder.total_bytes().checked_mul(times)? > most as u64 / 8 * 7 {
        return None;
    }
    let mut bounds = Limits::no_limits();
    bounds.max_alloc = Some(most as u64);
    decoder.set_limits(bounds).ok()?;
    let way = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).ok()?;
    Some((within(picture, limits::THUMBNAIL_SIDE), way))
}

/// On white where one could see through it.
fn jpeg(small: &DynamicImage) -> Option<Vec<u8>> {
    let mut flat = small.to_rgba8();
    for pixel in flat.pixels_mut() {
        let [.., alpha] = pixel.0;
        let over = |colour: u8| {
            let (colour, alpha) = (u32::from(colour), u32::from(alpha));
            u8::try_from((colour * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
        };
        pixel.0 = [over(pixel.0[0]), over(pixel.0[1]), over(pixel.0[2]), 255];
    }
    let flat = DynamicImage::from(flat).to_rgb8();
    let mut bytes = Vec::new();
    codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode_image(&flat)
        .ok()?;
    Some(bytes)
}
