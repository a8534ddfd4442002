//! Highlighting of the query's terms.

use bm25::{TermWeights, find_terms};

/// Returns the text as escaped HTML with `<mark>` around the terms of the query.
pub(crate) fn highlight(text: &str, query: &TermWeights) -> String {
    let mut html = String::with_capacity(text.len() + 64);
    let mut done = 0;
    for place in find_terms(text, query) {
        escape(&text[done..place.start], &mut html);
        html.push_str("<mark>");
        escape(&text[place.clone()], &mut html);
        html.push_str("</mark>");
        done = place.end;
    }
    escape(&text[done..], &mut html);
    html
}

fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use bm25::query_terms;

    use super::*;

    #[test]
    fn terms_are_marked_and_markup_in_the_text_is_escaped() {
        let query = query_terms("are tides rising?");
        let html = highlight("<b>Tide & \"time\"</b> rises", &query);
        assert_eq!(html, "&lt;b&gt;<mark>Tide</mark> &amp; &quot;time&quot;&lt;/b&gt; <mark>rises</mark>");
        assert_eq!(highlight("nothing in common", &query), "nothing in common");
    }
}
