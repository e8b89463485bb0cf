//! What a file is, told from its first bytes. Nobody's word is taken for it. What must not live here: how it is served.

/// So many first bytes say what a file is.
pub const HEAD: usize = 8 * 1024;
/// What nothing more can be said of.
pub const UNKNOWN: &str = "application/octet-stream";

/// What a browser may show by itself: none of these can run anything.
const HARMLESS: &[&str] = &[
    "image/avif",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "audio/aac",
    "audio/m4a",
    "audio/mpeg",
    "audio/ogg",
    "audio/opus",
    "audio/x-flac",
    "audio/x-wav",
    "video/mp4",
    "video/webm",
];

/// The media type that the bytes themselves tell.
#[must_use]
pub fn media_type(head: &[u8]) -> &'static str {
    infer::get(head).map_or(UNKNOWN, |found| found.mime_type())
}

/// Whether a browser may show it where it stands.
#[must_use]
pub fn is_harmless(media_type: &str) -> bool {
    HARMLESS.contains(&media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_run_is_never_harmless() {
        for bytes in [
            &b"<!DOCTYPE html><script>alert(1)</script>"[..],
            b"<html><body>",
            b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>",
            b"%PDF-1.7",
            b"MZ\x90\0",
            b"#!/bin/sh\n",
            b"hello",
            b"",
        ] {
            assert!(
                !is_harmless(media_type(bytes)),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
        assert_eq!(media_type(b"hello"), UNKNOWN);
        for (bytes, known) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], "image/png"),
            (b"\xff\xd8\xff\xe0....", "image/jpeg"),
            (b"GIF89a....", "image/gif"),
            (b"RIFF....WEBPVP8 ", "image/webp"),
            (b"OggS....", "audio/ogg"),
            (b"RIFF....WAVEfmt ", "audio/x-wav"),
            (b"fLaC....", "audio/x-flac"),
            (b"\x00\x00\x00\x18ftypmp42........", "video/mp4"),
        ] {
            assert_eq!(media_type(bytes), known);
            assert!(is_harmless(known), "{known}");
        }
    }
}
