use proptest::prelude::*;

use super::*;
use crate::git::testing::{BLOB, COMMIT, DELTA_TO, DELTA_TO_ID, PackWriter};

const LIMITS: PackLimits = PackLimits { objects: 100, object_bytes: 100_000, total_bytes: 1_000_000 };

fn read(pack: &[u8], cut: usize, limits: PackLimits) -> Result<Vec<PackedObject>, PackError> {
    let mut reader = PackReader::new(limits, None);
    let mut objects = Vec::new();
    for piece in pack.chunks(cut) {
        reader.push(piece, |object| {
            objects.push(object);
            Ok::<_, PackError>(())
        })?;
    }
    reader.finish()?;
    Ok(objects)
}

fn error(pack: &[u8]) -> String {
    read(pack, 7, LIMITS).unwrap_err().to_string()
}

proptest! {
    #[test]
    fn objects_do_not_depend_on_how_their_bytes_arrive(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..6),
        cut in 1usize..500,
    ) {
        let mut pack = PackWriter::new(contents.len() as u32);
        let offsets: Vec<u64> = contents.iter().map(|content| pack.object(BLOB, &[], content)).collect();
        let read = read(&pack.finish(), cut, LIMITS).unwrap();
        let expected: Vec<PackedObject> = offsets.into_iter().zip(contents).map(|(offset, bytes)| PackedObject {
            offset, content: Content::Whole(ObjectKind::Blob), size: bytes.len() as u64, bytes: Some(bytes),
        }).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut pack = PackWriter::new(3).finish();
        pack.truncate(12);
        pack.extend_from_slice(&bytes);
        let _: Result<Vec<PackedObject>, PackError> = read(&pack, 16, LIMITS);
    }
}

#[test]
fn deltas_name_their_bases() {
    let mut pack = PackWriter::new(3);
    let first = pack.object(BLOB, &[], &[7; 40_000]);
    let second = pack.delta_to(first, b"delta");
    pack.object(DELTA_TO_ID, &[9; 20], b"other");
    let objects = read(&pack.finish(), 5, LIMITS).unwrap();
    assert_eq!(objects[1].content, Content::DeltaTo(first));
    assert_eq!((objects[1].offset, objects[1].bytes.as_deref()), (second, Some(&b"delta"[..])));
    assert_eq!(objects[2].content, Content::DeltaToId(ObjectId::from_bytes([9; 20])));
}

#[test]
fn large_objects_are_passed_over_and_the_next_one_is_read() {
    let mut pack = PackWriter::new(2);
    pack.object(BLOB, &[], &vec![7; 100_001]);
    pack.object(BLOB, &[], b"small");
    let objects = read(&pack.finish(), 1000, LIMITS).unwrap();
    assert_eq!((objects[0].size, &objects[0].bytes), (100_001, &None));
    assert_eq!(objects[1].bytes.as_deref(), Some(&b"small"[..]));
}

#[test]
fn kinds_that_are_not_wanted_are_passed_over() {
    let mut pack = PackWriter::new(2);
    pack.object(BLOB, &[], b"file");
    pack.object(COMMIT, &[], b"commit");
    let (mut reader, mut kept) = (PackReader::new(LIMITS, Some(ObjectKind::Blob)), Vec::new());
    reader
        .push(&pack.finish(), |object| {
            kept.push(object.bytes.is_some());
            Ok::<_, PackError>(())
        })
        .unwrap();
    assert_eq!(kept, [false, true]);
}

#[test]
fn sizes_are_refused_before_they_are_read() {
    let mut pack = PackWriter::new(101);
    pack.object(BLOB, &[], b"");
    assert_eq!(error(&pack.finish()), "the number of objects exceeds 100, the limit");
    // A bomb: a megabyte in a kilobyte, announced as it is, and announced as less.
    let mut pack = PackWriter::new(1);
    pack.object(BLOB, &[], &vec![0; 1_000_001]);
    assert_eq!(error(&pack.finish()), "the size of all objects exceeds 1000000, the limit");
    let mut pack = PackWriter::new(1);
    pack.object_of_size(BLOB, &[], &vec![0; 1_000_001], 10);
    assert_eq!(error(&pack.finish()), "the pack is damaged: an object is longer than its header says");
}

#[test]
fn damaged_packs_are_refused() {
    let whole = |kind: u8, base: &[u8]| {
        let mut pack = PackWriter::new(1);
        pack.object(kind, base, b"text");
        pack.finish()
    };
    assert_eq!(error(b"<html>"), "the pack is damaged: it does not begin with PACK");
    assert_eq!(error(b"PACK\0\0\0\x09\0\0\0\0"), "the pack is damaged: it has another version than 2 and 3");
    assert_eq!(error(&whole(5, &[])), "the pack is damaged: an object has an unknown type");
    for base in [&[0][..], &[13], &[0xff; 12]] {
        assert_eq!(
            error(&whole(DELTA_TO, base)),
            "the pack is damaged: a delta has a base outside of the pack"
        );
    }
    let mut pack = PackWriter::new(1);
    pack.object_of_size(BLOB, &[], b"text", 5);
    assert_eq!(error(&pack.finish()), "the pack is damaged: an object is shorter than its header says");
    let pack = whole(BLOB, &[]);
    for end in 0..pack.len() {
        assert_eq!(error(&pack[..end]), "the pack is damaged: it ends early");
    }
    let longer = [&pack[..], b"x"].concat();
    assert_eq!(error(&longer), "the pack is damaged: bytes follow its end");
    let mut broken = pack;
    broken[13..].fill(0xee);
    assert_eq!(error(&broken), "the pack is damaged: an object cannot be decompressed");
}
