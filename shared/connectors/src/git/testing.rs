//! Packs for tests.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

pub(crate) const COMMIT: u8 = 1;
pub(crate) const BLOB: u8 = 3;
pub(crate) const DELTA_TO: u8 = 6;
pub(crate) const DELTA_TO_ID: u8 = 7;

/// Writes a pack.
#[derive(Debug, Clone)]
pub(crate) struct PackWriter {
    bytes: Vec<u8>,
}

impl PackWriter {
    pub(crate) fn new(objects: u32) -> Self {
        let mut bytes = b"PACK\0\0\0\x02".to_vec();
        bytes.extend_from_slice(&objects.to_be_bytes());
        Self { bytes }
    }

    /// Adds an object and returns where it begins. `base` is what its header says of its base.
    pub(crate) fn object(&mut self, kind: u8, base: &[u8], content: &[u8]) -> u64 {
        self.object_of_size(kind, base, content, content.len())
    }

    pub(crate) fn object_of_size(&mut self, kind: u8, base: &[u8], content: &[u8], size: usize) -> u64 {
        let offset = self.bytes.len() as u64;
        let mut left = size >> 4;
        let mut byte = kind << 4 | (size & 15) as u8;
        while left > 0 {
            self.bytes.push(byte | 0x80);
            byte = (left & 0x7f) as u8;
            left >>= 7;
        }
        self.bytes.push(byte);
        self.bytes.extend_from_slice(base);
        let mut encoder = ZlibEncoder::new(&mut self.bytes, Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap();
        offset
    }

    /// Adds a delta to what began at this offset.
    pub(crate) fn delta_to(&mut self, base: u64, delta: &[u8]) -> u64 {
        let mut distance = self.bytes.len() as u64 - base;
        let mut spelled = vec![(distance & 0x7f) as u8];
        while distance > 0x7f {
            distance = (distance >> 7) - 1;
            spelled.push((distance & 0x7f) as u8 | 0x80);
        }
        spelled.reverse();
        self.object(DELTA_TO, &spelled, delta)
    }

    /// The checksum is not looked at.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0; 20]);
        self.bytes
    }
}

/// A delta that keeps the first `kept` bytes of its base and appends text.
pub(crate) fn append(base_size: u8, kept: u8, text: &[u8]) -> Vec<u8> {
    let size = kept + text.len() as u8;
    let mut delta = vec![base_size, size, 0x90, kept];
    delta.push(text.len() as u8);
    delta.extend_from_slice(text);
    delta
}
