//! A passage of a document for people: around the first of the query's terms, in lines, with the terms marked.

use crate::output::sanitize;

/// Characters of a passage that are shown: enough to judge it, few enough to see several.
const MAX_CHARS: usize = 320;
/// Characters before the first marked term.
const LEAD: usize = 80;

/// A word, and whether it is to be marked. Marks inside of words mark the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    parts: Vec<(String, bool)>,
}

impl Word {
    fn len(&self) -> usize {
        self.parts.iter().map(|(text, _)| console::measure_text_width(text)).sum()
    }

    fn is_marked(&self) -> bool {
        self.parts.iter().any(|(_, is_marked)| *is_marked)
    }
}

/// The words of a passage.
#[derive(Debug)]
pub struct Passage {
    words: Vec<Word>,
    is_cut_before: bool,
    is_cut_after: bool,
}

/// A line of a passage.
#[derive(Debug)]
pub struct Line(Vec<Word>);

impl Line {
    /// Joins the words, with the marked parts changed by `mark`.
    pub fn render(&self, mark: impl Fn(&str) -> String) -> String {
        let words = self.0.iter().map(|word| {
            let parts = word.parts.iter();
            parts
                .map(|(text, is_marked)| if *is_marked { mark(text) } else { text.clone() })
                .collect::<String>()
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

impl Passage {
    /// Shortens a text. `highlighted` is the same text as HTML with `mark` elements.
    pub fn new(text: &str, highlighted: Option<&str>) -> Self {
        let words = match highlighted {
            Some(html) => words(&parse(html)),
            None => words(&[(text.to_owned(), false)]),
        };
        let first_mark = words.iter().position(Word::is_marked).unwrap_or(0);
        let mut start = first_mark;
        let mut lead = 0;
        while start > 0 && lead + words[start - 1].len() < LEAD {
            start -= 1;
            lead += words[start].len() + 1;
        }
        let mut end = start;
        let mut length = 0;
        while end < words.len() && (end == start || length + words[end].len() < MAX_CHARS) {
            length += words[end].len() + 1;
            end += 1;
        }
        let is_cut_after = end < words.len();
        Self { words: words[start..end].to_vec(), is_cut_before: start > 0, is_cut_after }
    }

    /// Breaks the passage into lines of at most this width, unless a word is longer.
    pub fn lines(mut self, width: usize) -> Vec<Line> {
        let ellipsis = || Word { parts: vec![("…".to_owned(), false)] };
        if self.is_cut_before {
            self.words.insert(0, ellipsis());
        }
        if self.is_cut_after {
            self.words.push(ellipsis());
        }
        let mut lines: Vec<Line> = Vec::new();
        let mut used = 0;
        for word in self.words {
            let length = word.len();
            match lines.last_mut() {
                Some(line) if used + 1 + length <= width => {
                    used += 1 + length;
                    line.0.push(word);
                }
                _ => {
                    used = length;
                    lines.push(Line(vec![word]));
                }
            }
        }
        lines
    }
}

/// Reads the API's HTML, which has `mark` elements and five character references only.
fn parse(html: &str) -> Vec<(String, bool)> {
    let mut parts = Vec::new();
    let mut is_marked = false;
    let mut rest = html;
    while !rest.is_empty() {
        let (text, after) = rest.split_once('<').unwrap_or((rest, ""));
        if !text.is_empty() {
            parts.push((unescape(text), is_marked));
        }
        if rest.len() == text.len() {
            break;
        }
        let (tag, after) = after.split_once('>').unwrap_or((after, ""));
        is_marked = tag == "mark";
        rest = after;
    }
    parts
}

fn unescape(text: &str) -> String {
    // The ampersand last, else `&amp;lt;` would be unescaped twice.
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (reference, character)| text.replace(reference, character))
}

/// Splits marked text at white space.
fn words(parts: &[(String, bool)]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut is_open = false;
    for (text, is_marked) in parts {
        let mut pieces = text.split(char::is_whitespace).peekable();
        while let Some(piece) = pieces.next() {
            if !piece.is_empty() {
                let part = (sanitize(piece).into_owned(), *is_marked);
                match words.last_mut() {
                    Some(word) if is_open => word.parts.push(part),
                    _ => words.push(Word { parts: vec![part] }),
                }
                is_open = true;
            }
            if pieces.peek().is_some() {
                is_open = false;
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, highlighted: Option<&str>, width: usize) -> Vec<String> {
        let lines = Passage::new(text, highlighted).lines(width);
        lines.iter().map(|line| line.render(|term| format!("[{term}]"))).collect()
    }

    #[test]
    fn terms_are_marked_and_references_resolved() {
        let html = "a &amp;lt; b: <mark>tide</mark>s\n &quot;<mark>rise</mark>&quot; &amp;";
        assert_eq!(shown("", Some(html), 80), [r#"a &lt; b: [tide]s "[rise]" &"#]);
        assert_eq!(shown("tides  rise\n\nand fall", None, 11), ["tides rise", "and fall"]);
        assert_eq!(shown("", Some(""), 11), Vec::<String>::new());
    }

    #[test]
    fn a_long_passage_begins_shortly_before_the_first_term() {
        let html = format!("{}<mark>tide</mark> {}", "low ".repeat(100), "high ".repeat(100));
        let line = shown("", Some(&html), 1000).remove(0);
        assert!(line.starts_with("… low") && line.ends_with("high …"), "{line}");
        let before = line.split_once("[tide]").unwrap().0;
        assert!(before.len() < LEAD + 6 && before.len() > LEAD - 10, "{before}");
        assert!(line.chars().count() < MAX_CHARS + 10, "{line}");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(shown("潮汐 海面", None, 5), ["潮汐", "海面"]);
    }
}
