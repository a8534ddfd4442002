//! MBOX: each mail is a file inside, and becomes a document of its own.
//!
//! Read as a stream of lines; mail-parser has a reader of mailboxes, but it does not limit the length of a mail.

use std::io::{BufRead, BufReader, Read};

use frames::WarningKind;
use mail_parser::MessageParser;

use super::mail;
use crate::limits::MAX_MAIL_BYTES;
use crate::output::Output;
use crate::parser::Parser;
use crate::{Input, Options, ParseError};

pub(crate) const PARSER: Parser = Parser { parse, no_text: "the mailbox has no mails" };

/// The longest line that is looked at as a whole; a longer one is no separator.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// Bytes at a mail's start that have its subject.
const HEADER_BYTES: usize = 64 << 10;

fn parse(input: &mut dyn Input, _options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    let mut lines = BufReader::new(input);
    let mut mails = Mails::default();
    let mut line = Vec::new();
    // Whether the line is the start of one, and whether the one before it is blank.
    let (mut is_start, mut after_blank) = (true, true);
    loop {
        line.clear();
        let read =
            lines.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(ParseError::Input)?;
        if read == 0 {
            break;
        }
        if is_start && after_blank && line.starts_with(b"From ") {
            mails.end(output)?;
            mails.is_open = true;
        } else {
            mails.push(&line);
        }
        after_blank = is_start && matches!(line.as_slice(), b"\n" | b"\r\n");
        is_start = line.ends_with(b"\n");
    }
    mails.end(output)
}

/// The mail that is being read.
#[derive(Default)]
struct Mails {
    is_open: bool,
    mail: Vec<u8>,
    is_too_long: bool,
    number: usize,
}

impl Mails {
    fn push(&mut self, line: &[u8]) {
        if !self.is_open || self.is_too_long {
            return;
        }
        if (self.mail.len() + line.len()) as u64 > MAX_MAIL_BYTES {
            self.is_too_long = true;
            return;
        }
        // Lines that look like a separator have a `>` before them.
        let quoted = line.iter().position(|byte| *byte != b'>').unwrap_or_default();
        let line = if quoted > 0 && line[quoted..].starts_with(b"From ") { &line[1..] } else { line };
        self.mail.extend_from_slice(line);
    }

    fn end(&mut self, output: &mut Output<'_>) -> Result<(), ParseError> {
        let mail = std::mem::take(&mut self.mail);
        if !std::mem::take(&mut self.is_open) {
            return Ok(());
        }
        self.number += 1;
        if std::mem::take(&mut self.is_too_long) {
            output.warn(WarningKind::AttachmentsLeftOut, 1);
            return Ok(());
        }
        let headers = MessageParser::default().parse_headers(&mail[..mail.len().min(HEADER_BYTES)]);
        let subject = headers.as_ref().and_then(|headers| headers.subject()).unwrap_or_default();
        output.attachment(&mail::mail_name(self.number, subject), "message/rfc822", &mut mail.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use frames::DocumentFormat::Mbox;
    use frames::Frame;

    use crate::testing::{frames_of, shown};

    #[test]
    fn mails_are_files_with_their_subject() {
        let mailbox = "From a@example.com Fri Nov 27\nSubject: One/two\n\nHello\nFrom here on\n>From the start\n\n\
            From b@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n>>From\r\n";
        assert_eq!(
            shown(Mbox, mailbox.as_bytes()).unwrap(),
            "[file 000001 One two.eml message/rfc822]Subject: One/two\n\nHello\nFrom here on\nFrom the start\n\n[/file]\n\
             [file 000002 Grüße.eml message/rfc822]Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n>>From\r\n[/file]\n"
        );
        assert_eq!(shown(Mbox, b"text\n").unwrap_err().to_string(), "the mailbox has no mails");
    }

    proptest! {
        #[test]
        fn every_mail_is_found(bodies in proptest::collection::vec("[a-z \n]{0,40}", 1..6)) {
            let mailbox: String = bodies.iter().map(|body| format!("From x\n\n{body}\n\n")).collect();
            let frames = frames_of(Mbox, mailbox.as_bytes()).unwrap();
            let found = frames.iter().filter(|frame| matches!(frame, Frame::AttachmentEnd)).count();
            prop_assert_eq!(found, bodies.len());
        }
    }
}
