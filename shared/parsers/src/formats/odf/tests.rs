use frames::DocumentFormat::{self, Odp, Ods, Odt};

use crate::testing::{shown, stored_zip, survives_damage};

fn odf(body: &str) -> Vec<u8> {
    stored_zip(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("meta.xml", "<m><dc:title>Tides</dc:title><dc:language>fr-FR</dc:language></m>"),
        (
            "content.xml",
            &format!("<office:document-content><office:body>{body}</office:body></office:document-content>"),
        ),
    ])
}

fn body(format: DocumentFormat, xml: &str) -> String {
    let shown = shown(format, &odf(xml)).unwrap();
    shown.strip_prefix("[title Tides]\n[language fr-FR]\n").unwrap().to_owned()
}

#[test]
fn text_has_headings_notes_and_pages() {
    let xml = r#"<office:text><text:tracked-changes><text:p>gone</text:p></text:tracked-changes>
        <text:h text:outline-level="2">The <text:span>Moon</text:span></text:h>
        <text:p>one<text:s text:c="3"/>two<text:tab/>three<text:line-break/>four</text:p>
        <text:p>Water<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p>
        </text:note-body></text:note> ri<text:soft-page-break/>ses.</text:p></office:text>"#;
    assert_eq!(
        body(Odt, xml),
        "[h2 The Moon]\nThe Moon\none   two\tthree\nfour\nA note.\nWater ri[page 1 ]\nses.\n"
    );
}

#[test]
fn tables_have_header_rows_and_covered_cells() {
    let cell = |text: &str| format!("<table:table-cell><text:p>{text}</text:p></table:table-cell>");
    let xml = format!(
        "<office:text><table:table><table:table-header-rows><table:table-row>{}{}</table:table-row>\
         </table:table-header-rows><table:table-row>{}<table:covered-table-cell/>{}</table:table-row>\
         </table:table></office:text>",
        cell("Name"),
        cell("Price"),
        cell("Tea"),
        cell("last")
    );
    assert_eq!(body(Odt, &xml), "[header Name|Price]\n[row Tea||last]\n");
}

#[test]
fn slides_are_pages_with_titles_and_notes() {
    let xml = r#"<office:presentation><draw:page draw:name="page1"><draw:frame presentation:class="title">
        <draw:text-box><text:p>Tides</text:p></draw:text-box></draw:frame><draw:frame><draw:text-box>
        <text:p>Water rises.</text:p></draw:text-box></draw:frame><presentation:notes><draw:frame>
        <draw:text-box><text:p>Slowly.</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>
        <draw:page><draw:frame><text:p>End</text:p></draw:frame></draw:page></office:presentation>"#;
    assert_eq!(body(Odp, xml), "[page 0 1]\n[h1 Tides]\nTides\nWater rises.\nSlowly.\n[page 1 2]\nEnd\n");
}

#[test]
fn sheets_show_what_their_cells_show() {
    let cell = |kind: &str, text: &str| {
        format!(r#"<table:table-cell office:value-type="{kind}"><text:p>{text}</text:p></table:table-cell>"#)
    };
    let row = |cells: &[String]| format!("<table:table-row>{}</table:table-row>", cells.concat());
    let filler = r#"<table:table-cell table:number-columns-repeated="16384"/>"#.to_owned();
    let repeated =
        r#"<table:table-cell table:number-columns-repeated="2"><text:p>x</text:p></table:table-cell>"#;
    let xml = format!(
        r#"<office:spreadsheet><table:table table:name="Drinks">{}{}{}
        <table:table-row table:number-rows-repeated="2">{}{}</table:table-row>
        <table:table-row table:number-rows-repeated="1048576">{filler}</table:table-row></table:table>
        <table:table table:name="Far"><table:table-row>{filler}{}</table:table-row></table:table>
        </office:spreadsheet>"#,
        row(&[cell("string", "Name"), cell("string", "Price"), filler.clone()]),
        row(&[cell("string", "Tea"), cell("currency", "3,00 €")]),
        row(std::slice::from_ref(&filler)),
        repeated,
        cell("date", "31.01.2024"),
        cell("float", "1"),
    );
    assert_eq!(
        body(Ods, &xml),
        "[page 0 Drinks]\n[h1 Drinks]\n[header Name|Price]\n[row Tea|3,00 €]\n[row x|x|31.01.2024]\n\
         [row x|x|31.01.2024]\n[page 1 Far]\n[h1 Far]\n[warning 1 long cell is truncated]\n"
    );
}

#[test]
fn repeated_content_is_limited() {
    let xml = r#"<office:spreadsheet><table:table table:name="S">
        <table:table-row table:number-rows-repeated="1048576">
        <table:table-cell table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell>
        </table:table-row></table:table></office:spreadsheet>"#;
    let shown = body(Ods, xml);
    assert_eq!(shown.matches("[row ").count() + shown.matches("[header ").count(), 1_000);
    assert!(shown.ends_with(
        "[warning 1047576 rows after the limit are left out]\n[warning 15360 long cells are truncated]\n"
    ));
}

#[test]
fn encrypted_and_damaged_documents_have_a_reason() {
    let manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>";
    let error =
        shown(Odt, &stored_zip(&[("META-INF/manifest.xml", manifest), ("content.xml", "x")])).unwrap_err();
    assert_eq!(error.to_string(), "the OpenDocument file is encrypted; upload it without a password");
    let error = shown(Odt, &stored_zip(&[("a", "b")])).unwrap_err();
    assert_eq!(error.to_string(), "the OpenDocument file is damaged: content.xml is missing");
    assert_eq!(
        shown(Ods, &odf("<office:spreadsheet/>")).unwrap_err().to_string(),
        "the OpenDocument spreadsheet has no cells with text"
    );
}

#[test]
fn damaged_documents_do_not_panic() {
    survives_damage(
        Odt,
        &odf("<office:text><text:h>Moon</text:h><text:p>a<text:s text:c='3'/></text:p></office:text>"),
    );
    survives_damage(
        Ods,
        &odf(
            "<table:table><table:table-row><table:table-cell><text:p>x</text:p></table:table-cell></table:table-row></table:table>",
        ),
    );
}
