//! GZ and ZST: the one file inside, or the members of the TAR archive inside.
//!
//! Unpacked with flate2 over zlib-rs and with ruzstd, both in Rust: hostile bytes should not meet C, and the functions
//! need no C compiler.

use std::io::{BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::{archive, tar};
use crate::inflated::{Inflated, size, zstd_decoder};
use crate::limits::MAX_ATTACHMENT_BYTES;
use crate::output::Output;
use crate::package::io_failure;
use crate::parser::Parser;
use crate::{Input, Options, ParseError};

pub(crate) const GZIP_PARSER: Parser = Parser { parse: parse_gzip, no_text: NO_TEXT };

pub(crate) const ZSTD_PARSER: Parser = Parser { parse: parse_zstd, no_text: NO_TEXT };

const NO_TEXT: &str = "the compressed file cannot be read";

const WHAT: &str = "the compressed file";

/// A block of a TAR archive, with what identifies it.
const TAR_BLOCK: usize = 512;

fn parse_gzip(input: &mut dyn Input, options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    let packed = size(input)?;
    let reader = MultiGzDecoder::new(BufReader::new(input));
    append_content(Inflated::new(reader, packed, MAX_ATTACHMENT_BYTES), ".gz", options, output)
}

fn parse_zstd(input: &mut dyn Input, options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    let packed = size(input)?;
    let reader = zstd_decoder(BufReader::new(input), WHAT)?;
    append_content(Inflated::new(reader, packed, MAX_ATTACHMENT_BYTES), ".zst", options, output)
}

fn append_content(
    mut content: impl Read,
    suffix: &str,
    options: &Options,
    output: &mut Output<'_>,
) -> Result<(), ParseError> {
    archive::check_depth(options)?;
    let mut head = Vec::new();
    let read = content.by_ref().take(TAR_BLOCK as u64).read_to_end(&mut head);
    read.map_err(|error| io_failure(WHAT, error))?;
    let is_tar = head.get(257..262) == Some(b"ustar");
    let mut content = Cursor::new(head).chain(content);
    if is_tar {
        return tar::append_members(content, output);
    }
    let packed_name = options.file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name =
        match packed_name.len().checked_sub(suffix.len()).and_then(|at| packed_name.split_at_checked(at)) {
            Some((name, end)) if !name.is_empty() && end.eq_ignore_ascii_case(suffix) => name,
            _ => "content",
        };
    output.attachment(name, "", &mut content)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use ::tar::{Builder, Header};
    use flate2::{Compression, write::GzEncoder};
    use frames::DocumentFormat::{Gzip, Zstd};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;
    use crate::testing::{frames_with, show, survives_damage};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        compress_to_vec(bytes, CompressionLevel::Fastest)
    }

    fn parsed(format: frames::DocumentFormat, file_name: &str, bytes: &[u8]) -> Result<String, String> {
        let options = Options { file_name: file_name.to_owned(), ..Options::default() };
        frames_with(format, bytes, &options).map(|frames| show(&frames)).map_err(|error| error.to_string())
    }

    #[test]
    fn content_has_the_name_without_the_suffix() {
        assert_eq!(parsed(Gzip, "a/data.csv.gz", &gzip(b"1,2")).unwrap(), "[file data.csv ]1,2[/file]\n");
        assert_eq!(
            parsed(Zstd, "a.zip!/log.txt.ZST", &zstd(b"line")).unwrap(),
            "[file log.txt ]line[/file]\n"
        );
        assert_eq!(parsed(Gzip, "", &gzip(b"1,2")).unwrap(), "[file content ]1,2[/file]\n");
        let two_members = [gzip(b"1,"), gzip(b"2")].concat();
        assert_eq!(parsed(Gzip, "x.gz", &two_members).unwrap(), "[file x ]1,2[/file]\n");
    }

    #[test]
    fn archive_inside_is_opened() {
        let mut header = Header::new_gnu();
        header.set_size(4);
        let mut builder = Builder::new(Vec::new());
        builder.append_data(&mut header, "a.txt", "text".as_bytes()).unwrap();
        let tar = builder.into_inner().unwrap();
        assert_eq!(parsed(Gzip, "backup.tar.gz", &gzip(&tar)).unwrap(), "[file a.txt ]text[/file]\n");
        assert_eq!(parsed(Zstd, "backup.tar.zst", &zstd(&tar)).unwrap(), "[file a.txt ]text[/file]\n");
    }

    #[test]
    fn bombs_and_truncated_files_are_refused() {
        let mut zeros = Vec::new();
        io::repeat(0).take(20 << 20).read_to_end(&mut zeros).unwrap();
        let reason = "the file expands to more than 200 times its size";
        assert_eq!(parsed(Gzip, "a.gz", &gzip(&zeros)).unwrap_err(), reason);
        assert_eq!(parsed(Zstd, "a.zst", &zstd(&zeros)).unwrap_err(), reason);
        let bytes = gzip(b"some text to compress");
        for length in [2, bytes.len() - 9] {
            let reason = parsed(Gzip, "a.gz", &bytes[..length]).unwrap_err();
            assert!(reason.starts_with("the compressed file is damaged: "), "{reason}");
        }
        let mut noise: Vec<u8> =
            (0..100_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        noise = gzip(&noise);
        noise.truncate(noise.len() - 9);
        assert_eq!(parsed(Gzip, "a.gz", &noise).unwrap_err(), NO_TEXT);
    }

    #[test]
    fn damaged_files_do_not_panic() {
        survives_damage(Gzip, &gzip(b"text text text text"));
        survives_damage(Zstd, &zstd(b"text text text text"));
    }
}
