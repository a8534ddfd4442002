//! Code pages of documents and character sets of fonts.

use encoding_rs::{Encoding, WINDOWS_1252};

/// The encoding of a code page; that of Western Europe for one that is not known.
pub(super) fn code_page(number: i32) -> &'static Encoding {
    u16::try_from(number).ok().and_then(codepage::to_encoding).unwrap_or(WINDOWS_1252)
}

/// The encoding of a font's character set; `None` for the document's own.
pub(super) fn character_set(number: i32) -> Option<&'static Encoding> {
    let page = match number {
        77 => 10_000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    };
    codepage::to_encoding(page)
}
