use super::*;
use crate::git::testing::{BLOB, DELTA_TO_ID, PackWriter, append};

const LIMITS: PackLimits = PackLimits { objects: 10_000, object_bytes: 100, total_bytes: 1_000_000 };

fn unpack(pack: &[u8], spool: Spool) -> Result<Objects, PackError> {
    let mut unpacker = Unpacker::new(LIMITS, None, spool);
    for piece in pack.chunks(11) {
        unpacker.push(piece)?;
    }
    unpacker.finish()
}

fn id(content: &[u8]) -> ObjectId {
    ObjectId::of(ObjectKind::Blob, content)
}

fn bytes_of(id: ObjectId) -> [u8; ObjectId::LENGTH] {
    let text = id.to_string();
    std::array::from_fn(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
}

fn texts(objects: &Objects) -> Vec<String> {
    let read = |object: &Object| String::from_utf8(object.content.read_all().unwrap().into()).unwrap();
    let mut texts: Vec<String> = objects.values().map(read).collect();
    texts.sort();
    texts
}

#[test]
fn chains_of_deltas_are_applied_in_whatever_order_they_come() {
    let (first, second, third) = (&b"first"[..], &b"first second"[..], &b"first second third"[..]);
    let second_delta = append(5, 5, b" second");
    let third_delta = append(12, 12, b" third");
    let mut in_order = PackWriter::new(3);
    let at = in_order.object(BLOB, &[], first);
    let at = in_order.delta_to(at, &second_delta);
    in_order.delta_to(at, &third_delta);
    let mut by_id = PackWriter::new(3);
    by_id.object(DELTA_TO_ID, &bytes_of(id(second)), &third_delta);
    by_id.object(DELTA_TO_ID, &bytes_of(id(first)), &second_delta);
    by_id.object(BLOB, &[], first);
    let mut mixed = PackWriter::new(3);
    let at = mixed.object(DELTA_TO_ID, &bytes_of(id(first)), &second_delta);
    mixed.delta_to(at, &third_delta);
    mixed.object(BLOB, &[], first);
    for pack in [in_order, by_id, mixed] {
        // In memory and in a file.
        for memory in [0, 1000] {
            let objects = unpack(&pack.clone().finish(), Spool::new(1000, memory)).unwrap();
            assert_eq!(texts(&objects), ["first", "first second", "first second third"]);
            assert!(objects.contains_key(&id(third)));
        }
    }
}

#[test]
fn deltas_to_what_is_not_there_or_too_large_are_left_out() {
    let mut pack = PackWriter::new(5);
    let large = pack.object(BLOB, &[], &[b'x'; 101]);
    let on_large = pack.delta_to(large, &append(101, 3, b"a"));
    pack.delta_to(on_large, &append(4, 4, b"b"));
    pack.object(DELTA_TO_ID, &[9; 20], &append(5, 5, b"c"));
    pack.object(BLOB, &[], b"fine");
    assert_eq!(texts(&unpack(&pack.finish(), Spool::new(1000, 1000)).unwrap()), ["fine"]);
}

#[test]
fn many_deltas_to_one_base_stay_within_the_limit_of_the_spool() {
    let mut pack = PackWriter::new(1000);
    let base = pack.object(BLOB, &[], &[b'x'; 90]);
    for number in 0..999_u16 {
        pack.delta_to(base, &append(90, 90, &number.to_be_bytes()));
    }
    let error = unpack(&pack.finish(), Spool::new(10_000, 10_000)).unwrap_err();
    assert_eq!(error.to_string(), "the size of all objects exceeds 10000, the limit");
}

#[test]
fn deltas_that_wait_are_bounded() {
    let mut pack = PackWriter::new(10);
    for _ in 0..10 {
        pack.object(DELTA_TO_ID, &[9; 20], &append(20, 10, b"0123456789"));
    }
    let error = unpack(&pack.finish(), Spool::new(1000, 1000)).unwrap_err();
    assert_eq!(error.to_string(), "the size of deltas without their base exceeds 100, the limit");
}

#[test]
fn long_chains_neither_recurse_nor_repeat() {
    let mut pack = PackWriter::new(10_000);
    // The last first, so that all of them wait for the base at the end.
    let ids: Vec<ObjectId> = (0..10_000_u32).map(|number| id(format!("{number:05}").as_bytes())).collect();
    for number in (1..10_000_usize).rev() {
        let text = format!("{number:05}");
        let mut delta = vec![5, 5, 5];
        delta.extend_from_slice(text.as_bytes());
        pack.object(DELTA_TO_ID, &bytes_of(ids[number - 1]), &delta);
    }
    pack.object(BLOB, &[], b"00000");
    let limits = PackLimits { object_bytes: 100_000, ..LIMITS };
    let mut unpacker = Unpacker::new(limits, None, Spool::new(100_000, 100_000));
    unpacker.push(&pack.finish()).unwrap();
    assert_eq!(unpacker.finish().unwrap().len(), 10_000);
}
