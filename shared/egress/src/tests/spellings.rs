//! Every spelling of an address that is not public.

use domain::{Classify, ErrorKind};

use super::server::{Server, egress};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Spellings of 127.0.0.1 that are parsed as this address.
const LOOPBACK_V4: &[&str] = &[
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.0x0.1",
    "2130706433",
    "2130706433.",
    "0x7f000001",
    "0X7F000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0x0000000000000000000000007f000001",
    "017700000001",
    "0177.0.0.1",
    "0177.0x0.0.01",
    "00000000000177.0.0.1",
    "127.0.0.0x1",
    "127.0.0.01",
    "１２７.0.0.1",
    "１２７。０。０。１",
    "①②⑦.⓪.⓪.①",
    "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
    "127｡0｡0｡1",
    "0x７f.1",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "127.0.0.%31",
    "127.0.0.1%2e",
    "127.\u{ad}0.0.1",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[0000:0000:0000:0000:0000:FFFF:7F00:0001]",
];

/// Hosts that are other addresses, or none.
const OTHERS: &[&str] = &[
    // Loopback and unspecified.
    "127.0.0.2",
    "127.255.255.254",
    "0.0.0.0",
    "0",
    "0x0",
    "00",
    "0.1.2.3",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::0001]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    // Private.
    "10.0.0.1",
    "167772161",
    "0xa.1",
    "012.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "3232235777",
    "0xc0a80101",
    "192.168.257",
    "100.64.0.1",
    "100.127.255.255",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:0a00:1]",
    "[fec0::1]",
    // Metadata and link-local.
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "169.254.170.2",
    "169.254.170.23",
    "[fd00:ec2::254]",
    "[fd00:ec2::23]",
    "[fd20:ce::254]",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "[fe80::1]",
    "[febf::1]",
    // IPv4 inside IPv6.
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::127.0.0.1]",
    "[64:ff9b:1:ffff::8.8.8.8]",
    "[2002:7f00:1::1]",
    "[2002:a00:1::]",
    "[2002:a9fe:a9fe::]",
    "[2002:808:808::1]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[::8.8.8.8]",
    "[::ffff:0:127.0.0.1]",
    "[::10.0.0.1]",
    // Multicast, broadcast, documentation, benchmarks, reserved.
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "4294967295",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.7",
    "[2001:db8::1]",
    "[3fff::1]",
    "198.18.0.1",
    "198.19.255.255",
    "240.0.0.1",
    "192.0.0.8",
    "192.88.99.1",
    "[ff02::1]",
    "[ff0e::1]",
    "[100::1]",
    "[2001:2::1]",
    "[2001:20::1]",
    "[5f00::1]",
    "[4000::1]",
    "[1::1]",
    "[::ffff:255.255.255.255]",
    "[::ffff:224.0.0.1]",
    // Neither an address nor a name.
    "256.0.0.1",
    "127.0.0.256",
    "1.2.3.4.5",
    "127.0.0.0x",
    "0x7f000001f",
    "4294967296",
    "127..0.1",
    ".127.0.0.1",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[::1",
    "::1]",
    "[127.0.0.1]",
    "[::ffff:127.0.0.256]",
    "[:::1]",
    "[]",
    "",
    ".",
    "..",
    "127.0.0.1 ",
    "127.0.0.1\u{0}",
    "local host",
    "127.0.0.1%00",
    "%",
    "%zz",
    "a%2fb",
    "a%40b",
    "a<b",
    "user@127.0.0.1",
    "user:hunter2@example.com",
    ":hunter2@example.com",
    "example.com@127.0.0.1",
    "example.com%40127.0.0.1",
    "127.0.0.1:0",
    "127.0.0.1:65536",
];

/// URLs that are not requested whatever their host.
const URLS: &[&str] = &[
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/",
    "dict://127.0.0.1:11211/",
    "ldap://127.0.0.1/",
    "ws://127.0.0.1/",
    "data:text/plain,a",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "about:blank",
    "//127.0.0.1/",
    "127.0.0.1",
    "/etc/passwd",
    "",
    "http:",
    "http://",
    "https://user@",
    "http://:80/",
    "http:\\\\127.0.0.1\\",
    "http:127.0.0.1",
    "http:/127.0.0.1",
    "ht\ntp://127.0.0.1",
    " http://127.0.0.1",
    "http://127.0.0.1?@example.com",
    "http://127.0.0.1#@example.com",
    "http://127.0.0.1\\@example.com",
    "http:///127.0.0.1",
    "HTTP://127.0.0.1",
    "https://[::1]:443",
    "http://foo@127.0.0.1:80@example.com",
    "view-source:http://127.0.0.1/",
    "jar:http://127.0.0.1!/",
];

#[tokio::test]
async fn every_spelling_of_an_address_that_is_not_public_is_refused() {
    let egress = egress("");
    let server = Server::with_answer(ANSWER, true).await;
    let mut urls: Vec<String> = URLS.iter().map(|url| (*url).to_owned()).collect();
    let port = server.port();
    urls.extend(LOOPBACK_V4.iter().map(|host| format!("http://{host}:{port}/")));
    urls.extend(OTHERS.iter().map(|host| format!("http://{host}/")));
    let mut refused = 0;
    for url in &urls {
        let error = egress.get(url).send().await.expect_err(url);
        assert!(matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Invalid), "{url:?}: {error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
        let error = egress.check(url).await.expect_err(url);
        assert!(matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Invalid), "{url:?}: {error:?}");
        refused += 1;
    }
    for host in LOOPBACK_V4.iter().chain(OTHERS) {
        let error = egress.connect(host, port).await.expect_err(host);
        assert!(matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Invalid), "{host:?}: {error:?}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        let error = egress.connect_tls(host, port).await.expect_err(host);
        assert!(matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Invalid), "{host:?}: {error:?}");
    }
    assert_eq!(server.connections(), 0);
    println!("{refused} spellings in URLs refused, {} of hosts", LOOPBACK_V4.len() + OTHERS.len());
}

/// So that the refusals above are refusals of something that would be reached.
#[tokio::test]
async fn the_spellings_of_loopback_reach_it_when_it_is_allowed() {
    let server = Server::with_answer(ANSWER, true).await;
    let egress = egress(&server.address.to_string());
    for host in LOOPBACK_V4 {
        let url = format!("http://{host}:{}/", server.port());
        egress.get(&url).send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
        egress.check(&url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        egress.connect(host, server.port()).await.unwrap_or_else(|error| panic!("{host}: {error}"));
    }
    assert!(server.connections() >= LOOPBACK_V4.len());
}
