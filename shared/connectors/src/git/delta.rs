//! Deltas: an object as changes of another one, <https://git-scm.com/docs/pack-format#_deltified_representation>

use super::pack::PackError;

/// Applies a delta to its base. The result has at most `limit` bytes.
pub(crate) fn apply(base: &[u8], delta: &[u8], limit: u64) -> Result<Vec<u8>, PackError> {
    let mut delta = Instructions(delta);
    let base_size = delta.size()?;
    if base_size != base.len() as u64 {
        return Err(PackError::Invalid("a delta is for another base"));
    }
    let size = delta.size()?;
    if size > limit {
        return Err(PackError::TooLarge { what: "an object", limit });
    }
    let mut result = Vec::new();
    while let Some(instruction) = delta.byte() {
        let piece = match instruction {
            0 => return Err(PackError::Invalid("a delta has a reserved instruction")),
            copy if copy & 0x80 != 0 => {
                let (offset, length) = delta.copied_range(copy)?;
                offset.checked_add(length).and_then(|end| base.get(offset..end))
            }
            length => delta.take(usize::from(length)),
        };
        let piece = piece.ok_or(PackError::Invalid("a delta reaches beyond its end or its base"))?;
        if result.len() as u64 + piece.len() as u64 > size {
            return Err(PackError::Invalid("a delta yields more than it announces"));
        }
        result.extend_from_slice(piece);
    }
    if result.len() as u64 == size {
        Ok(result)
    } else {
        Err(PackError::Invalid("a delta yields less than it announces"))
    }
}

/// What is left of a delta.
struct Instructions<'a>(&'a [u8]);

impl<'a> Instructions<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Seven bits per byte, the least significant first; the highest bit says that more follow.
    fn size(&mut self) -> Result<u64, PackError> {
        let mut size = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte().ok_or(PackError::Invalid("a delta ends in its header"))?;
            size |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(size);
            }
        }
        Err(PackError::Invalid("a delta has a size of more than 63 bits"))
    }

    /// The low bits say which bytes of the offset (4) and the length (3) follow.
    fn copied_range(&mut self, instruction: u8) -> Result<(usize, usize), PackError> {
        let mut read = |bits: std::ops::Range<u32>| {
            let mut value = 0;
            for (position, bit) in bits.enumerate() {
                if instruction >> bit & 1 != 0 {
                    let byte = self.byte().ok_or(PackError::Invalid("a delta ends in an instruction"))?;
                    value |= usize::from(byte) << (8 * position);
                }
            }
            Ok::<usize, PackError>(value)
        };
        let (offset, length) = (read(0..4)?, read(4..7)?);
        Ok((offset, if length == 0 { 0x10000 } else { length }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 1_000_000;

    #[test]
    fn copies_and_inserts_are_applied() {
        // Copy 4 bytes from 2, insert "xy", copy all.
        let delta = [10, 16, 0x91, 2, 4, 2, b'x', b'y', 0x90, 10];
        assert_eq!(apply(b"0123456789", &delta, LIMIT).unwrap(), b"2345xy0123456789");
    }

    #[test]
    fn length_of_zero_is_64_kib() {
        let base = vec![7; 0x10000];
        let delta = [0x80, 0x80, 4, 0x80, 0x80, 4, 0x80];
        assert_eq!(apply(&base, &delta, LIMIT).unwrap(), base);
    }

    #[test]
    fn invalid_deltas_are_refused() {
        let cases: [(&[u8], &str); 9] = [
            (&[], "ends in its header"),
            (&[9, 1, 1, b'x'], "another base"),
            (&[10, 1, 0], "reserved"),
            (&[10, 4, 0x91, 8, 4], "beyond"),
            (&[10, 4, 4, b'x'], "beyond"),
            (&[10, 1, 0x90, 2], "more than"),
            (&[10, 3, 0x90, 2], "less than"),
            (&[10, 3, 0x91, 2], "ends in an instruction"),
            (&[10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "63 bits"),
        ];
        for (delta, reason) in cases {
            let error = apply(b"0123456789", delta, LIMIT).unwrap_err();
            assert!(error.to_string().contains(reason), "{delta:?}: {error}");
        }
    }

    #[test]
    fn result_beyond_the_limit_is_refused_before_it_is_made() {
        let delta = [10, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(matches!(apply(b"0123456789", &delta, LIMIT), Err(PackError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_applied_or_refused(base in prop::collection::vec(any::<u8>(), 0..64), delta in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(result) = apply(&base, &delta, 4096) {
                prop_assert!(result.len() <= 4096);
            }
        }
    }
}
