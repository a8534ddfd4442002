//! MHTML: the text of a saved web page. Its images and styles are left out.

use mail_parser::PartType;

use super::mail;
use crate::output::Output;
use crate::parser::Parser;
use crate::{Input, Options, ParseError};

pub(crate) const PARSER: Parser = Parser { parse, no_text: "the saved web page has no visible text" };

const WHAT: &str = "the saved web page";

fn parse(input: &mut dyn Input, _options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    let bytes = mail::read(input, WHAT)?;
    let message = mail::parse(&bytes, WHAT)?;
    if let Some(subject) = message.subject() {
        output.title(subject)?;
    }
    // The page comes first; what follows are its frames, styles and images.
    for part in message.parts.iter().filter(|part| matches!(part.body, PartType::Html(_))) {
        mail::append_body(part, output)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use frames::DocumentFormat::Mhtml;

    use crate::testing::{shown, survives_damage, without_blank_lines};

    const PAGE: &str = "From: <Saved by Blink>\r\nSubject: The page\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/related; type=\"text/html\"; boundary=\"b\"\r\n\r\n\
        --b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\
        Content-Location: https://example.com/\r\n\r\n<html><h2>Moon=\r\n</h2><p>text=20here</p></html>\r\n\
        --b\r\nContent-Type: text/css\r\n\r\np { color: red }\r\n\
        --b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n";

    #[test]
    fn page_is_read_without_its_styles_and_images() {
        let page = without_blank_lines(&shown(Mhtml, PAGE.as_bytes()).unwrap());
        assert_eq!(page, "[title The page]\n[h2 Moon]\nMoon\ntext here\n");
        let empty = PAGE.replace("Moon", "").replace("text=20here", "");
        assert_eq!(
            shown(Mhtml, empty.as_bytes()).unwrap_err().to_string(),
            "the saved web page has no visible text"
        );
    }

    #[test]
    fn damaged_pages_do_not_panic() {
        survives_damage(Mhtml, PAGE.as_bytes());
    }
}
