//! TAR archives, also compressed: each member is a file inside.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use frames::WarningKind;
use tar::{Archive, EntryType};

use super::archive;
use crate::inflated::{GZIP, Inflated, ZSTD, size, zstd_decoder};
use crate::limits::MAX_ATTACHMENT_BYTES;
use crate::output::Output;
use crate::package::io_failure;
use crate::parser::Parser;
use crate::{Input, Options, ParseError};

pub(crate) const PARSER: Parser = Parser { parse, no_text: "the TAR archive has no files that can be read" };

const WHAT: &str = "the TAR archive";

fn parse(input: &mut dyn Input, options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    archive::check_depth(options)?;
    let packed = size(input)?;
    let mut signature = [0; 4];
    let has_signature = input.read_exact(&mut signature).is_ok();
    input.rewind().map_err(ParseError::Input)?;
    let reader = BufReader::new(input);
    if has_signature && signature.starts_with(&GZIP) {
        let unpacked = Inflated::new(MultiGzDecoder::new(reader), packed, MAX_ATTACHMENT_BYTES);
        append_members(unpacked, output)
    } else if has_signature && signature == ZSTD {
        append_members(Inflated::new(zstd_decoder(reader, WHAT)?, packed, MAX_ATTACHMENT_BYTES), output)
    } else {
        append_members(reader, output)
    }
}

/// Appends the members of an archive.
pub(super) fn append_members(reader: impl Read, output: &mut Output<'_>) -> Result<(), ParseError> {
    let mut archive = Archive::new(reader);
    for entry in archive.entries().map_err(|error| io_failure(WHAT, error))? {
        let mut entry = match entry {
            Ok(entry) => entry,
            // Members before the damage count.
            Err(error) if error.kind() != io::ErrorKind::FileTooLarge && output.has_content() => {
                output.warn(WarningKind::PartsUnreadable, 1);
                return Ok(());
            }
            Err(error) => return Err(io_failure(WHAT, error)),
        };
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                archive::append_member(&name, &mut entry, output)?;
            }
            EntryType::Directory | EntryType::XGlobalHeader => {}
            _ => output.warn(WarningKind::AttachmentsUnsafe, 1),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use frames::DocumentFormat::Tar;
    use tar::{Builder, Header};

    use super::*;
    use crate::testing::{shown, survives_damage};

    fn tar() -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, kind, content) in [
            ("docs/a.txt", EntryType::Regular, "text"),
            ("dev", EntryType::Block, ""),
            ("docs/", EntryType::Directory, ""),
        ] {
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    const SHOWN: &str =
        "[file docs/a.txt ]text[/file]\n[warning 1 contained file is left out: its name or type is unsafe]\n";

    #[test]
    fn members_are_files_with_and_without_compression() {
        assert_eq!(shown(Tar, &tar()).unwrap(), SHOWN);
        assert_eq!(shown(Tar, &gzip(&tar())).unwrap(), SHOWN);
        assert_eq!(
            shown(Tar, &[0; 1024]).unwrap_err().to_string(),
            "the TAR archive has no files that can be read"
        );
    }

    #[test]
    fn compressed_bomb_is_refused() {
        let mut header = Header::new_gnu();
        header.set_size(20 << 20);
        let mut builder = Builder::new(Vec::new());
        builder.append_data(&mut header, "zeros", io::repeat(0).take(20 << 20)).unwrap();
        let bomb = gzip(&builder.into_inner().unwrap());
        assert_eq!(
            shown(Tar, &bomb).unwrap_err().to_string(),
            "the file expands to more than 200 times its size"
        );
    }

    #[test]
    fn damaged_archives_do_not_panic() {
        survives_damage(Tar, &tar());
        survives_damage(Tar, &gzip(&tar()));
    }
}
