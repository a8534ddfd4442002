//! Documents of formats that need a parser: uploaded, parsed in a child process, found, and read again without a parser.

use std::io::{Cursor, Write};

use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A PDF of one page for each text.
pub(crate) fn pdf(pages: &[&str]) -> Vec<u8> {
    let count = pages.len();
    let kids: Vec<String> = (0..count).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {count} >>", kids.join(" ")),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for (page, text) in pages.iter().enumerate() {
        let content = format!("BT /F1 12 Tf 72 720 Td ({text}) Tj ET");
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>",
            5 + 2 * page
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
    }
    let mut file = "%PDF-1.7\n".to_owned();
    let mut offsets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        file += &format!("{} 0 obj\n{object}\nendobj\n", index + 1);
    }
    let start = file.len();
    file += &format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for offset in offsets {
        file += &format!("{offset:010} 00000 n \n");
    }
    file += &format!("trailer << /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1);
    file.into_bytes()
}

pub(crate) fn zip_of(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

pub(crate) fn docx(paragraph: &str) -> Vec<u8> {
    let document = format!(
        "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>\
         <w:p><w:r><w:t>{paragraph}</w:t></w:r></w:p></w:body></w:document>"
    );
    let types = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
        <Default Extension=\"xml\" ContentType=\"application/xml\"/><Override PartName=\"/word/document.xml\" \
        ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
    let relationships = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
        <Relationship Id=\"r1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" \
        Target=\"word/document.xml\"/></Relationships>";
    zip_of(&[
        ("[Content_Types].xml", types),
        ("_rels/.rels", relationships),
        ("word/document.xml", &document),
    ])
}

pub(crate) fn mail(subject: &str, body: &str) -> Vec<u8> {
    format!("From: Ada <ada@example.org>\r\nTo: bob@example.org\r\nSubject: {subject}\r\n\r\n{body}\r\n")
        .into_bytes()
}

/// The name of the file that the first result of a search is from.
async fn first(user: &TestUser, collection: &str, query: &str) -> Value {
    user.search(collection, query).await.remove(0)["file_name"].take()
}

#[tokio::test]
async fn documents_are_parsed_found_and_chunked_again_without_a_parser() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let path = format!("/api/v2/collections/{collection}");
    let files = [
        (
            "geology.pdf",
            pdf(&["Basalt columns form when lava cools slowly.", "Chalk is the shells of plankton."]),
        ),
        ("tides.docx", docx("Spring tides follow the new moon and the full moon.")),
        (
            "invoice.eml",
            mail("Lighthouse lamp", "The replacement lamp of the lighthouse costs ninety crowns."),
        ),
        ("bees.rtf", br"{\rtf1\ansi Honey bees dance to tell where the clover is.\par}".to_vec()),
        ("notes.txt", b"Plain text goes the short way.".to_vec()),
    ];
    let uploads: Vec<Upload> = files.into_iter().map(|(name, bytes)| Upload::file(name, bytes)).collect();
    let documents = user.upload(&collection, &uploads).await;
    for document in &documents {
        assert_eq!(document["status"], "completed", "{document}");
    }
    let questions = [
        ("How does basalt get its columns?", "geology.pdf"),
        ("What is chalk made of?", "geology.pdf"),
        ("When are spring tides?", "tides.docx"),
        ("price of the lighthouse lamp", "invoice.eml"),
        ("How do honey bees tell where clover is?", "bees.rtf"),
        ("Which way does plain text go?", "notes.txt"),
    ];
    for (question, file) in questions {
        assert_eq!(first(&user, &collection, question).await, file, "{question}");
    }

    let chalk = user.search(&collection, "What is chalk made of?").await.remove(0);
    assert_eq!((&chalk["first_page"], &chalk["last_page"]), (&json!(1), &json!(2)), "{chalk}");
    let geology = format!("{path}/documents/{}/text", documents[0]["id"].as_str().unwrap());
    let text = user.get(&geology).await.expect(200);
    assert_eq!(
        text["text"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" "),
        "Basalt columns form when lava cools slowly. Chalk is the shells of plankton."
    );

    // Chunking again reads the text that was extracted: it is copied, not written.
    let reindex = user.post(&format!("{path}/reindex"), &json!({ "chunk_size": 128 })).await.expect(202);
    let reindex = user.wait_for_operation(reindex["id"].as_str().unwrap()).await;
    assert_eq!(reindex["status"], "completed", "{reindex}");
    for (question, file) in questions {
        assert_eq!(first(&user, &collection, question).await, file, "{question}");
    }
    let checked = user.get(&format!("{path}/integrity")).await.expect(200);
    assert_eq!(checked["mismatches"], json!({}), "{checked}");
}

#[tokio::test]
async fn a_document_that_cannot_be_read_fails_with_the_reason_and_costs_no_other() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let whole = pdf(&["The harbour is open."]);
    let files =
        [("empty.pdf", pdf(&[""])), ("damaged.docx", docx("text")[..200].to_vec()), ("whole.pdf", whole)];
    let uploads: Vec<Upload> = files.into_iter().map(|(name, bytes)| Upload::file(name, bytes)).collect();
    let documents = user.upload(&collection, &uploads).await;
    let [empty, damaged, whole] = documents.as_slice() else { panic!("{documents:?}") };
    for document in [empty, damaged] {
        assert_eq!(
            (&document["status"], &document["error_category"]),
            (&json!("failed"), &json!("permanent"))
        );
    }
    let reasons = [&empty["error_message"], &damaged["error_message"]].map(|reason| reason.as_str().unwrap());
    assert!(reasons[0].contains("no text"), "{reasons:?}");
    assert!(reasons[1].contains("damaged"), "{reasons:?}");
    assert_eq!(whole["status"], "completed", "{whole}");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_when_it_is_announced() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let formats = user.get("/api/v2/formats").await.expect(200);
    let extensions: Vec<&Value> = formats["formats"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|format| format["extensions"].as_array().unwrap())
        .collect();
    for extension in ["txt", "pdf", "docx", "xlsx", "eml", "epub"] {
        assert!(extensions.contains(&&json!(extension)), "{extension}: {extensions:?}");
    }
    let announce = async |name: &str| {
        let files = json!({ "files": [{ "name": name, "size": 10 }] });
        user.post(&format!("/api/v2/collections/{collection}/uploads"), &files).await
    };
    for name in ["photos.7z", "holiday.gif", "setup.exe"] {
        let problem = announce(name).await.expect(422);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("files[0].name: ") && detail.contains("cannot be read"), "{detail}");
        assert!(detail.contains("PDF document"), "{detail}");
    }
    for name in ["report.pdf", "reports.zip", "backup.tar.gz", "all.mbox"] {
        announce(name).await.expect(201);
    }
}
