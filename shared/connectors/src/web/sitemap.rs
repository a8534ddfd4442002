//! Sitemaps: lists of a site's pages, <https://www.sitemaps.org/protocol.html>.

use std::io::Read;

use flate2::read::GzDecoder;
use sitemap::reader::{SiteMapEntity, SiteMapReader};
use url::Url;

/// The most bytes of an unpacked sitemap, as the protocol says.
const MAX_BYTES: u64 = 50 * 1024 * 1024;

/// Whether the body of a response is a sitemap, packed or not.
pub(crate) fn is_sitemap(body: &[u8]) -> bool {
    let mut head = Vec::new();
    // A damaged start is no sitemap, and is read as a document.
    let head = match unpacked(body).take(2048).read_to_end(&mut head) {
        Ok(_) => String::from_utf8_lossy(&head).into_owned(),
        Err(_) => return false,
    };
    let head = head.trim_start_matches('\u{feff}').trim_start();
    head.starts_with('<') && (head.contains("<urlset") || head.contains("<sitemapindex"))
}

/// The pages, and further sitemaps, that a sitemap lists, in its order. Entries that are no URLs are left out.
pub(crate) fn read(body: &[u8]) -> Vec<Url> {
    let mut urls = Vec::new();
    for entity in SiteMapReader::new(unpacked(body).take(MAX_BYTES)) {
        let location = match entity {
            SiteMapEntity::Url(entry) => entry.loc.get_url(),
            SiteMapEntity::SiteMap(entry) => entry.loc.get_url(),
            SiteMapEntity::Err(error) => {
                tracing::debug!(%error, "an entry of a sitemap cannot be read");
                None
            }
        };
        urls.extend(location.and_then(|location| Url::parse(location.as_str()).ok()));
    }
    urls
}

fn unpacked(body: &[u8]) -> Box<dyn Read + '_> {
    if body.starts_with(&[0x1f, 0x8b]) { Box::new(GzDecoder::new(body)) } else { Box::new(body) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const SITEMAP: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
        <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
        <url><loc>https://a.test/one</loc><lastmod>2026-11-30</lastmod></url>
        <url><loc>not a url</loc></url>
        <url><loc> https://a.test/two?a=1&amp;b=2 </loc></url></urlset>"#;

    fn read_texts(body: &[u8]) -> Vec<String> {
        read(body).iter().map(Url::to_string).collect()
    }

    #[test]
    fn pages_and_further_sitemaps_are_listed() {
        assert_eq!(read_texts(SITEMAP.as_bytes()), ["https://a.test/one", "https://a.test/two?a=1&b=2"]);
        let index = r#"<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
            <sitemap><loc>https://a.test/s1.xml.gz</loc></sitemap></sitemapindex>"#;
        assert!(is_sitemap(index.as_bytes()));
        assert_eq!(read_texts(index.as_bytes()), ["https://a.test/s1.xml.gz"]);
    }

    #[test]
    fn packed_sitemaps_are_unpacked() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(SITEMAP.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        assert!(is_sitemap(&packed));
        assert_eq!(read_texts(&packed).len(), 2);
        assert!(!is_sitemap(&packed[..12]));
    }

    #[test]
    fn other_documents_are_no_sitemaps() {
        for other in ["<html><p>&lt;urlset</html>", "<?xml version=\"1.0\"?><rss/>", "see <urlset", ""] {
            assert!(!is_sitemap(other.as_bytes()), "{other}");
        }
    }
}
