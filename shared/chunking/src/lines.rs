//! Which lines of the original document chunks are on.

use std::collections::VecDeque;

use crate::scanner::Scanner;

/// Counts the lines of a document whose text keeps them: of any other, no line is known.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Offset in the text, and the line of the original that it is on, from 1.
    reached: Option<(u64, u32)>,
    /// The same at later offsets, where line feeds alone do not tell.
    marks: VecDeque<(u64, u32)>,
}

impl Lines {
    /// The text from `offset` on begins on this line of the original, from 1, and each line feed begins the next.
    pub(crate) fn begin(&mut self, offset: u64, line: u32) {
        match self.marks.back_mut() {
            Some((last, number)) if *last == offset => *number = line,
            _ => self.marks.push_back((offset, line)),
        }
    }

    /// The first and the last line of the next chunk, `document[start..end]`.
    pub(crate) fn of(&mut self, start: u64, end: u64, scanner: &Scanner) -> Option<(u32, u32)> {
        self.advance(start, scanner);
        let (_, first) = self.reached?;
        let text = scanner.slice(start, end);
        let trailing = text.len() - text.trim_end_matches(['\n', '\r']).len();
        let (_, last) = self.at(end - trailing as u64, scanner)?;
        Some((first, last))
    }

    /// Counts up to `offset`: no later chunk begins on a line before it.
    pub(crate) fn advance(&mut self, offset: u64, scanner: &Scanner) {
        if let Some(reached) = self.at(offset, scanner) {
            self.reached = Some(reached);
            while self.marks.pop_front_if(|(mark, _)| *mark <= offset).is_some() {}
        }
    }

    /// `offset`, or what was reached if that is further on, with its line.
    fn at(&self, offset: u64, scanner: &Scanner) -> Option<(u64, u32)> {
        let marked = self.marks.iter().take_while(|(mark, _)| *mark <= offset).last();
        let (from, line) = marked.copied().or(self.reached)?;
        if offset <= from {
            return Some((from, line));
        }
        let breaks = memchr::memchr_iter(b'\n', scanner.slice(from, offset).as_bytes()).count();
        Some((offset, line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX))))
    }
}
