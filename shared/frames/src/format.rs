//! The formats that need a parser, and how they are detected.

/// A format that is read by a parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentFormat {
    /// Portable Document Format.
    Pdf,
    /// Word since 2007.
    Docx,
    /// PowerPoint since 2007.
    Pptx,
    /// Excel since 2007.
    Xlsx,
    /// Excel until 2003.
    Xls,
    /// Word until 2003.
    Doc,
    /// PowerPoint until 2003.
    Ppt,
    /// `OpenDocument` text.
    Odt,
    /// `OpenDocument` presentation.
    Odp,
    /// `OpenDocument` spreadsheet.
    Ods,
    /// Rich Text Format.
    Rtf,
    /// E-book.
    Epub,
    /// One mail.
    Eml,
    /// One mail of Outlook.
    Msg,
    /// Many mails.
    Mbox,
    /// A web page with its parts.
    Mhtml,
    /// ZIP archive.
    Zip,
    /// TAR archive, also compressed.
    Tar,
    /// One compressed file.
    Gzip,
    /// One compressed file.
    Zstd,
    /// A picture, read by OCR.
    Png,
    /// A picture, read by OCR.
    Jpeg,
    /// Pictures, read by OCR.
    Tiff,
    /// A picture, read by OCR.
    Webp,
}

/// What identifies a format.
struct Traits {
    format: DocumentFormat,
    /// For messages, with its article.
    name: &'static str,
    /// In lower case. The first one is the format's usual one.
    extensions: &'static [&'static str],
    /// In lower case.
    media_types: &'static [&'static str],
    /// First bytes that files of this format may start with.
    signatures: &'static [&'static [u8]],
}

const ZIP: &[u8] = b"PK\x03\x04";
const EMPTY_ZIP: &[u8] = b"PK\x05\x06";
const COMPOUND_FILE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
const GZIP: &[u8] = b"\x1F\x8B";
const ZSTD: &[u8] = b"\x28\xB5\x2F\xFD";
/// Extensions of ZIP archives that are programs, or documents of formats that no parser reads: what is in them are no
/// documents.
const PACKAGES: [&str; 20] = [
    "3mf", "aab", "apk", "crx", "ear", "ipa", "jar", "key", "kmz", "msix", "numbers", "nupkg", "pages",
    "sketch", "usdz", "vsdx", "vsix", "war", "whl", "xpi",
];
/// Sound and video start with it, too.
const RIFF: &[u8] = b"RIFF";
/// Where a WebP image says that it is one.
const WEBP_MAGIC: (usize, &[u8]) = (8, b"WEBP");
/// Where a TAR archive says that it is one.
const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");

/// In the order of the enum. A format comes before others whose files start alike and are detected by name only.
const FORMATS: [Traits; 24] = [
    Traits {
        format: DocumentFormat::Pdf,
        name: "a PDF document",
        extensions: &["pdf"],
        media_types: &["application/pdf"],
        signatures: &[b"%PDF-", b"\xEF\xBB\xBF%PDF-"],
    },
    Traits {
        format: DocumentFormat::Docx,
        name: "a Word document (DOCX)",
        extensions: &["docx", "docm", "dotx", "dotm"],
        media_types: &[
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.ms-word.document.macroenabled.12",
        ],
        signatures: &[ZIP],
    },
    Traits {
        format: DocumentFormat::Pptx,
        name: "a PowerPoint presentation (PPTX)",
        extensions: &["pptx", "pptm", "ppsx", "potx"],
        media_types: &[
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            "application/vnd.ms-powerpoint.presentation.macroenabled.12",
        ],
        signatures: &[ZIP],
    },
    Traits {
        format: DocumentFormat::Xlsx,
        name: "an Excel workbook (XLSX)",
        extensions: &["xlsx", "xlsm", "xltx", "xlam"],
        media_types: &[
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.ms-excel.sheet.macroenabled.12",
        ],
        signatures: &[ZIP],
    },
    Traits {
        format: DocumentFormat::Xls,
        name: "an Excel workbook (XLS)",
        extensions: &["xls", "xlt"],
        media_types: &["application/vnd.ms-excel"],
        signatures: &[COMPOUND_FILE],
    },
    Traits {
        format: DocumentFormat::Doc,
        name: "a Word document (DOC)",
        extensions: &["doc", "dot"],
        media_types: &["application/msword"],
        signatures: &[COMPOUND_FILE],
    },
    Traits {
        format: DocumentFormat::Ppt,
        name: "a PowerPoint presentation (PPT)",
        extensions: &["ppt", "pps"],
        media_types: &["application/vnd.ms-powerpoint"],
        signatures: &[COMPOUND_FILE],
    },
    Traits {
        format: DocumentFormat::Odt,
        name: "an OpenDocument text (ODT)",
        extensions: &["odt", "ott"],
        media_types: &["application/vnd.oasis.opendocument.text"],
        signatures: &[ZIP],
    },
    Traits {
        format: DocumentFormat::Odp,
        name: "an OpenDocument presentation (ODP)",
        extensions: &["odp", "otp"],
        media_types: &["application/vnd.oasis.opendocument.presentation"],
        signatures: &[ZIP],
    },
    Traits {
        format: DocumentFormat::Ods,
        name: "an OpenDocument spreadsheet (ODS)",
        extensions: &["ods", "ots"],
        media_types: &["application/vnd.oasis.opendocument.spreadsheet"],
        signatures: &[ZIP],
    },
    Traits {
        format: DocumentFormat::Rtf,
        name: "a rich text document (RTF)",
        extensions: &["rtf"],
        media_types: &["application/rtf", "text/rtf"],
        signatures: &[b"{\\rtf"],
    },
    Traits {
        format: DocumentFormat::Epub,
        name: "an e-book (EPUB)",
        extensions: &["epub"],
        media_types: &["application/epub+zip"],
        signatures: &[ZIP],
    },
    Traits {
        format: DocumentFormat::Eml,
        name: "a mail (EML)",
        extensions: &["eml"],
        media_types: &["message/rfc822"],
        signatures: &[],
    },
    Traits {
        format: DocumentFormat::Msg,
        name: "an Outlook mail (MSG)",
        extensions: &["msg"],
        media_types: &["application/vnd.ms-outlook"],
        signatures: &[COMPOUND_FILE],
    },
    Traits {
        format: DocumentFormat::Mbox,
        name: "a mailbox (MBOX)",
        extensions: &["mbox"],
        media_types: &["application/mbox"],
        signatures: &[],
    },
    Traits {
        format: DocumentFormat::Mhtml,
        name: "a saved web page (MHTML)",
        extensions: &["mhtml", "mht"],
        media_types: &["multipart/related", "application/x-mimearchive"],
        signatures: &[],
    },
    Traits {
        format: DocumentFormat::Zip,
        name: "a ZIP archive",
        extensions: &["zip"],
        media_types: &["application/zip", "application/x-zip-compressed"],
        signatures: &[ZIP, EMPTY_ZIP],
    },
    Traits {
        format: DocumentFormat::Tar,
        name: "a TAR archive",
        extensions: &["tar", "tgz", "tzst"],
        media_types: &["application/x-tar", "application/x-gtar"],
        signatures: &[],
    },
    Traits {
        format: DocumentFormat::Gzip,
        name: "a compressed file (GZ)",
        extensions: &["gz"],
        media_types: &["application/gzip", "application/x-gzip"],
        signatures: &[GZIP],
    },
    Traits {
        format: DocumentFormat::Zstd,
        name: "a compressed file (ZST)",
        extensions: &["zst"],
        media_types: &["application/zstd"],
        signatures: &[ZSTD],
    },
    Traits {
        format: DocumentFormat::Png,
        name: "a PNG image",
        extensions: &["png"],
        media_types: &["image/png"],
        signatures: &[b"\x89PNG\r\n\x1A\n"],
    },
    Traits {
        format: DocumentFormat::Jpeg,
        name: "a JPEG image",
        extensions: &["jpg", "jpeg", "jfif"],
        media_types: &["image/jpeg", "image/jpg"],
        signatures: &[b"\xFF\xD8\xFF"],
    },
    Traits {
        format: DocumentFormat::Tiff,
        name: "a TIFF image",
        extensions: &["tif", "tiff"],
        media_types: &["image/tiff"],
        signatures: &[b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"],
    },
    Traits {
        format: DocumentFormat::Webp,
        name: "a WebP image",
        extensions: &["webp"],
        media_types: &["image/webp"],
        signatures: &[RIFF],
    },
];

impl DocumentFormat {
    /// Bytes of a file's start that [`Self::detect`] looks at: a TAR archive says what it is after 257.
    pub const HEAD_BYTES: usize = 1024;

    /// Returns every format.
    pub fn all() -> impl Iterator<Item = Self> {
        FORMATS.iter().map(|traits| traits.format)
    }

    /// The format's name with its article, for example `a PDF document`.
    pub fn name(self) -> &'static str {
        self.traits().name
    }

    /// The file name extensions of this format in lower case, the usual one first.
    pub fn extensions(self) -> &'static [&'static str] {
        self.traits().extensions
    }

    /// The media types of this format in lower case, the usual one first.
    pub fn media_types(self) -> &'static [&'static str] {
        self.traits().media_types
    }

    /// Detects a document's format by its first bytes where they are unmistakable, then by its file name, then by
    /// its media type, which has no parameters. Returns `None` for a file that needs no parser, or that none can
    /// read.
    ///
    /// `head` is the start of the file, 1 KiB is plenty; without it, as when a file is announced, names decide.
    pub fn detect(file_name: &str, media_type: &str, head: &[u8]) -> Option<Self> {
        let name = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name).to_ascii_lowercase();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let media_type = media_type.to_ascii_lowercase();
        let named = FORMATS
            .iter()
            .find(|traits| traits.extensions.contains(&extension))
            .or_else(|| FORMATS.iter().find(|traits| traits.media_types.contains(&media_type.as_str())));
        let starts = |traits: &Traits| starts(traits, head);
        if let Some(named) = named.filter(|named| head.is_empty() || starts(named)) {
            return Some(named.format);
        }
        if has_at(head, TAR_MAGIC) {
            return Some(Self::Tar);
        }
        // Compressed TAR archives, and formats without a signature.
        if let Some(named) = named.filter(|named| {
            named.signatures.is_empty() && (named.format == Self::Tar || !FORMATS.iter().any(starts))
        }) {
            return Some(named.format);
        }
        if head.starts_with(ZIP) {
            return Some(zip_kind(head)).filter(|kind| *kind != Self::Zip || !PACKAGES.contains(&extension));
        }
        FORMATS.iter().find(|traits| starts(traits)).map(|traits| traits.format)
    }

    /// The name without its article.
    pub fn short_name(self) -> &'static str {
        let name = self.name();
        name.split_once(' ').map_or(name, |(_article, name)| name)
    }

    /// Whether files of this format may consist of printable characters, so that text under its name is most likely a
    /// damaged one.
    pub fn looks_like_text(self) -> bool {
        matches!(self, Self::Pdf | Self::Rtf | Self::Eml | Self::Mbox | Self::Mhtml)
    }

    /// Whether files of this format are pictures, which only OCR reads.
    pub fn is_image(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::Tiff | Self::Webp)
    }

    /// Whether OCR may find text in files of this format: pictures, and what may have pages that are pictures.
    pub fn may_need_ocr(self) -> bool {
        self.is_image() || self == Self::Pdf
    }

    /// The table has the order of the enum, which a test checks.
    fn traits(self) -> &'static Traits {
        &FORMATS[self as usize]
    }
}

/// Whether a file starts as files of this format do.
fn starts(traits: &Traits, head: &[u8]) -> bool {
    traits.signatures.iter().any(|signature| head.starts_with(signature))
        && (traits.format != DocumentFormat::Webp || has_at(head, WEBP_MAGIC))
}

fn has_at(head: &[u8], (offset, magic): (usize, &[u8])) -> bool {
    head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
}

/// Distinguishes ZIP archives by their first member: `OpenDocument` and EPUB start with their media type.
fn zip_kind(head: &[u8]) -> DocumentFormat {
    const START: usize = 30;
    let member = head.get(START..).unwrap_or_default();
    let media_type = member.strip_prefix(b"mimetype").unwrap_or_default();
    // OpenDocument templates and charts have longer names than documents: the longest match wins.
    let declared = FORMATS
        .iter()
        .filter(|traits| traits.media_types.iter().any(|known| media_type.starts_with(known.as_bytes())))
        .max_by_key(|traits| traits.media_types[0].len());
    declared.map_or(DocumentFormat::Zip, |traits| traits.format)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn detect(file_name: &str, head: &[u8]) -> Option<DocumentFormat> {
        DocumentFormat::detect(file_name, "", head)
    }

    #[test]
    fn every_name_belongs_to_one_format() {
        let mut known = HashSet::new();
        for traits in &FORMATS {
            assert!(known.insert(traits.name), "{} is twice in the table", traits.name);
            assert_eq!(traits.format.name(), traits.name);
            for name in traits.extensions.iter().chain(traits.media_types) {
                assert!(known.insert(name), "{name} belongs to two formats");
                assert_eq!(*name, name.to_lowercase());
            }
            for extension in traits.extensions {
                assert_eq!(detect(&format!("a/b.{}", extension.to_uppercase()), b""), Some(traits.format));
            }
            for media_type in traits.media_types {
                assert_eq!(DocumentFormat::detect("b", media_type, b""), Some(traits.format));
            }
        }
    }

    #[test]
    fn bytes_go_before_the_name() {
        assert_eq!(detect("report.txt", b"%PDF-1.7"), Some(DocumentFormat::Pdf));
        assert_eq!(detect("report.docx", b"%PDF-1.7"), Some(DocumentFormat::Pdf));
        assert_eq!(detect("report.doc", b"{\\rtf1"), Some(DocumentFormat::Rtf));
        assert_eq!(detect("report.docx", ZIP), Some(DocumentFormat::Docx));
        assert_eq!(detect("report.xls", COMPOUND_FILE), Some(DocumentFormat::Xls));
        assert_eq!(detect("photos", ZIP), Some(DocumentFormat::Zip));
        assert_eq!(detect("app.jar", ZIP), None, "its members are no documents");
        assert_eq!(detect("mail.eml", GZIP), Some(DocumentFormat::Gzip));
        assert_eq!(detect("backup.tgz", GZIP), Some(DocumentFormat::Tar));
        assert_eq!(detect("mail.eml", b"From: a@example.com"), Some(DocumentFormat::Eml));
        assert_eq!(detect("notes.txt", b"text"), None);
        assert_eq!(detect("notes.pdf", b"text"), None);
    }

    #[test]
    fn zip_declares_what_it_contains() {
        let head = |media_type: &str| {
            [b"PK\x03\x04".as_slice(), &[0; 26], b"mimetype", media_type.as_bytes()].concat()
        };
        assert_eq!(detect("book", &head("application/epub+zipPK")), Some(DocumentFormat::Epub));
        assert_eq!(
            detect("sheet", &head("application/vnd.oasis.opendocument.spreadsheetPK")),
            Some(DocumentFormat::Ods)
        );
        assert_eq!(detect("other", &head("application/other")), Some(DocumentFormat::Zip));
    }

    #[test]
    fn images_are_recognised_by_their_bytes() {
        assert_eq!(detect("scan.png", b"\xFF\xD8\xFF\xE0"), Some(DocumentFormat::Jpeg));
        assert_eq!(detect("scan", b"II*\0"), Some(DocumentFormat::Tiff));
        assert_eq!(detect("photo", b"RIFF\x10\0\0\0WEBPVP8 "), Some(DocumentFormat::Webp));
        assert_eq!(detect("sound.webp", b"RIFF\x10\0\0\0WAVEfmt "), None);
        assert_eq!(detect("notes.png", b"text"), None);
    }

    #[test]
    fn tar_is_recognised_behind_its_first_header() {
        let mut head = vec![0; 600];
        head[257..262].copy_from_slice(b"ustar");
        assert_eq!(detect("backup", &head), Some(DocumentFormat::Tar));
    }
}
