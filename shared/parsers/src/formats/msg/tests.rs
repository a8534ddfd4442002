use frames::DocumentFormat::Msg;

use super::properties::date_text;
use crate::formats::compound::tests::compound;
use crate::testing::{shown, survives_damage, without_blank_lines};

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The stream of numbers: a header, the time of sending and the code page.
fn numbers(header_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![0; header_bytes];
    bytes.extend_from_slice(&0x0039_0040_u32.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&134_085_024_000_000_000_u64.to_le_bytes());
    bytes.extend_from_slice(&0x3FFD_0003_u32.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&1251_u64.to_le_bytes());
    bytes
}

fn mail() -> Vec<u8> {
    const FILE: &str = "/__attach_version1.0_#00000000";
    const INNER: &str = "/__attach_version1.0_#00000001/__substg1.0_3701000D";
    compound(&[
        ("/__properties_version1.0", &numbers(32)),
        ("/__substg1.0_0037001F", &utf16("Grüße")),
        ("/__substg1.0_0C1A001E", b"\xc8\xe2\xe0\xed"),
        ("/__substg1.0_5D01001F", &utf16("ivan@example.com")),
        ("/__substg1.0_0E04001F", &utf16("Anna; Ben")),
        ("/__substg1.0_1000001F", &utf16("Water rises.\r\n\0")),
        (&format!("{FILE}/__properties_version1.0"), &[0; 8]),
        (&format!("{FILE}/__substg1.0_3707001F"), &utf16("../a.txt")),
        (&format!("{FILE}/__substg1.0_370E001F"), &utf16("text/plain")),
        (&format!("{FILE}/__substg1.0_37010102"), b"content"),
        (&format!("{INNER}/__properties_version1.0"), &[0; 24]),
        (&format!("{INNER}/__substg1.0_0037001F"), &utf16("Inner")),
        (&format!("{INNER}/__substg1.0_10130102"), b"<h1>Moon</h1><p>It pulls."),
    ])
}

#[test]
fn mail_has_headers_text_attachments_and_mails() {
    assert_eq!(
        without_blank_lines(&shown(Msg, &mail()).unwrap()),
        "[title Grüße]\nSubject: Grüße\nFrom: Иван <ivan@example.com>\nTo: Anna; Ben\nDate: 2025-11-25T00:00:00Z\n\
         Water rises.\n[file .._a.txt text/plain]content[/file]\nSubject: Inner\n[h1 Moon]\nMoon\nIt pulls.\n"
    );
}

#[test]
fn sender_is_the_represented_person_where_no_other_is_named() {
    let from = |properties: &[(&str, &str)]| {
        let numbers = numbers(32);
        let texts: Vec<(String, Vec<u8>)> =
            properties.iter().map(|(tag, text)| (format!("/__substg1.0_{tag}001F"), utf16(text))).collect();
        let mut streams = vec![("/__properties_version1.0", numbers.as_slice())];
        streams.extend(texts.iter().map(|(path, text)| (path.as_str(), text.as_slice())));
        let shown = shown(Msg, &compound(&streams)).unwrap();
        shown.lines().find_map(|line| line.strip_prefix("From: ")).unwrap_or_default().to_owned()
    };
    let anna = [("0042", "Anna"), ("0065", "anna@example.com")];
    assert_eq!(from(&anna), "Anna <anna@example.com>");
    assert_eq!(
        from(&[anna[0], ("0065", "/o=Company/cn=anna"), ("5D02", "a@example.com")]),
        "Anna <a@example.com>"
    );
    assert_eq!(
        from(&[("0C1A", "Ben"), ("0C1F", "ben@example.com"), anna[0], anna[1]]),
        "Ben <ben@example.com>"
    );
    assert_eq!(from(&[("0C1A", "ben@example.com"), ("0C1F", "ben@example.com")]), "ben@example.com");
    assert_eq!(from(&[("0C1A", "Ben"), anna[0], anna[1]]), "Ben");
    assert_eq!(from(&[("0C1A", "Ben"), ("0C1F", "/o=Company/cn=ben")]), "Ben");
}

/// The numbers of a recipient: a header and its kind.
fn recipient_kind(kind: u64) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    bytes.extend_from_slice(&0x0C15_0003_u32.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes
}

#[test]
fn recipients_have_their_addresses_except_for_hidden_ones() {
    let mut streams = vec![
        ("/__properties_version1.0".to_owned(), numbers(32)),
        ("/__substg1.0_0E04001F".to_owned(), utf16("Anna; Ben")),
        ("/__substg1.0_0E03001F".to_owned(), utf16("Cleo")),
    ];
    for (index, (kind, name, address)) in
        [(1, "Anna", "anna@example.com"), (1, "Ben", "/o=Company/cn=ben"), (3, "Dora", "dora@example.com")]
            .into_iter()
            .enumerate()
    {
        let storage = format!("/__recip_version1.0_#0000000{index}");
        streams.push((format!("{storage}/__properties_version1.0"), recipient_kind(kind)));
        streams.push((format!("{storage}/__substg1.0_3001001F"), utf16(name)));
        streams.push((format!("{storage}/__substg1.0_3003001F"), utf16(address)));
    }
    let ben = "/__recip_version1.0_#00000001/__substg1.0_39FE001F";
    streams.push((ben.to_owned(), utf16("ben@example.com")));
    let streams: Vec<(&str, &[u8])> =
        streams.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    assert_eq!(
        without_blank_lines(&shown(Msg, &compound(&streams)).unwrap()),
        "To: Anna <anna@example.com>, Ben <ben@example.com>\nCc: Cleo\nDate: 2025-11-25T00:00:00Z\n"
    );
}

#[test]
fn dates_are_those_of_the_calendar() {
    assert_eq!(date_text(0), None);
    assert_eq!(date_text(20_000_000).unwrap(), "1601-01-01T00:00:02Z");
    assert_eq!(date_text(116_444_736_000_000_000).unwrap(), "1970-01-01T00:00:00Z");
    assert_eq!(date_text(125_962_560_000_000_000).unwrap(), "2000-02-29T00:00:00Z");
    assert!(date_text(u64::MAX).is_some());
}

#[test]
fn damaged_mails_do_not_panic() {
    survives_damage(Msg, &mail());
}
