//! Damaged variants of files.

use std::io::{Cursor, Read, Write};

use flate2::Crc;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Values that computations with lengths and offsets fail at.
const NUMBERS: [u64; 14] = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    0xFFFF_FFFE,
    i64::MAX as u64,
    u64::MAX,
];

/// The same as digits.
const DIGITS: [&str; 10] = [
    "0",
    "-1",
    "255",
    "65536",
    "2147483647",
    "-2147483648",
    "4294967295",
    "9223372036854775807",
    "99999999999999999999999",
    "1e999",
];

/// How a PNG image begins.
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1A\n";

/// Members of an archive beyond this size stay as they are.
const MAX_MEMBER_BYTES: u64 = 1 << 20;

/// A file never grows beyond this size, so that inputs stay fast.
const MAX_BYTES: usize = 2 << 20;

/// Makes an input from valid files. Equal seeds and numbers make equal inputs.
pub fn input(seeds: &[Vec<u8>], seed: u64, number: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ number);
    let bytes = random.pick(seeds).clone();
    if bytes.starts_with(b"PK\x03\x04")
        && random.chance(70)
        && let Some(repacked) = with_damaged_members(&bytes, seeds, &mut random)
    {
        return repacked;
    }
    if bytes.starts_with(PNG_SIGNATURE)
        && random.chance(70)
        && let Some(image) = with_damaged_chunk(&bytes, seeds, &mut random)
    {
        return image;
    }
    damaged(bytes, seeds, &mut random)
}

/// Damages one or two members of an archive, or returns `None` if it is none.
fn with_damaged_members(bytes: &[u8], seeds: &[Vec<u8>], random: &mut Random) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let chosen = [random.below(archive.len()), random.below(archive.len())];
    let method = if random.chance(50) { CompressionMethod::Stored } else { CompressionMethod::Deflated };
    let options = SimpleFileOptions::default().compression_method(method);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).ok()?;
        let mut content = Vec::new();
        let size = member.size();
        member.by_ref().take(MAX_MEMBER_BYTES).read_to_end(&mut content).ok()?;
        if chosen.contains(&index) && size <= MAX_MEMBER_BYTES {
            content = damaged(content, seeds, random);
        }
        writer.start_file(member.name().ok()?, options).ok()?;
        writer.write_all(&content).ok()?;
    }
    Some(writer.finish().ok()?.into_inner())
}

/// Damages one chunk of a PNG image and corrects its checksum, without which decoders go no further. Returns `None` if
/// the image has no chunks.
fn with_damaged_chunk(bytes: &[u8], seeds: &[Vec<u8>], random: &mut Random) -> Option<Vec<u8>> {
    let mut chunks = Vec::new();
    let mut rest = bytes.strip_prefix(PNG_SIGNATURE)?;
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        // Its last four bytes are the checksum.
        let (content, after) = after.split_at_checked(length)?;
        chunks.push((*kind, content.to_vec()));
        rest = after.get(4..)?;
    }
    let chosen = random.below(chunks.len());
    let (_kind, content) = chunks.get_mut(chosen)?;
    *content = damaged(std::mem::take(content), seeds, random);
    let mut image = PNG_SIGNATURE.to_vec();
    for (kind, content) in chunks {
        let mut checksum = Crc::new();
        checksum.update(&kind);
        checksum.update(&content);
        image.extend_from_slice(&u32::try_from(content.len()).ok()?.to_be_bytes());
        image.extend_from_slice(&kind);
        image.extend_from_slice(&content);
        image.extend_from_slice(&checksum.sum().to_be_bytes());
    }
    Some(image)
}

/// Applies up to eight changes.
fn damaged(mut bytes: Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    for _ in 0..=random.below(8) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        let longest = 1 << random.below(12);
        let length = 1 + random.below(longest);
        let end = bytes.len().min(at + length);
        match random.below(10) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.insert(at, random.next() as u8),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let most = if random.chance(10) { 1_000 } else { 4 };
                let times = 1 + random.below(most);
                let chunk = bytes[at..end].repeat(times);
                bytes.splice(at..at, chunk);
            }
            5 => {
                let other = random.pick(seeds);
                let from = random.below(other.len());
                let chunk = other[from..other.len().min(from + length)].to_vec();
                bytes.splice(at..at, chunk);
            }
            6 => {
                let number = *random.pick(&NUMBERS);
                let size = 1 << random.below(4);
                let value = if random.chance(80) { number.to_le_bytes() } else { number.to_be_bytes() };
                for (byte, value) in bytes[at..].iter_mut().zip(&value[..size]) {
                    *byte = *value;
                }
            }
            7 => replace_digits(&mut bytes, at, random),
            8 => {
                let to = random.below(bytes.len());
                let chunk = bytes[at..end].to_vec();
                for (byte, value) in bytes[to..].iter_mut().zip(chunk) {
                    *byte = value;
                }
            }
            _ if random.chance(20) => bytes.truncate(at),
            _ => bytes[at..end].fill(*random.pick(&[0, b' ', b'<', b'(', b'[', b'{', b'"', 0xFF])),
        }
        bytes.truncate(MAX_BYTES);
    }
    bytes
}

/// Replaces the next number that is written in digits.
fn replace_digits(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|found| at + found) else {
        return;
    };
    let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.splice(start..start + length, random.pick(&DIGITS).bytes());
}

/// Pseudorandom numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, or 0 if that is 0.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}
