//! The part of a text between two offsets.

/// The part of a text between two offsets. Characters are whole: one that contains an offset is before it.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) start: u64,
    end: u64,
    /// Bytes of the text so far.
    position: u64,
    pub(crate) text: String,
    /// Whether there is text after the end.
    pub(crate) is_complete: bool,
}

impl Part {
    pub(crate) fn new(start: u64, end: u64) -> Self {
        Self { start, end, position: 0, text: String::new(), is_complete: false }
    }

    /// Reads the next text.
    pub(crate) fn push(&mut self, text: &str) {
        let within = |offset: u64| {
            let bytes = usize::try_from(offset.saturating_sub(self.position)).unwrap_or(usize::MAX);
            text.ceil_char_boundary(bytes.min(text.len()))
        };
        let (from, until) = (within(self.start), within(self.end));
        if self.text.is_empty() && from < text.len() {
            self.start = self.start.max(self.position + from as u64);
        }
        self.text.push_str(&text[from..until]);
        self.is_complete |= until < text.len();
        self.position += text.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::Part;

    proptest! {
        #[test]
        fn parts_are_whole_characters_and_follow_one_another(
            pieces in proptest::collection::vec("[aé€😀]{0,5}", 0..6), step in 1u64..9,
        ) {
            let whole = pieces.concat();
            let mut joined = String::new();
            let mut next = Some(0);
            while let Some(start) = next {
                let mut part = Part::new(start, start + step);
                for piece in &pieces {
                    part.push(piece);
                }
                prop_assert!(part.start == start || part.text.is_empty());
                joined += &part.text;
                next = part.is_complete.then_some(part.start + part.text.len() as u64);
            }
            prop_assert_eq!(joined, whole);
        }
    }

    #[test]
    fn part_between_the_offsets_of_a_chunk() {
        let mut part = Part::new(3, 6);
        for piece in ["abé", "def", "g"] {
            part.push(piece);
        }
        // Offset 3 is inside the third character.
        assert_eq!((part.start, part.text.as_str(), part.is_complete), (4, "de", true));
    }
}
