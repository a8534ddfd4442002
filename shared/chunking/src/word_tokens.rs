//! A cache of tokens of words, of bounded size.

use std::collections::HashMap;

/// Longer words are not cached.
const MAX_WORD_BYTES: usize = 30;

/// The cache is cleared at this many words, some megabytes.
const MAX_WORDS: usize = 32 * 1024;

/// Tokens by word.
#[derive(Debug, Default)]
pub(crate) struct WordTokens {
    known: HashMap<Box<str>, Box<[u32]>>,
}

impl WordTokens {
    /// Returns the cached tokens of the word, or finds and caches them.
    pub(crate) fn find_or_insert<E>(
        &mut self,
        word: &str,
        find: impl FnOnce(&str) -> Result<Vec<u32>, E>,
    ) -> Result<Vec<u32>, E> {
        if let Some(tokens) = self.known.get(word) {
            return Ok(tokens.to_vec());
        }
        let tokens = find(word)?;
        if word.len() <= MAX_WORD_BYTES {
            if self.known.len() >= MAX_WORDS {
                self.known.clear();
            }
            self.known.insert(word.into(), tokens.clone().into());
        }
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cached_in_bounded_memory() {
        let mut tokens = WordTokens::default();
        let mut find =
            |word: &str, fresh: u32| tokens.find_or_insert(word, |_| Ok::<_, ()>(vec![fresh])).unwrap();
        assert_eq!((find("word", 1), find("word", 2)), (vec![1], vec![1]));
        let long = "x".repeat(31);
        assert_eq!((find(&long, 1), find(&long, 2)), (vec![1], vec![2]));
        for number in 0..100_000_u32 {
            assert_eq!(find(&number.to_string(), number), [number]);
        }
        assert!(tokens.known.len() <= MAX_WORDS);
    }
}
