use frames::DocumentFormat::{Xlsx, Zip};

use crate::limits::MAX_SHARED_STRINGS_BYTES;
use crate::testing::{relationships, shown, stored_zip, survives_damage};

/// A workbook with these sheets of XML.
fn xlsx(sheets: &[(&str, &str)]) -> Vec<u8> {
    let number = |index: usize| (index + 1).to_string();
    let names: String = sheets
        .iter()
        .enumerate()
        .map(|(index, (name, _))| {
            format!(r#"<sheet name="{name}" sheetId="{0}" r:id="s{0}"/>"#, number(index))
        })
        .collect();
    let targets: Vec<String> =
        (1..=sheets.len()).map(|index| format!("worksheets/sheet{index}.xml")).collect();
    let ids: Vec<String> = (1..=sheets.len()).map(|index| format!("s{index}")).collect();
    let mut links: Vec<(&str, &str, &str)> =
        ids.iter().zip(&targets).map(|(id, target)| (id.as_str(), "worksheet", target.as_str())).collect();
    links.extend([("t", "sharedStrings", "sharedStrings.xml"), ("f", "styles", "styles.xml")]);
    let workbook = format!(
        r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
           xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">
           <sheets>{names}</sheets></workbook>"#
    );
    let root = relationships(&[("1", "officeDocument", "xl/workbook.xml")]);
    let links = relationships(&links);
    let contents: Vec<(String, String)> = sheets
        .iter()
        .zip(&targets)
        .map(|((_, rows), target)| {
            let sheet = format!(
                r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
                   <sheetData>{rows}</sheetData></worksheet>"#
            );
            (format!("xl/{target}"), sheet)
        })
        .collect();
    let mut parts = vec![
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", root.as_str()),
        ("xl/workbook.xml", workbook.as_str()),
        ("xl/_rels/workbook.xml.rels", links.as_str()),
        (
            "xl/sharedStrings.xml",
            "<sst uniqueCount=\"3\"><si><t>Name</t></si><si><t>Since</t></si><si><t>Tea &amp; milk</t></si></sst>",
        ),
        (
            "xl/styles.xml",
            r##"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="#,##0.00 &quot;€&quot;"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="9"/><xf numFmtId="164"/></cellXfs></styleSheet>"##,
        ),
    ];
    parts.extend(contents.iter().map(|(path, content)| (path.as_str(), content.as_str())));
    stored_zip(&parts)
}

const TABLE: &str = r#"<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="inlineStr"><is><t>Price</t></is></c></row>
    <row r="2"><c r="A2" t="s"><v>2</v></c><c r="B2" s="1"><v>45322</v></c><c r="C2"><v>0.30000000000000004</v></c></row>
    <row r="3"><c r="A3" s="2"><v>0.15</v></c><c r="C3" s="3"><v>1234.5</v></c></row>
    <row r="4"><c r="A4" t="b"><v>1</v></c><c r="C4" t="e"><v>#N/A</v></c></row>"#;

const TABLE_ROWS: &str =
    "[header Name|Since|Price]\n[row Tea & milk|2024-01-31|0.3]\n[row 15%||1,234.50 €]\n[row TRUE||#N/A]\n";

#[test]
fn sheets_are_pages_with_a_header_and_typed_cells() {
    let title = r#"<row r="1"><c r="B1" t="inlineStr"><is><t>Only a title</t></is></c></row>
        <row r="2"><c r="A2"><v>1</v></c><c r="B2"><v>2</v></c></row>"#;
    let expected = format!(
        "[page 0 Drinks]\n[h1 Drinks]\n{TABLE_ROWS}[page 1 Other]\n[h1 Other]\n[row |Only a title]\n[row 1|2]\n"
    );
    let bytes = xlsx(&[("Drinks", TABLE), ("Other", title)]);
    assert_eq!(shown(Xlsx, &bytes).unwrap(), expected);
    assert_eq!(shown(Zip, &bytes).unwrap(), expected, "the content decides, not the name");
}

#[test]
fn cells_far_apart_cost_nothing() {
    let rows = r#"<row r="1"><c r="A1"><v>1</v></c><c r="XFD1"><v>2</v></c></row>
        <row r="1048576"><c r="XFD1048576"><v>3</v></c><c r="B1048576"><v>4</v></c></row>"#;
    assert_eq!(
        shown(Xlsx, &xlsx(&[("S", rows)])).unwrap(),
        "[page 0 S]\n[h1 S]\n1\n[row |4]\n[warning 2 long cells are truncated]\n"
    );
}

#[test]
fn damaged_sheet_leaves_the_others() {
    let bytes =
        xlsx(&[("Bad", "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row><row><c r=\"?\"/>"), ("Good", TABLE)]);
    assert_eq!(
        shown(Xlsx, &bytes).unwrap(),
        format!(
            "[page 0 Bad]\n[h1 Bad]\n1\n[page 1 Good]\n[h1 Good]\n{TABLE_ROWS}\
             [warning 1 part is damaged and left out]\n"
        )
    );
}

#[test]
fn binary_workbook_is_named() {
    let error =
        shown(Zip, &stored_zip(&[("[Content_Types].xml", ""), ("xl/workbook.bin", "x")])).unwrap_err();
    assert_eq!(error.to_string(), "a binary Excel workbook (XLSB) cannot be read; save it as XLSX");
}

#[test]
fn workbooks_without_cells_have_a_reason() {
    let reason = |bytes: &[u8]| shown(Xlsx, bytes).unwrap_err().to_string();
    assert_eq!(reason(&xlsx(&[("S", "")])), "the workbook has no cells with text");
    assert!(reason(&stored_zip(&[("a", "b")])).starts_with("the workbook is damaged: "));
}

#[test]
fn shared_text_is_limited_by_what_the_archive_declares() {
    let mut bytes = xlsx(&[("S", TABLE)]);
    // The declared size in the directory, which comes after all parts.
    let name = b"xl/sharedStrings.xml";
    let entry = bytes.windows(name.len()).rposition(|window| window == name).unwrap();
    let size = entry - 46 + 24;
    let declared = u32::try_from(MAX_SHARED_STRINGS_BYTES + (1 << 20)).unwrap();
    bytes[size..size + 4].copy_from_slice(&declared.to_le_bytes());
    assert_eq!(
        shown(Xlsx, &bytes).unwrap_err().to_string(),
        "the workbook has 129 MiB of shared text; at most 128 MiB are allowed"
    );
}

#[test]
fn lying_number_of_shared_texts_is_refused() {
    let count = "uniqueCount=\"4000000000\"";
    let sheet = stored_zip(&[("xl/sharedStrings.xml", &format!("<sst {count}><si/></sst>"))]);
    assert_eq!(
        shown(Xlsx, &sheet).unwrap_err().to_string(),
        "the workbook has 4000000000 shared texts; at most 8000000 are allowed"
    );
}

#[test]
fn damaged_workbooks_do_not_panic() {
    survives_damage(Xlsx, &xlsx(&[("S", TABLE)]));
}
