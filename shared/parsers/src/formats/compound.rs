//! Compound files: the container of Office documents of before 2007, of Outlook mails, and of encrypted documents.

use std::io::{self, BufReader, Read};

use cfb::CompoundFile;
use frames::{DocumentFormat, FailureKind};

use crate::limits::MAX_COMPOUND_FILE_BYTES;
use crate::{Input, ParseError};

/// First bytes of a compound file.
pub(super) const SIGNATURE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";

pub(super) type Compound<'a> = CompoundFile<BufReader<&'a mut dyn Input>>;

/// Opens a compound file. `what` names it in messages.
pub(super) fn open<'a>(input: &'a mut dyn Input, what: &str) -> Result<Compound<'a>, ParseError> {
    input.rewind().map_err(ParseError::Input)?;
    CompoundFile::open(BufReader::new(input)).map_err(|error| ParseError::damaged(what, error))
}

/// Returns what a compound file is, by its streams.
pub(super) fn format(input: &mut dyn Input) -> Result<DocumentFormat, ParseError> {
    const WHAT: &str = "the document";
    let compound = open(input, WHAT)?;
    if compound.exists("/EncryptedPackage") {
        return Err(ParseError::encrypted(WHAT));
    }
    let by_stream = [
        ("/WordDocument", DocumentFormat::Doc),
        ("/Workbook", DocumentFormat::Xls),
        ("/Book", DocumentFormat::Xls),
        ("/PowerPoint Document", DocumentFormat::Ppt),
        ("/__properties_version1.0", DocumentFormat::Msg),
    ];
    let found = by_stream.iter().find(|(stream, _)| compound.exists(stream)).map(|(_, format)| *format);
    found.ok_or_else(|| {
        let reason = "the compound file has no Word, Excel, PowerPoint or Outlook document".to_owned();
        ParseError::failure(FailureKind::Unsupported, reason)
    })
}

/// Reads a file whose parser needs it in memory.
pub(super) fn read(input: &mut dyn Input, what: &str) -> Result<Vec<u8>, ParseError> {
    let mut bytes = Vec::new();
    input.take(MAX_COMPOUND_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(ParseError::Input)?;
    if bytes.len() as u64 > MAX_COMPOUND_FILE_BYTES {
        let limit = MAX_COMPOUND_FILE_BYTES >> 20;
        let reason = format!("{what} has more than {limit} MiB; save it in the format of today's Office");
        return Err(ParseError::too_large(reason));
    }
    Ok(bytes)
}

/// Reads a stream, if it is there and not too long.
pub(super) fn stream(compound: &mut Compound<'_>, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    if !compound.is_stream(path) {
        return Ok(None);
    }
    let stream = compound.open_stream(path)?;
    // The length is only what the file claims: a buffer of that size is never made.
    let mut bytes = Vec::new();
    stream.take(limit).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Cursor, Write};

    use frames::DocumentFormat::Xls;

    use crate::testing::shown;

    /// A compound file with these streams; their folders are created.
    pub(crate) fn compound(streams: &[(&str, &[u8])]) -> Vec<u8> {
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        for (path, content) in streams {
            let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
            file.create_storage_all(folder).unwrap();
            file.create_stream(path).unwrap().write_all(content).unwrap();
        }
        file.flush().unwrap();
        file.into_inner().into_inner()
    }

    #[test]
    fn content_decides_what_a_compound_file_is() {
        let reason = |streams: &[(&str, &[u8])]| shown(Xls, &compound(streams)).unwrap_err().to_string();
        assert_eq!(
            reason(&[("/EncryptedPackage", b"x")]),
            "the document is encrypted; upload it without a password"
        );
        assert_eq!(
            reason(&[("/other", b"x")]),
            "the compound file has no Word, Excel, PowerPoint or Outlook document"
        );
        assert!(reason(&[("/WordDocument", b"x")]).starts_with("the Word document is damaged: "));
        assert!(reason(&[("/PowerPoint Document", b"x")]).starts_with("the presentation is damaged: "));
        assert!(reason(&[("/Workbook", b"x")]).starts_with("the workbook "));
    }
}
