//! The smallest files of office programs.

use crate::documents::zip_of;

const TYPES: &str = "http://schemas.openxmlformats.org/package/2006/content-types";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

fn content_types(parts: &[(&str, &str)]) -> String {
    let overrides: String = parts
        .iter()
        .map(|(path, kind)| {
            format!(
                "<Override PartName=\"/{path}\" \
                 ContentType=\"application/vnd.openxmlformats-officedocument.{kind}+xml\"/>"
            )
        })
        .collect();
    format!(
        "<Types xmlns=\"{TYPES}\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>{overrides}</Types>"
    )
}

fn relationships(targets: &[(&str, &str)]) -> String {
    let entries: String = targets
        .iter()
        .enumerate()
        .map(|(number, (kind, target))| {
            format!("<Relationship Id=\"r{}\" Type=\"{OFFICE}/{kind}\" Target=\"{target}\"/>", number + 1)
        })
        .collect();
    format!("<Relationships xmlns=\"{PACKAGE}\">{entries}</Relationships>")
}

/// A presentation of one slide.
pub fn pptx(text: &str) -> Vec<u8> {
    let presentation = format!(
        "<p:presentation xmlns:p=\"http://schemas.openxmlformats.org/presentationml/2006/main\" xmlns:r=\"{OFFICE}\">\
         <p:sldIdLst><p:sldId id=\"256\" r:id=\"r1\"/></p:sldIdLst></p:presentation>"
    );
    let slide = format!(
        "<p:sld xmlns:p=\"http://schemas.openxmlformats.org/presentationml/2006/main\" \
         xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\"><p:cSld><p:spTree><p:sp><p:txBody><a:p><a:r>\
         <a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sld>"
    );
    zip_of(&[
        (
            "[Content_Types].xml",
            &content_types(&[
                ("ppt/presentation.xml", "presentationml.presentation.main"),
                ("ppt/slides/slide1.xml", "presentationml.slide"),
            ]),
        ),
        ("_rels/.rels", &relationships(&[("officeDocument", "ppt/presentation.xml")])),
        ("ppt/presentation.xml", &presentation),
        ("ppt/_rels/presentation.xml.rels", &relationships(&[("slide", "slides/slide1.xml")])),
        ("ppt/slides/slide1.xml", &slide),
    ])
}

/// A workbook of one sheet.
pub fn xlsx(rows: &[[&str; 2]]) -> Vec<u8> {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let workbook = format!(
        "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"Sheet1\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
    );
    let cell = |text: &str| format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let rows: String = rows.iter().map(|[a, b]| format!("<row>{}{}</row>", cell(a), cell(b))).collect();
    let sheet = format!("<worksheet xmlns=\"{MAIN}\"><sheetData>{rows}</sheetData></worksheet>");
    zip_of(&[
        (
            "[Content_Types].xml",
            &content_types(&[
                ("xl/workbook.xml", "spreadsheetml.sheet.main"),
                ("xl/worksheets/sheet1.xml", "spreadsheetml.worksheet"),
            ]),
        ),
        ("_rels/.rels", &relationships(&[("officeDocument", "xl/workbook.xml")])),
        ("xl/workbook.xml", &workbook),
        ("xl/_rels/workbook.xml.rels", &relationships(&[("worksheet", "worksheets/sheet1.xml")])),
        ("xl/worksheets/sheet1.xml", &sheet),
    ])
}

fn open_document(kind: &str, body: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" \
         xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" \
         xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\" \
         xmlns:draw=\"urn:oasis:names:tc:opendocument:xmlns:drawing:1.0\"><office:body>{body}</office:body></office:document-content>"
    );
    let mimetype = format!("application/vnd.oasis.opendocument.{kind}");
    zip_of(&[("mimetype", &mimetype), ("content.xml", &content)])
}

/// A text of one paragraph.
pub fn odt(text: &str) -> Vec<u8> {
    open_document("text", &format!("<office:text><text:p>{text}</text:p></office:text>"))
}

/// A spreadsheet of one sheet.
pub fn ods(rows: &[[&str; 2]]) -> Vec<u8> {
    let cell = |text: &str| {
        format!("<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>")
    };
    let rows: String = rows
        .iter()
        .map(|[a, b]| format!("<table:table-row>{}{}</table:table-row>", cell(a), cell(b)))
        .collect();
    let body = format!(
        "<office:spreadsheet><table:table table:name=\"Sheet1\">{rows}</table:table></office:spreadsheet>"
    );
    open_document("spreadsheet", &body)
}

/// A presentation of one slide.
pub fn odp(text: &str) -> Vec<u8> {
    let body = format!(
        "<office:presentation><draw:page draw:name=\"One\"><draw:frame><draw:text-box><text:p>{text}</text:p>\
         </draw:text-box></draw:frame></draw:page></office:presentation>"
    );
    open_document("presentation", &body)
}

/// A book of one chapter.
pub fn epub(text: &str) -> Vec<u8> {
    let container = "<container xmlns=\"urn:oasis:names:tc:opendocument:xmlns:container\" version=\"1.0\"><rootfiles>\
        <rootfile full-path=\"book.opf\" media-type=\"application/oebps-package+xml\"/></rootfiles></container>";
    let package = "<package xmlns=\"http://www.idpf.org/2007/opf\" version=\"3.0\"><metadata/><manifest>\
        <item id=\"c1\" href=\"one.xhtml\" media-type=\"application/xhtml+xml\"/></manifest>\
        <spine><itemref idref=\"c1\"/></spine></package>";
    let chapter = format!("<html xmlns=\"http://www.w3.org/1999/xhtml\"><body><p>{text}</p></body></html>");
    zip_of(&[
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", container),
        ("book.opf", package),
        ("one.xhtml", &chapter),
    ])
}
