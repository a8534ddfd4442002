//! Names that resolve to addresses that are not public.

use domain::{Classify, ErrorKind};

use super::resolver_table::ResolverTable;
use super::server::{Server, egress_with_names};

/// Answers of a DNS server, each refused.
const ANSWERS: &[&[&str]] = &[
    &["127.0.0.1"],
    &["::1"],
    &["0.0.0.0"],
    &["::"],
    &["10.0.0.1"],
    &["172.16.0.1"],
    &["192.168.0.1"],
    &["100.64.0.1"],
    &["169.254.169.254"],
    &["fd00:ec2::254"],
    &["100.100.100.200"],
    &["fe80::1"],
    &["fc00::1"],
    &["::ffff:127.0.0.1"],
    &["::ffff:169.254.169.254"],
    &["64:ff9b::7f00:1"],
    &["64:ff9b::a9fe:a9fe"],
    &["64:ff9b:1::7f00:1"],
    &["2002:7f00:1::"],
    &["2001:0:4136:e378:8000:63bf:80ff:fffe"],
    &["::127.0.0.1"],
    &["224.0.0.1"],
    &["255.255.255.255"],
    &["192.0.2.1"],
    &["198.18.0.1"],
    &["240.0.0.1"],
    // One bad address among public ones, first, last and of the other family.
    &["127.0.0.1", "93.184.215.14"],
    &["93.184.215.14", "10.0.0.1"],
    &["93.184.215.14", "93.184.215.15", "::1"],
    &["2606:2800:21f:cb07:6820:80da:af6b:8b2c", "169.254.169.254"],
];

#[tokio::test]
async fn a_name_is_refused_if_any_of_its_addresses_is_not_public() {
    for addresses in ANSWERS {
        for name in ["site.example", "SITE.example", "site.example.", "ｓｉｔｅ.example", "ⓢⓘⓣⓔ.example"]
        {
            let egress = egress_with_names("", ResolverTable::default().answer("site.example", addresses));
            let error = egress.get(&format!("https://{name}/")).send().await.expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Forbidden, "{addresses:?}: {error}");
            // What internal names resolve to is not for users.
            assert!(addresses.iter().all(|address| !error.to_string().contains(address)), "{error}");
            let error = egress.connect(name, 993).await.expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Forbidden, "{addresses:?}: {error}");
        }
    }
    println!("{} answers refused", ANSWERS.len());
}

#[tokio::test]
async fn localhost_is_refused_in_every_spelling() {
    // With the system's resolver, which knows it.
    let egress = super::server::egress("");
    for host in ["localhost", "LOCALHOST", "localhost.", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ", "%6cocalhost"]
    {
        let error = egress.get(&format!("http://{host}/")).send().await.expect_err(host);
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{host}: {error}");
    }
}

#[tokio::test]
async fn a_name_that_moves_between_two_requests_is_refused() {
    let server =
        Server::with_answer("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", true).await;
    let table = ResolverTable::default()
        .answer("site.example", &["127.0.0.1"])
        .answer("site.example", &["169.254.169.254"]);
    let egress = egress_with_names(&server.address.to_string(), table);
    let url = format!("http://site.example:{}/", server.port());
    assert_eq!(egress.get(&url).send().await.unwrap().status(), 200);
    let error = egress.get(&url).send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_goes_to_the_address_that_was_checked() {
    // A name that answers differently each time: one request asks once, so there is no second answer to use.
    let server = Server::with_answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let table = ResolverTable::default()
        .answer("site.example", &["127.0.0.1"])
        .answer("site.example", &["127.0.0.2"])
        .answer("site.example", &["127.0.0.1"]);
    let egress = egress_with_names(&server.address.to_string(), table);
    egress.connect("site.example", server.port()).await.unwrap();
    assert_eq!(egress.connect("site.example", server.port()).await.unwrap_err().kind(), ErrorKind::Forbidden);
    let stream = egress.connect("site.example", server.port()).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), server.address);
}

#[tokio::test]
async fn the_next_address_of_a_name_is_tried_when_one_fails() {
    let server = Server::with_answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let table = ResolverTable::default().answer("site.example", &["127.0.0.9", "127.0.0.1"]);
    let egress = egress_with_names("127.0.0.0/8", table);
    let stream = egress.connect("site.example", server.port()).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), server.address);
}

#[tokio::test]
async fn a_name_without_addresses_is_unavailable() {
    let egress = egress_with_names("", ResolverTable::default());
    let error = egress.get("https://nowhere.example/").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "nowhere.example could not be resolved (it has no address); check the host name"
    );
}
