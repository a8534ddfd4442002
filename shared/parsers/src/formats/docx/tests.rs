use frames::DocumentFormat::Docx;

use crate::testing::{relationships, shown, stored_zip, survives_damage, zip};

/// A document with this body, and its other parts.
fn docx(body: &str) -> Vec<u8> {
    let document = format!("<w:document><w:body>{body}</w:body></w:document>");
    zip(&[
        (
            "_rels/.rels",
            &relationships(&[
                ("1", "officeDocument", "word/document2.xml"),
                ("2", "core-properties", "docProps/core.xml"),
            ]),
        ),
        ("docProps/core.xml", "<c><dc:title>Annual report</dc:title></c>"),
        ("word/document2.xml", &document),
        (
            "word/_rels/document2.xml.rels",
            &relationships(&[
                ("1", "styles", "styles.xml"),
                ("2", "footnotes", "footnotes.xml"),
                ("3", "header", "header1.xml"),
                ("4", "header", "header2.xml"),
                ("5", "footer", "/word/footer.xml"),
            ]),
        ),
        (
            "word/styles.xml",
            r#"<w:styles><w:docDefaults><w:lang w:val="de-DE"/></w:docDefaults>
            <w:style w:styleId="H2"><w:name w:val="heading 2"/></w:style>
            <w:style w:styleId="Own"><w:name w:val="Kapitel"/><w:basedOn w:val="H2"/></w:style>
            <w:style w:styleId="Outline"><w:pPr><w:outlineLvl w:val="2"/></w:pPr></w:style>
            <w:style w:styleId="Loop"><w:basedOn w:val="Loop"/></w:style></w:styles>"#,
        ),
        ("word/footnotes.xml", "<w:footnotes><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnotes>"),
        ("word/header1.xml", "<w:hdr><w:p><w:r><w:t>ACME Ltd</w:t></w:r></w:p></w:hdr>"),
        ("word/header2.xml", "<w:hdr><w:p><w:r><w:t>ACME Ltd</w:t></w:r></w:p></w:hdr>"),
        ("word/footer.xml", "<w:ftr><w:p><w:r><w:t>Page </w:t></w:r><w:r><w:t>1</w:t></w:r></w:p></w:ftr>"),
    ])
}

const START: &str = "[title Annual report]\n[language de-DE]\n";
const REST: &str = "A note.\nACME Ltd\nPage 1\n";

fn body(xml: &str) -> String {
    let shown = shown(Docx, &docx(xml)).unwrap();
    let body = shown.strip_prefix(START).and_then(|rest| rest.strip_suffix(REST));
    body.unwrap_or_else(|| panic!("{shown}")).to_owned()
}

fn paragraph(text: &str) -> String {
    format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")
}

fn cell(text: &str) -> String {
    format!("<w:tc>{}</w:tc>", paragraph(text))
}

#[test]
fn runs_are_joined_and_marks_become_white_space() {
    let xml = r#"<w:p><w:r><w:t>Hel</w:t></w:r><w:r><w:t xml:space="preserve">lo </w:t><w:tab/><w:t>A&amp;B</w:t>
        <w:br/><w:t>next</w:t><w:noBreakHyphen/><w:t>line</w:t></w:r></w:p>"#;
    assert_eq!(body(xml), "Hello \tA&B\nnext-line\n");
}

#[test]
fn headings_follow_styles_and_outline_levels() {
    let styled = |style: &str| {
        format!(r#"<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{style}</w:t></w:r></w:p>"#)
    };
    let direct = r#"<w:p><w:pPr><w:outlineLvl w:val="0"/></w:pPr><w:r><w:t>top</w:t></w:r></w:p>"#;
    let xml = [styled("H2"), styled("Own"), styled("Outline"), styled("Loop"), direct.to_owned()].concat();
    assert_eq!(body(&xml), "[h2 H2]\nH2\n[h2 Own]\nOwn\n[h3 Outline]\nOutline\nLoop\n[h1 top]\ntop\n");
}

#[test]
fn what_is_not_shown_is_left_out() {
    let xml = r#"<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>
        <w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom><w:r><w:instrText>PAGE</w:instrText></w:r>
        <w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>
        <w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>shown</w:t></w:r></w:p>"#;
    assert_eq!(body(xml), "shown\n");
}

#[test]
fn text_box_is_read_once() {
    let inner = paragraph("in a box");
    let xml = format!(
        "<w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent>{inner}</w:txbxContent></mc:Choice>\
         <mc:Fallback><w:txbxContent>{inner}</w:txbxContent></mc:Fallback></mc:AlternateContent>\
         <w:t>outside</w:t></w:r></w:p>"
    );
    assert_eq!(body(&xml), "in a box\noutside\n");
}

#[test]
fn tables_are_rows_with_their_header() {
    let look = r#"<w:tblPr><w:tblLook w:val="04A0"/></w:tblPr>"#;
    let wide = format!(r#"<w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr>{}</w:tc>"#, paragraph("both"));
    let nested = format!("<w:tc><w:tbl><w:tr>{}{}</w:tr></w:tbl></w:tc>", cell("in"), cell("side"));
    let xml = format!(
        "<w:tbl>{look}<w:tr>{}{}</w:tr><w:tr>{}{}</w:tr><w:tr>{wide}{}</w:tr><w:tr>{nested}{}</w:tr></w:tbl>",
        cell("Name"),
        cell("Price"),
        cell("Tea"),
        cell("3"),
        cell("last"),
        cell("x"),
    );
    assert_eq!(body(&xml), "[header Name|Price]\n[row Tea|3]\n[row both||last]\n[row in\nside|x]\n");
}

#[test]
fn table_for_layout_is_text() {
    let long = "word ".repeat(5_000);
    let xml = format!(
        "<w:tbl><w:tr><w:tc>{}{}{}</w:tc>{}</w:tr></w:tbl>{}",
        paragraph(&long),
        paragraph(&long),
        paragraph("after"),
        cell("beside"),
        paragraph("below")
    );
    assert_eq!(body(&xml), format!("{long}\n{long}\nafter\nbeside\nbelow\n"));
    assert_eq!(body(&format!("<w:tbl><w:tr>{}</w:tr></w:tbl>", cell("only"))), "only\n");
    let run = format!("<w:r><w:t>{long}</w:t></w:r>").repeat(4);
    let endless = format!("<w:tbl><w:tr><w:tc><w:p>{run}</w:p></w:tc>{}</w:tr></w:tbl>", cell("beside"));
    assert_eq!(body(&endless).matches("word").count(), 20_000);
}

#[test]
fn empty_and_damaged_documents_have_a_reason() {
    let reason = |bytes: &[u8]| shown(Docx, bytes).unwrap_err().to_string();
    let main = relationships(&[("1", "officeDocument", "d.xml")]);
    assert_eq!(
        reason(&zip(&[("_rels/.rels", &main), ("d.xml", "<w:p/>")])),
        "the Word document has no text, perhaps only images"
    );
    assert_eq!(reason(&zip(&[("_rels/.rels", &main)])), "the Word document is damaged: d.xml is missing");
    assert_eq!(reason(&zip(&[("a", "b")])), "the Word document is damaged: it has no main part");
    assert!(reason(b"PK\x03\x04 and nothing").starts_with("the Word document is damaged: "));
}

#[test]
fn bomb_is_refused_before_it_is_read() {
    let spaces = " ".repeat(1 << 20);
    let bomb = format!("<w:p><w:r><w:t>{}</w:t></w:r></w:p>", format!("{spaces}<!---->").repeat(20));
    let error = shown(Docx, &docx(&bomb)).unwrap_err();
    assert_eq!(error.to_string(), "the file expands to more than 200 times its size");
}

#[test]
fn damaged_documents_do_not_panic() {
    let body = format!("<w:tbl><w:tr>{}{}</w:tr></w:tbl>{}", cell("a"), cell("b"), paragraph("text"));
    let main = relationships(&[("1", "officeDocument", "d.xml")]);
    survives_damage(Docx, &stored_zip(&[("_rels/.rels", &main), ("d.xml", &body)]));
}
