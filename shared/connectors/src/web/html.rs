//! What an HTML page says to crawlers: its links, its canonical URL, and whether it may be indexed.

use std::cell::RefCell;
use std::collections::BTreeSet;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind::{Rawtext, Rcdata, ScriptData};
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use url::Url;

/// The most links of a page that are followed.
const MAX_LINKS: usize = 2000;

/// What a page says to crawlers.
#[derive(Debug, Default)]
pub(crate) struct PageHead {
    /// The pages that it links to, without fragments, in their order on the page.
    pub(crate) links: Vec<Url>,
    /// The URL that it wants to be known by.
    pub(crate) canonical: Option<Url>,
    pub(crate) directives: Directives,
}

/// What a page asks of crawlers, by `<meta name="robots">` or the header `X-Robots-Tag`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    pub(crate) noindex: bool,
    pub(crate) nofollow: bool,
}

impl Directives {
    /// Adds the directives of a meta element or header: words between commas. Those for one crawler (`bot: noindex`) are
    /// not for this one.
    pub(crate) fn add(&mut self, content: &str) {
        for word in content.split(',') {
            match word.trim().to_ascii_lowercase().as_str() {
                "noindex" => self.noindex = true,
                "nofollow" => self.nofollow = true,
                "none" => (self.noindex, self.nofollow) = (true, true),
                _ => {}
            }
        }
    }
}

/// Reads a page that was found at `url`.
pub(crate) fn read(html: &str, url: &Url) -> PageHead {
    let collector = Collector { found: RefCell::new(Found::new(url)) };
    let tokenizer = Tokenizer::new(collector, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    // Scripts are not run, so the tokenizer never stops before the end.
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.found.into_inner().head
}

#[derive(Debug)]
struct Found {
    base: Url,
    has_base: bool,
    seen: BTreeSet<String>,
    head: PageHead,
}

impl Found {
    fn new(url: &Url) -> Self {
        Self { base: url.clone(), has_base: false, seen: BTreeSet::new(), head: PageHead::default() }
    }

    /// Resolves a reference to an HTTP URL without fragment.
    fn resolve(&self, reference: &str) -> Option<Url> {
        let mut url = self.base.join(reference.trim()).ok()?;
        url.set_fragment(None);
        matches!(url.scheme(), "http" | "https").then_some(url)
    }

    fn add(&mut self, tag: &Tag) {
        let attribute = |name: &str| {
            let found = tag.attrs.iter().find(|attribute| &*attribute.name.local == name);
            found.map(|attribute| attribute.value.to_string())
        };
        let has_word = |name: &str, word: &str| {
            attribute(name)
                .is_some_and(|words| words.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case(word)))
        };
        match &*tag.name {
            // Only the first one counts: <https://html.spec.whatwg.org/#the-base-element>
            "base" if !self.has_base => {
                if let Some(base) = attribute("href").and_then(|href| self.base.join(&href).ok()) {
                    (self.base, self.has_base) = (base, true);
                }
            }
            "a" | "area" if self.head.links.len() < MAX_LINKS && !has_word("rel", "nofollow") => {
                let link = attribute("href").and_then(|href| self.resolve(&href));
                if let Some(link) = link.filter(|link| self.seen.insert(link.to_string())) {
                    self.head.links.push(link);
                }
            }
            "link" if self.head.canonical.is_none() && has_word("rel", "canonical") => {
                self.head.canonical = attribute("href").and_then(|href| self.resolve(&href));
            }
            "meta" if has_word("name", "robots") => {
                self.head.directives.add(&attribute("content").unwrap_or_default());
            }
            _ => {}
        }
    }
}

#[derive(Debug)]
struct Collector {
    found: RefCell<Found>,
}

impl TokenSink for Collector {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else {
            return TokenSinkResult::Continue;
        };
        if tag.kind != TagKind::StartTag {
            return TokenSinkResult::Continue;
        }
        self.found.borrow_mut().add(&tag);
        // What looks like a tag in these elements is text.
        match &*tag.name {
            "script" => TokenSinkResult::RawData(ScriptData),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" => TokenSinkResult::RawData(Rawtext),
            "title" | "textarea" => TokenSinkResult::RawData(Rcdata),
            _ => TokenSinkResult::Continue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> PageHead {
        read(html, &Url::parse("https://docs.example.org/guide/start.html").unwrap())
    }

    fn links(html: &str) -> Vec<String> {
        page(html).links.iter().map(Url::to_string).collect()
    }

    #[test]
    fn links_are_resolved_without_fragments_each_once() {
        let html = r##"<a href="next.html#top">x</a> <A HREF='/'>y</A> <area href=next.html> <a href="#here">z</a>
            <a href="mailto:a@b.c">m</a> <a href="javascript:x()">j</a> <a rel="external nofollow" href="ad">n</a>
            <a href=" ../q?a=1&amp;b=2 ">q</a>"##;
        assert_eq!(
            links(html),
            [
                "https://docs.example.org/guide/next.html",
                "https://docs.example.org/",
                "https://docs.example.org/guide/start.html",
                "https://docs.example.org/q?a=1&b=2",
            ]
        );
    }

    #[test]
    fn the_first_base_resolves_what_follows() {
        let html = "<a href=a><base href=/other/><base href=/third/><a href=b>";
        assert_eq!(links(html), ["https://docs.example.org/guide/a", "https://docs.example.org/other/b"]);
    }

    #[test]
    fn scripts_comments_and_texts_have_no_links() {
        let html = r#"<script>"<a href=s>"</script><!-- <a href=c> --><textarea><a href=t></textarea>
            <style><a href=y></style><title><a href=i></title><a href=real>"#;
        assert_eq!(links(html), ["https://docs.example.org/guide/real"]);
    }

    #[test]
    fn a_page_names_its_canonical_url_and_what_crawlers_may_do() {
        let head = page(
            r#"<link rel="alternate canonical" href="/guide/"><link rel=canonical href=/second>
            <meta name=Robots content="NOINDEX, follow">"#,
        );
        assert_eq!(head.canonical.unwrap().as_str(), "https://docs.example.org/guide/");
        assert_eq!(head.directives, Directives { noindex: true, nofollow: false });
        assert_eq!(
            page("<meta name=robots content=none>").directives,
            Directives { noindex: true, nofollow: true }
        );
        assert_eq!(page("<meta name=description content=noindex>").directives, Directives::default());
    }

    #[test]
    fn a_page_has_a_bounded_number_of_links() {
        let many: String = (0..MAX_LINKS + 10).map(|number| format!("<a href=p{number}>")).collect();
        assert_eq!(links(&many).len(), MAX_LINKS);
    }
}
