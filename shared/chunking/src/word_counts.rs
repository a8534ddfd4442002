//! A cache of token counts of words, of fixed size.

/// Longer words are not cached.
const MAX_KEY_BYTES: usize = 30;

/// Sets of two entries each: 4 MiB of address space, of which only touched pages use memory.
const SETS: usize = 1 << 16;

/// A two-way set-associative cache: a word has two slots, and the least recently used is replaced.
#[derive(Clone)]
pub(crate) struct WordCounts {
    sets: Vec<[Entry; 2]>,
}

#[derive(Clone, Copy)]
struct Entry {
    key: [u8; MAX_KEY_BYTES],
    /// 0 in an unused entry.
    length: u8,
    tokens: u8,
}

impl std::fmt::Debug for WordCounts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WordCounts").field("sets", &self.sets.len()).finish()
    }
}

impl Entry {
    const UNUSED: Self = Self { key: [0; MAX_KEY_BYTES], length: 0, tokens: 0 };

    fn holds(&self, word: &[u8]) -> bool {
        usize::from(self.length) == word.len() && &self.key[..word.len()] == word
    }
}

impl WordCounts {
    pub(crate) fn new() -> Self {
        Self { sets: vec![[Entry::UNUSED; 2]; SETS] }
    }

    /// Returns the cached count of the word, or counts and caches it.
    pub(crate) fn find_or_insert<E>(
        &mut self,
        word: &str,
        count: impl FnOnce(&str) -> Result<u32, E>,
    ) -> Result<u32, E> {
        let bytes = word.as_bytes();
        if bytes.is_empty() || bytes.len() > MAX_KEY_BYTES {
            return count(word);
        }
        let set = &mut self.sets[hash(bytes) as usize % SETS];
        if set[0].holds(bytes) {
            return Ok(u32::from(set[0].tokens));
        }
        if set[1].holds(bytes) {
            set.swap(0, 1);
            return Ok(u32::from(set[0].tokens));
        }
        let tokens = count(word)?;
        // Both nearly always fit: a key has at most 30 bytes, and a word rarely more tokens than bytes.
        if let (Ok(length), Ok(small)) = (u8::try_from(bytes.len()), u8::try_from(tokens)) {
            let mut entry = Entry { length, tokens: small, ..Entry::UNUSED };
            entry.key[..bytes.len()].copy_from_slice(bytes);
            set[1] = set[0];
            set[0] = entry;
        }
        Ok(tokens)
    }
}

/// Collisions only cost time, so the hash need not resist attacks.
fn hash(bytes: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = bytes.len() as u64;
    for part in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        state = (state ^ u64::from_le_bytes(word)).wrapping_mul(MULTIPLIER);
        state ^= state >> 29;
    }
    state ^ (state >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(counts: &mut WordCounts, word: &str, fresh: u32) -> u32 {
        counts.find_or_insert(word, |_| Ok::<_, ()>(fresh)).unwrap()
    }

    #[test]
    fn cached_word_is_counted_once() {
        let mut counts = WordCounts::new();
        assert_eq!(find(&mut counts, "word", 3), 3);
        assert_eq!(find(&mut counts, "word", 9), 3);
        assert_eq!(find(&mut counts, "words", 4), 4);
    }

    #[test]
    fn words_and_counts_that_do_not_fit_are_not_cached() {
        let mut counts = WordCounts::new();
        let long = "x".repeat(31);
        assert_eq!((find(&mut counts, &long, 1), find(&mut counts, &long, 2)), (1, 2));
        assert_eq!((find(&mut counts, "dense", 300), find(&mut counts, "dense", 5)), (300, 5));
    }

    #[test]
    fn counts_stay_right_with_any_number_of_words() {
        let mut counts = WordCounts::new();
        for round in 0..2 {
            for number in 0..400_000_u32 {
                assert_eq!(find(&mut counts, &number.to_string(), number % 251), number % 251, "{round}");
            }
        }
    }
}
