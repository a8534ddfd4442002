//! What a chunk is told about its document before it is embedded and indexed: the title and the headings above it.
//!
//! A chunk from the middle of a document seldom names what it is about. See docs/benchmarks.md for what this gains.

use chunking::{Chunk, ChunkingError, ModelTokenizer};
use domain::ChunkPlace;

/// Tokens of the model that are left for contexts, with the line break after them.
pub(crate) const CONTEXT_TOKENS: u32 = 32;

/// Makes the contexts of a document's chunks.
#[derive(Debug)]
pub(crate) struct Contexts<'t> {
    tokenizer: &'t ModelTokenizer,
    /// The latest names, and their context: consecutive chunks share them.
    latest: (Vec<String>, String),
}

impl<'t> Contexts<'t> {
    pub(crate) fn new(tokenizer: &'t ModelTokenizer) -> Self {
        Self { tokenizer, latest: (Vec::new(), String::new()) }
    }

    /// Returns a chunk's context; empty if there is nothing to tell.
    pub(crate) fn of(&mut self, chunk: &Chunk) -> Result<String, ChunkingError> {
        let names = names(&chunk.place, &chunk.text);
        if names != self.latest.0 {
            let context = fit(self.tokenizer, names.clone())?;
            self.latest = (names, context);
        }
        Ok(self.latest.1.clone())
    }
}

/// The title and the headings, outermost first, without those that repeat the one before or begin the text.
fn names(place: &ChunkPlace, text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in place.title.iter().chain(&place.section_path) {
        if names.last() != Some(name) {
            names.push(name.clone());
        }
    }
    let text = text.trim_start_matches(|character: char| character == '#' || character.is_whitespace());
    let begins = |name: &str| {
        text.strip_prefix(name).is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
    };
    while names.pop_if(|name| begins(name)).is_some() {}
    names
}

/// Joins names. If they have too many tokens, leaves out those in the middle first, then the ends of words.
fn fit(tokenizer: &ModelTokenizer, mut names: Vec<String>) -> Result<String, ChunkingError> {
    // One for the line break, whatever the tokenizer makes of it.
    let most = CONTEXT_TOKENS - 1;
    loop {
        let context = names.join(" > ");
        if tokenizer.count(&context)? <= most + tokenizer.special_tokens() {
            return Ok(context);
        }
        if names.len() > 2 {
            names.remove(1);
        } else if let Some(last) = names.last_mut() {
            last.truncate(last.floor_char_boundary(last.len() * 3 / 4));
            names.pop_if(|last| last.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tokens;

    fn place(title: &str, section_path: &[&str]) -> ChunkPlace {
        ChunkPlace {
            title: (!title.is_empty()).then(|| title.to_owned()),
            section_path: section_path.iter().map(|heading| (*heading).to_owned()).collect(),
            ..ChunkPlace::default()
        }
    }

    #[test]
    fn contexts_do_not_repeat_what_the_text_says() {
        for (title, path, text, expected) in [
            ("", &[][..], "text", ""),
            ("Tides", &["Tides", "The moon"], "It pulls.", "Tides > The moon"),
            ("Tides", &["Tides", "The moon"], "## The moon\n\nIt pulls.", "Tides"),
            ("Tides", &[], "Tides\n\nThe moon pulls.", ""),
            ("Tide", &[], "Tides are pulled by the moon.", "Tide"),
        ] {
            assert_eq!(names(&place(title, path), text).join(" > "), expected, "{text}");
        }
    }

    #[test]
    fn contexts_fit_their_room_and_keep_the_outermost_and_the_innermost_name() {
        let tokenizer = &tokens().tokenizer;
        let context = |names: &[&str]| {
            let context = fit(tokenizer, names.iter().map(|name| (*name).to_owned()).collect()).unwrap();
            let tokens = tokenizer.count(&context).unwrap() - tokenizer.special_tokens();
            assert!(tokens < CONTEXT_TOKENS, "{context}");
            context
        };
        let long = "a heading of many words ".repeat(8);
        assert_eq!(context(&["Title", &long, &long, "Moon"]), "Title > Moon");
        assert!(context(&["Title", &"word ".repeat(100)]).starts_with("Title > word word"));
        assert!(context(&[&"文".repeat(100)]).starts_with("文文"));
        assert!(context(&[&"文".repeat(100), &"字".repeat(100)]).starts_with("文文"));
    }
}
