//! Formats that are known and cannot be read, so that errors can name them.

use crate::format::covers;

pub(super) struct Unsupported {
    /// With its article, for messages.
    pub(super) description: &'static str,
    /// Its files may consist of printable characters, so that their bytes do not show that they are none of it.
    pub(super) may_look_like_text: bool,
    extensions: &'static [&'static str],
    media_types: &'static [&'static str],
    /// First bytes that no text starts with.
    signatures: &'static [&'static [u8]],
}

/// The format with this signature.
pub(super) fn by_signature(head: &[u8]) -> Option<&'static Unsupported> {
    find(|format| format.signatures.iter().any(|signature| head.starts_with(signature)))
}

/// The format with this extension.
pub(super) fn by_extension(extension: &str) -> Option<&'static Unsupported> {
    find(|format| format.extensions.contains(&extension))
}

/// The format with this media type.
pub(super) fn by_media_type(media_type: &str) -> Option<&'static Unsupported> {
    find(|format| format.media_types.iter().any(|known| *known == media_type || covers(known, media_type)))
}

fn find(matches: impl Fn(&Unsupported) -> bool) -> Option<&'static Unsupported> {
    UNSUPPORTED.iter().find(|format| matches(format))
}

static UNSUPPORTED: &[Unsupported] = &[
    by_name("an archive", &["bz2", "xz", "7z", "rar"]),
    by_name(
        "a packaged program",
        &["jar", "war", "ear", "apk", "aab", "ipa", "crx", "xpi", "whl", "nupkg", "vsix", "msix"],
    ),
    by_name("a compiled program", &["exe", "dll", "so", "dylib", "o", "a", "class", "pyc", "wasm"]),
    by_name(
        "a binary data file",
        &["sqlite", "db", "parquet", "avro", "onnx", "safetensors", "npy", "npz", "pkl"],
    ),
    by_name("a font", &["woff", "woff2", "ttf", "otf"]),
    Unsupported {
        description: "an image",
        may_look_like_text: false,
        extensions: &["gif", "bmp", "ico", "heic"],
        media_types: &["image/*"],
        signatures: &[],
    },
    Unsupported {
        description: "an audio file",
        may_look_like_text: false,
        extensions: &["mp3", "wav", "flac", "ogg", "m4a", "aac"],
        media_types: &["audio/*"],
        signatures: &[],
    },
    Unsupported {
        description: "a video file",
        may_look_like_text: false,
        extensions: &["mp4", "mkv", "mov", "avi", "webm"],
        media_types: &["video/*"],
        signatures: &[],
    },
    // Those that are archives of documents need a parser.
    by_first_bytes("a document or program that is a ZIP archive", &[b"PK\x03\x04"]),
    by_first_bytes("a bzip2 archive", &[b"BZh9"]),
    by_first_bytes("an xz archive", &[b"\xFD7zXZ\0"]),
    by_first_bytes("a 7z archive", &[b"7z\xBC\xAF\x27\x1C"]),
    by_first_bytes("a RAR archive", &[b"Rar!\x1A\x07"]),
    by_first_bytes("an image (GIF)", &[b"GIF87a", b"GIF89a"]),
    by_first_bytes("a compiled program (ELF)", &[b"\x7FELF"]),
    by_first_bytes("a compiled program (WebAssembly)", &[b"\0asm"]),
    by_first_bytes("an SQLite database", &[b"SQLite format 3\0"]),
    by_first_bytes("an audio or video file (Ogg)", &[b"OggS\0"]),
    by_first_bytes("an audio file (FLAC)", &[b"fLaC\0"]),
    by_first_bytes("an audio file (MP3)", &[b"ID3\x03", b"ID3\x04"]),
];

const fn by_name(description: &'static str, extensions: &'static [&'static str]) -> Unsupported {
    Unsupported { description, may_look_like_text: false, extensions, media_types: &[], signatures: &[] }
}

const fn by_first_bytes(description: &'static str, signatures: &'static [&'static [u8]]) -> Unsupported {
    Unsupported { description, may_look_like_text: false, extensions: &[], media_types: &[], signatures }
}
