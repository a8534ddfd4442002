//! ZIP archives: each member is a file inside, and becomes a document of its own.

use frames::WarningKind;
use zip::result::ZipError;

use super::archive;
use crate::inflated::Inflated;
use crate::limits::MAX_ATTACHMENT_BYTES;
use crate::output::Output;
use crate::package::{open_archive, zip_failure};
use crate::parser::Parser;
use crate::{Input, Options, ParseError};

pub(crate) const PARSER: Parser = Parser { parse, no_text: "the ZIP archive has no files that can be read" };

const WHAT: &str = "the ZIP archive";

fn parse(input: &mut dyn Input, options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    archive::check_depth(options)?;
    let mut zip = open_archive(input, WHAT)?;
    for index in 0..zip.len() {
        let member = match zip.by_index(index) {
            Ok(member) => member,
            Err(ZipError::UnsupportedArchive(reason)) if reason == ZipError::PASSWORD_REQUIRED => {
                output.warn(WarningKind::AttachmentsEncrypted, 1);
                continue;
            }
            Err(error @ ZipError::Io(_)) => return Err(zip_failure(WHAT, error)),
            Err(_damaged) => {
                output.warn(WarningKind::PartsUnreadable, 1);
                continue;
            }
        };
        if member.is_dir() {
            continue;
        }
        if member.is_symlink() {
            output.warn(WarningKind::AttachmentsUnsafe, 1);
            continue;
        }
        // Names that are neither UTF-8 nor of code page 437 are shown with replacement characters.
        let name = match member.name() {
            Ok(name) => name.into_owned(),
            Err(_) => String::from_utf8_lossy(member.name_raw()).into_owned(),
        };
        let packed = member.compressed_size();
        let mut content = Inflated::new(member, packed, MAX_ATTACHMENT_BYTES);
        archive::append_member(&name, &mut content, output)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use frames::DocumentFormat::Zip;
    use frames::FailureKind;
    use zip::write::SimpleFileOptions;

    use crate::testing::{frames_with, shown, stored_zip, survives_damage, zip};
    use crate::{Options, ParseError};

    #[test]
    fn members_are_files_and_what_is_none_is_left_out() {
        let bytes = zip(&[
            ("docs/a.txt", "text"),
            ("../../etc/passwd", "x"),
            ("__MACOSX/._a.txt", "x"),
            (".DS_Store", "x"),
            ("b.txt", ""),
        ]);
        assert_eq!(
            shown(Zip, &bytes).unwrap(),
            "[file docs/a.txt ]text[/file]\n[file b.txt ][/file]\n\
             [warning 1 contained file is left out: its name or type is unsafe]\n"
        );
        assert_eq!(
            shown(Zip, &zip(&[])).unwrap_err().to_string(),
            "the ZIP archive has no files that can be read"
        );
    }

    #[test]
    fn links_are_left_out() {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        writer.start_file("a", SimpleFileOptions::default()).unwrap();
        writer.write_all(b"text").unwrap();
        let bytes = writer.finish().unwrap().into_inner();
        assert_eq!(
            shown(Zip, &bytes).unwrap(),
            "[file a ]text[/file]\n[warning 1 contained file is left out: its name or type is unsafe]\n"
        );
    }

    #[test]
    fn bomb_fails_as_a_whole() {
        let bytes = zip(&[("a.txt", "text"), ("bomb", &"\0".repeat(9 << 20))]);
        assert_eq!(
            shown(Zip, &bytes).unwrap_err().to_string(),
            "the file expands to more than 200 times its size"
        );
    }

    #[test]
    fn archives_in_archives_are_limited() {
        let options = Options { file_name: "a.zip!/b.zip!/c.zip!/d.zip!/e.zip".into(), ..Options::default() };
        let error = frames_with(Zip, &zip(&[("a", "b")]), &options).unwrap_err();
        assert_eq!(error.to_string(), "the archive is inside 4 others; at most 3 are allowed");
        assert!(matches!(error, ParseError::Document(failure) if failure.kind == FailureKind::TooLarge));
    }

    #[test]
    fn damaged_archives_do_not_panic() {
        survives_damage(Zip, &stored_zip(&[("a.txt", "text"), ("folder/b.txt", "more")]));
        survives_damage(Zip, &zip(&[("a.txt", &"text ".repeat(100))]));
    }
}
