//! Which kind of document some bytes are.

/// What can be read, for messages.
pub const SUPPORTED_FORMATS: &str = "plain text, Markdown, HTML and source code";

/// The kind of a document, which decides how its text is found and where it may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Running text.
    PlainText,
    /// Markdown; its marks stay in the text.
    Markdown,
    /// HTML; only what a reader would see becomes text.
    Html,
    /// A programming, configuration or data language in text form.
    SourceCode {
        /// Short lower-case name, for example `rust`.
        language: &'static str,
    },
    /// Nothing that can be read.
    Unsupported {
        /// Names the format and says what can be read.
        reason: String,
    },
}

impl Format {
    /// Decides by the first bytes where they are unmistakable, then by the file name's ending,
    /// then by the content type, and at last by whether the first bytes look like text.
    ///
    /// `head` is as much of the start of the file as is at hand; 1 KiB is plenty, and none is
    /// accepted.
    pub fn detect(file_name: &str, content_type: Option<&str>, head: &[u8]) -> Self {
        let name = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name).to_ascii_lowercase();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        if let Some(found) = binary_by_signature(head) {
            let precise = unsupported_by_extension(extension).unwrap_or(found);
            return unsupported(precise);
        }
        if let Some(format) = unsupported_by_extension(extension) {
            return unsupported(format);
        }
        if let Some(format) = by_extension(extension).or_else(|| by_whole_name(&name)) {
            return format;
        }
        let media_type = content_type.map(media_type_of).unwrap_or_default();
        if let Some(format) = by_media_type(&media_type) {
            return format;
        }
        if looks_like_html(head) {
            return Self::Html;
        }
        if looks_like_text(head) {
            return Self::PlainText;
        }
        let described = if media_type.is_empty() || media_type == "application/octet-stream" {
            "a binary file of a kind that is not known".to_owned()
        } else {
            format!("a binary file of type {media_type}")
        };
        unsupported(&described)
    }

    /// A short name for messages and metadata.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PlainText => "plain text",
            Self::Markdown => "Markdown",
            Self::Html => "HTML",
            Self::SourceCode { .. } => "source code",
            Self::Unsupported { .. } => "unsupported",
        }
    }
}

fn unsupported(described: &str) -> Format {
    Format::Unsupported { reason: format!("{described} cannot be read; supported are {SUPPORTED_FORMATS}") }
}

fn media_type_of(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn by_extension(extension: &str) -> Option<Format> {
    let language = match extension {
        "txt" | "text" | "log" | "rst" | "adoc" | "asciidoc" | "org" | "tex" | "srt" | "vtt" => {
            return Some(Format::PlainText);
        }
        "md" | "markdown" | "mdown" | "mkd" | "mdx" => return Some(Format::Markdown),
        "html" | "htm" | "xhtml" => return Some(Format::Html),
        "py" | "pyi" => "python",
        "js" | "jsx" | "mjs" | "cjs" => "javascript",
        "ts" | "tsx" => "typescript",
        "java" => "java",
        "kt" | "kts" => "kotlin",
        "go" => "go",
        "rs" => "rust",
        "rb" => "ruby",
        "php" => "php",
        "c" | "h" => "c",
        "cpp" | "cc" | "cxx" | "hpp" | "hh" | "hxx" => "cpp",
        "cs" => "csharp",
        "swift" => "swift",
        "scala" => "scala",
        "dart" => "dart",
        "lua" => "lua",
        "pl" | "pm" => "perl",
        "r" => "r",
        "jl" => "julia",
        "ex" | "exs" => "elixir",
        "erl" => "erlang",
        "hs" => "haskell",
        "clj" => "clojure",
        "zig" => "zig",
        "vue" => "vue",
        "svelte" => "svelte",
        "sh" | "bash" | "zsh" | "fish" => "shell",
        "ps1" => "powershell",
        "bat" | "cmd" => "batch",
        "sql" => "sql",
        "graphql" | "gql" => "graphql",
        "proto" => "protobuf",
        "tf" | "hcl" => "hcl",
        "nix" => "nix",
        "json" | "jsonl" | "ndjson" | "ipynb" => "json",
        "yaml" | "yml" => "yaml",
        "toml" => "toml",
        "ini" | "cfg" | "conf" | "properties" | "env" => "ini",
        "xml" | "xsd" | "xsl" => "xml",
        "csv" | "tsv" => "csv",
        "css" | "scss" | "less" | "sass" => "css",
        _ => return None,
    };
    Some(Format::SourceCode { language })
}

fn by_whole_name(name: &str) -> Option<Format> {
    match name {
        "readme" | "license" | "licence" | "notice" | "authors" | "changelog" => Some(Format::PlainText),
        "makefile" => Some(Format::SourceCode { language: "make" }),
        "dockerfile" => Some(Format::SourceCode { language: "docker" }),
        _ => None,
    }
}

fn by_media_type(media_type: &str) -> Option<Format> {
    match media_type {
        "text/html" | "application/xhtml+xml" => Some(Format::Html),
        "text/markdown" | "text/x-markdown" => Some(Format::Markdown),
        "text/csv" => Some(Format::SourceCode { language: "csv" }),
        "application/json" => Some(Format::SourceCode { language: "json" }),
        "application/xml" | "text/xml" => Some(Format::SourceCode { language: "xml" }),
        "application/yaml" | "text/yaml" | "application/x-yaml" => {
            Some(Format::SourceCode { language: "yaml" })
        }
        "text/css" => Some(Format::SourceCode { language: "css" }),
        "text/javascript" | "application/javascript" => Some(Format::SourceCode { language: "javascript" }),
        text if text.starts_with("text/") => Some(Format::PlainText),
        "application/pdf" => Some(unsupported("a PDF document")),
        image if image.starts_with("image/") => Some(unsupported("an image")),
        audio if audio.starts_with("audio/") => Some(unsupported("an audio file")),
        video if video.starts_with("video/") => Some(unsupported("a video file")),
        _ => None,
    }
}

fn unsupported_by_extension(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "pdf" => "a PDF document",
        "docx" | "docm" => "a Word document (DOCX)",
        "doc" => "a Word document (DOC)",
        "pptx" | "pptm" => "a PowerPoint presentation (PPTX)",
        "ppt" => "a PowerPoint presentation (PPT)",
        "xlsx" | "xlsm" => "an Excel workbook (XLSX)",
        "xls" => "an Excel workbook (XLS)",
        "odt" => "an OpenDocument text (ODT)",
        "ods" => "an OpenDocument spreadsheet (ODS)",
        "odp" => "an OpenDocument presentation (ODP)",
        "epub" => "an EPUB book",
        "rtf" => "a Rich Text document (RTF)",
        "eml" => "an e-mail message (EML)",
        "msg" => "an Outlook message (MSG)",
        "zip" | "gz" | "tgz" | "bz2" | "xz" | "zst" | "7z" | "rar" | "tar" | "jar" => "an archive",
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "bmp" | "tif" | "tiff" | "ico" | "heic" => "an image",
        "mp3" | "wav" | "flac" | "ogg" | "m4a" | "aac" => "an audio file",
        "mp4" | "mkv" | "mov" | "avi" | "webm" => "a video file",
        "exe" | "dll" | "so" | "dylib" | "o" | "a" | "class" | "pyc" | "wasm" => "a compiled program",
        "sqlite" | "db" | "parquet" | "avro" | "onnx" | "safetensors" | "npy" | "npz" | "pkl" => {
            "a binary data file"
        }
        "woff" | "woff2" | "ttf" | "otf" => "a font",
        _ => return None,
    })
}

/// Formats whose first bytes no text starts with.
fn binary_by_signature(head: &[u8]) -> Option<&'static str> {
    const SIGNATURES: &[(&[u8], &str)] = &[
        (b"%PDF-", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive or an Office document"),
        (b"PK\x05\x06", "a ZIP archive"),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an old Office document"),
        (b"{\\rtf", "a Rich Text document (RTF)"),
        (b"\x1F\x8B", "a gzip archive"),
        (b"BZh9", "a bzip2 archive"),
        (b"\xFD7zXZ\0", "an xz archive"),
        (b"\x28\xB5\x2F\xFD", "a zstd archive"),
        (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
        (b"Rar!\x1A\x07", "a RAR archive"),
        (b"\x89PNG\r\n\x1A\n", "an image (PNG)"),
        (b"\xFF\xD8\xFF", "an image (JPEG)"),
        (b"GIF87a", "an image (GIF)"),
        (b"GIF89a", "an image (GIF)"),
        (b"\x7FELF", "a compiled program (ELF)"),
        (b"\0asm", "a compiled program (WebAssembly)"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"OggS\0", "an audio or video file (Ogg)"),
        (b"fLaC\0", "an audio file (FLAC)"),
        (b"ID3\x03", "an audio file (MP3)"),
        (b"ID3\x04", "an audio file (MP3)"),
    ];
    SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature)).map(|(_, format)| *format)
}

fn looks_like_html(head: &[u8]) -> bool {
    let start = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    [b"<!doctype html".as_slice(), b"<html"]
        .iter()
        .any(|opening| start.get(..opening.len()).is_some_and(|found| found.eq_ignore_ascii_case(opening)))
}

fn looks_like_text(head: &[u8]) -> bool {
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        return true;
    }
    let controls = head.iter().filter(|byte| !crate::printable::is_printable_byte(**byte)).count();
    !head.contains(&0) && controls * 100 <= head.len() * crate::printable::ALLOWED_PERCENT as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(name: &str) -> Format {
        Format::detect(name, None, b"some text")
    }

    fn reason(format: Format) -> String {
        match format {
            Format::Unsupported { reason } => reason,
            other => panic!("{other:?} is supported"),
        }
    }

    #[test]
    fn the_ending_decides_whatever_its_case_and_folder() {
        assert_eq!(detect("a/b.c/notes.TXT"), Format::PlainText);
        assert_eq!(detect("README.md"), Format::Markdown);
        assert_eq!(detect("page.html"), Format::Html);
        assert_eq!(detect("main.rs"), Format::SourceCode { language: "rust" });
        assert_eq!(detect("Makefile"), Format::SourceCode { language: "make" });
        assert_eq!(detect("LICENSE"), Format::PlainText);
    }

    #[test]
    fn without_a_known_ending_the_content_type_decides_then_the_bytes() {
        let html = Format::detect("page", Some("text/html; charset=utf-8"), b"x");
        assert_eq!(html, Format::Html);
        assert_eq!(Format::detect("page", None, b"\n<!DOCTYPE HTML><p>x"), Format::Html);
        assert_eq!(Format::detect("data.xyz", Some("application/octet-stream"), b"words"), Format::PlainText);
        assert_eq!(Format::detect("", None, b""), Format::PlainText);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_can() {
        assert_eq!(
            reason(detect("report.docx")),
            "a Word document (DOCX) cannot be read; supported are plain text, Markdown, HTML and source code"
        );
        assert!(reason(Format::detect("x.txt", None, b"%PDF-1.7 ...")).starts_with("a PDF document"));
        assert!(reason(Format::detect("x.docx", None, b"PK\x03\x04")).starts_with("a Word document"));
        assert!(
            reason(Format::detect("x", Some("application/x-foo"), b"\0\x01\x02"))
                .contains("application/x-foo")
        );
        assert!(reason(Format::detect("x", Some("image/png"), b"")).starts_with("an image"));
    }

    #[test]
    fn a_text_that_only_mentions_a_signature_is_text() {
        assert_eq!(Format::detect("a.txt", None, b"PK is a motif"), Format::PlainText);
    }
}
