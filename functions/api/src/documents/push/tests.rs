//! Validation of pushed documents.

use super::*;

fn request(uri: &str, text: &str) -> PushDocumentRequest {
    PushDocumentRequest {
        uri: uri.to_owned(),
        text: Some(text.to_owned()),
        content_base64: None,
        mime_type: None,
        title: None,
        url: None,
        metadata: None,
        source: None,
        run_id: None,
    }
}

#[test]
fn every_invalid_field_is_named() {
    let wrong = PushDocumentRequest {
        text: Some("a".to_owned()),
        content_base64: Some("YQ==".to_owned()),
        mime_type: Some("text/plain; charset=latin1".to_owned()),
        title: Some("a\tb".to_owned()),
        url: Some("javascript:alert(1)".to_owned()),
        metadata: json!({ "tags": ["a"] }).as_object().cloned(),
        source: Some("a b".to_owned()),
        ..request("tickets/17", "")
    };
    let error = check(wrong, Ocr::Off).err().unwrap();
    insta::assert_snapshot!(error.detail(), @r#"uri: not an absolute URI; a scheme and a path allowed, for example "crm://tickets/17", got "tickets/17"; source: wrong format; 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-' allowed, got "a b"; mime_type: text is sent in UTF-8; no other charset allowed, got "text/plain; charset=latin1"; content_base64: given together with text; one of them allowed; metadata: "tags" has a wrong type; a string, a 64-bit integer or a boolean allowed, got a list; title: contains control characters; others allowed, got "a\tb"; url: wrong format; an http or https address of at most 2048 bytes allowed, got "javascript:alert(1)""#);
    let neither = PushDocumentRequest { text: None, ..request("crm:1", "") };
    assert_eq!(
        check(neither, Ocr::Off).err().unwrap().detail(),
        "text: missing; text or content_base64 needed"
    );
    let broken =
        PushDocumentRequest { text: None, content_base64: Some("YQ=".to_owned()), ..request("crm:1", "") };
    let error = check(broken, Ocr::Off).err().unwrap();
    assert!(error.detail().starts_with("content_base64: not Base64"), "{}", error.detail());
}

#[test]
fn the_client_says_what_the_format_is() {
    let sent = |uri: &str, mime_type: Option<&str>| {
        let request =
            PushDocumentRequest { mime_type: mime_type.map(str::to_owned), ..request(uri, "a text") };
        let checked = check(request, Ocr::Off).ok().unwrap();
        (checked.path, checked.content_type)
    };
    let plain = "text/plain; charset=utf-8".to_owned();
    assert_eq!(sent("crm://tickets/17", None), ("tickets/17".to_owned(), plain.clone()));
    assert_eq!(
        sent("https://a.example/index.html", None),
        ("a.example/index.html.txt".to_owned(), plain.clone())
    );
    assert_eq!(
        sent("https://a.example/index.html", Some("text/html")),
        ("a.example/index.html".to_owned(), "text/html; charset=utf-8".to_owned())
    );
    assert_eq!(sent("crm://notes/v1.2", Some("text/markdown")).0, "notes/v1.2.md");
    assert_eq!(
        sent("crm://notes/a.md", Some("text/markdown; charset=UTF-8")).1,
        "text/markdown; charset=UTF-8"
    );
}

#[test]
fn a_page_is_opened_at_its_uri_unless_the_client_says_where_else() {
    let url = |uri: &str, url: Option<&str>| {
        let request = PushDocumentRequest { url: url.map(str::to_owned), ..request(uri, "a text") };
        check(request, Ocr::Off).ok().unwrap().document.url
    };
    let page = "https://wiki.example.org/page";
    assert_eq!(url(page, None).as_deref(), Some(page));
    assert_eq!(url(page, Some("http://other.example/a")).as_deref(), Some("http://other.example/a"));
    assert_eq!(url("crm:1", None), None);
}
