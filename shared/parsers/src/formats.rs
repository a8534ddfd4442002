//! The parsers by format.

mod archive;
mod compound;
mod compressed;
mod docx;
mod eml;
mod epub;
mod image;
mod legacy;
mod mail;
mod mbox;
mod mhtml;
mod msg;
mod odf;
mod pdf;
mod pptx;
mod rtf;
mod sheet;
mod table;
mod tar;
mod tiff;
mod xls;
mod xlsx;
mod zip;

use frames::{DocumentFormat, FailureKind};

use crate::package::Package;
use crate::parser::Parser;
use crate::{Input, Options, ParseError};

pub use self::image::decode_image;

fn parser(format: DocumentFormat) -> &'static Parser {
    match format {
        DocumentFormat::Pdf => &pdf::PARSER,
        DocumentFormat::Docx => &docx::PARSER,
        DocumentFormat::Pptx => &pptx::PARSER,
        DocumentFormat::Xlsx => &xlsx::PARSER,
        DocumentFormat::Xls => &xls::PARSER,
        DocumentFormat::Doc => &legacy::WORD_PARSER,
        DocumentFormat::Ppt => &legacy::POWERPOINT_PARSER,
        DocumentFormat::Odt => &odf::TEXT_PARSER,
        DocumentFormat::Odp => &odf::PRESENTATION_PARSER,
        DocumentFormat::Ods => &odf::SPREADSHEET_PARSER,
        DocumentFormat::Rtf => &rtf::PARSER,
        DocumentFormat::Epub => &epub::PARSER,
        DocumentFormat::Eml => &eml::PARSER,
        DocumentFormat::Msg => &msg::PARSER,
        DocumentFormat::Mbox => &mbox::PARSER,
        DocumentFormat::Mhtml => &mhtml::PARSER,
        DocumentFormat::Zip => &zip::PARSER,
        DocumentFormat::Tar => &tar::PARSER,
        DocumentFormat::Gzip => &compressed::GZIP_PARSER,
        DocumentFormat::Zstd => &compressed::ZSTD_PARSER,
        DocumentFormat::Png | DocumentFormat::Jpeg | DocumentFormat::Webp => &image::PARSER,
        DocumentFormat::Tiff => &tiff::PARSER,
    }
}

/// Loads PDFium, so that it need not be opened later.
pub(crate) fn load_pdfium(options: &Options) -> Result<(), ParseError> {
    pdf::load_library(options.pdfium_library.as_deref()).map(|_loaded| ())
}

/// Chooses the parser by the format, and by the content where several formats share their first bytes.
pub(crate) fn refine(format: DocumentFormat, input: &mut dyn Input) -> Result<&'static Parser, ParseError> {
    let mut head = [0; 8];
    input.rewind().map_err(ParseError::Input)?;
    let mut read = 0;
    while read < head.len() {
        match input.read(&mut head[read..]).map_err(ParseError::Input)? {
            0 => break,
            more => read += more,
        }
    }
    input.rewind().map_err(ParseError::Input)?;
    let format = if head.starts_with(b"PK\x03\x04") {
        zip_format(format, input)?
    } else if head.starts_with(compound::SIGNATURE) {
        compound::format(input)?
    } else {
        format
    };
    input.rewind().map_err(ParseError::Input)?;
    Ok(parser(format))
}

/// Archives whose parts are those of an Office document are one, whatever their name.
fn zip_format(format: DocumentFormat, input: &mut dyn Input) -> Result<DocumentFormat, ParseError> {
    if format != DocumentFormat::Zip {
        return Ok(format);
    }
    let package = Package::open(input, "the ZIP archive")?;
    let is_office = package.contains("[Content_Types].xml");
    if is_office && package.contains("xl/workbook.bin") {
        let reason = "a binary Excel workbook (XLSB) cannot be read; save it as XLSX".to_owned();
        return Err(ParseError::failure(FailureKind::Unsupported, reason));
    }
    let kind = package.paths().iter().find_map(|path| {
        let folder = path.split('/').next().unwrap_or_default();
        match folder {
            "word" => Some(DocumentFormat::Docx),
            "ppt" => Some(DocumentFormat::Pptx),
            "xl" => Some(DocumentFormat::Xlsx),
            _ => None,
        }
    });
    Ok(kind.filter(|_| is_office).unwrap_or(format))
}
