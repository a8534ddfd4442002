//! The compression of RTF in mails (MS-OXRTFCP).

use crate::limits::MAX_SMALL_PART_BYTES;

/// What the window contains before the first byte.
const START: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

const WINDOW_BYTES: usize = 4096;
const HEADER_BYTES: usize = 16;

/// Decompresses RTF; `None` if the bytes are none.
pub(super) fn decompress(bytes: &[u8]) -> Option<Vec<u8>> {
    let content = bytes.get(HEADER_BYTES..)?;
    match bytes.get(8..12)? {
        b"MELA" => return Some(content.to_vec()),
        b"LZFu" => {}
        _ => return None,
    }
    let mut window = [0; WINDOW_BYTES];
    window[..START.len()].copy_from_slice(START);
    let mut position = START.len();
    let mut output = Vec::new();
    let mut push = |byte: u8, window: &mut [u8; WINDOW_BYTES], position: &mut usize| {
        window[*position] = byte;
        *position = (*position + 1) % WINDOW_BYTES;
        output.push(byte);
    };
    let mut pushed = 0;
    let mut input = content.iter().copied();
    // A truncated document has its start.
    'all: while let Some(flags) = input.next() {
        for bit in 0..8 {
            if flags & (1 << bit) == 0 {
                let Some(byte) = input.next() else { break 'all };
                push(byte, &mut window, &mut position);
                pushed += 1;
                continue;
            }
            let (Some(high), Some(low)) = (input.next(), input.next()) else { break 'all };
            let reference = u16::from_be_bytes([high, low]);
            let (from, length) = (usize::from(reference >> 4), usize::from(reference & 0xF) + 2);
            if from == position {
                break 'all;
            }
            for index in 0..length {
                let byte = window[(from + index) % WINDOW_BYTES];
                push(byte, &mut window, &mut position);
            }
            pushed += length as u64;
            if pushed > MAX_SMALL_PART_BYTES {
                break 'all;
            }
        }
    }
    Some(output)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn example_of_the_specification_is_decompressed() {
        let bytes = [
            0x2d, 0, 0, 0, 0x2b, 0, 0, 0, b'L', b'Z', b'F', b'u', 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0x00, 0x0a,
            0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c,
            0x09, 0x00, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        assert_eq!(decompress(&bytes).unwrap(), b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
    }

    proptest! {
        #[test]
        fn any_bytes_are_decompressed(content in proptest::collection::vec(any::<u8>(), 0..300)) {
            let bytes = [b"12345678LZFu1234".as_slice(), &content].concat();
            prop_assert!(decompress(&bytes).is_some());
            prop_assert_eq!(decompress(&content[..content.len().min(11)]), None);
        }
    }
}
