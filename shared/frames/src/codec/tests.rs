use proptest::prelude::*;

use super::*;
use crate::{Failure, FailureKind, Frame, Summary, Warning, WarningKind};

/// Encodes an artifact of these frames.
fn artifact(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for frame in frames {
        encode(frame, &mut bytes).unwrap();
    }
    bytes
}

/// Decodes an artifact that arrives in pieces of this size.
fn decode_pieces(bytes: &[u8], piece: usize) -> Result<Vec<Frame>, DecodeError> {
    let mut decoder = Decoder::new();
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        decoder.push(piece);
        while let Some(frame) = decoder.next_frame()? {
            frames.push(frame);
        }
    }
    decoder.finish()?;
    Ok(frames)
}

fn any_frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        (any::<u32>(), ".{0,20}").prop_map(|(index, label)| Frame::Page { index, label }),
        (1..=6u8, ".{0,40}").prop_map(|(level, text)| Frame::Heading { level, text }),
        ".{0,200}".prop_map(Frame::Text),
        (any::<bool>(), proptest::collection::vec(".{0,20}", 1..8))
            .prop_map(|(is_header, cells)| Frame::Row { is_header, cells }),
        (".{1,20}", ".{0,20}").prop_map(|(name, media_type)| Frame::AttachmentStart { name, media_type }),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Frame::AttachmentData),
        Just(Frame::AttachmentEnd),
        ".{0,20}".prop_map(Frame::Title),
        "[a-zA-Z-]{0,10}".prop_map(Frame::Language),
        (0..WarningKind::ALL.len(), any::<u64>())
            .prop_map(|(kind, count)| Frame::Warning(Warning { kind: WarningKind::ALL[kind], count })),
    ]
}

fn any_end() -> impl Strategy<Value = Frame> {
    prop_oneof![
        (any::<u32>(), any::<u64>(), any::<u64>(), any::<u32>()).prop_map(
            |(pages, text_bytes, rows, attachments)| Frame::End(Summary {
                pages,
                text_bytes,
                rows,
                attachments
            })
        ),
        ".{0,60}".prop_map(|reason| Frame::Failed(Failure { kind: FailureKind::Encrypted, reason })),
    ]
}

proptest! {
    #[test]
    fn frames_survive_whatever_the_pieces(
        mut frames in proptest::collection::vec(any_frame(), 0..20),
        end in any_end(),
        piece in 1usize..600,
    ) {
        frames.push(end);
        prop_assert_eq!(decode_pieces(&artifact(&frames), piece), Ok(frames));
    }

    #[test]
    fn truncated_artifact_is_refused(
        mut frames in proptest::collection::vec(any_frame(), 0..5),
        end in any_end(),
        cut in any::<proptest::sample::Index>(),
    ) {
        frames.push(end);
        let bytes = artifact(&frames);
        let cut = cut.index(bytes.len());
        prop_assert_eq!(decode_pieces(&bytes[..cut], 64), Err(DecodeError::Truncated));
    }

    #[test]
    fn what_is_decoded_encodes_to_the_same_bytes(
        mut frames in proptest::collection::vec(any_frame(), 0..5),
        end in any_end(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        frames.push(end);
        let mut bytes = artifact(&frames);
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        if let Ok(decoded) = decode_pieces(&bytes, 64) {
            prop_assert_eq!(artifact(&decoded), bytes);
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut artifact = MAGIC.to_vec();
        artifact.extend_from_slice(&bytes);
        prop_assert_eq!(decode_pieces(&artifact, 7), decode_pieces(&artifact, usize::MAX));
        prop_assert!(bytes.starts_with(MAGIC) || decode_pieces(&bytes, 7).is_err());
    }
}

#[test]
fn long_frame_is_refused_by_both_sides() {
    let mut bytes = MAGIC.to_vec();
    let frame = Frame::Text("x".repeat(MAX_RECORD_BYTES + 1));
    assert_eq!(encode(&frame, &mut bytes), Err(RecordTooLong { bytes: MAX_RECORD_BYTES + 1 }));
    assert_eq!(bytes, MAGIC);
    bytes.extend_from_slice(&[3, 1, 0, 16, 0]);
    assert_eq!(decode_pieces(&bytes, 64), Err(DecodeError::RecordTooLong(1_048_577)));
}

#[test]
fn other_version_and_bytes_after_the_end_are_refused() {
    let mut bytes = artifact(&[Frame::End(Summary::default())]);
    bytes.push(0);
    assert_eq!(decode_pieces(&bytes, 64), Err(DecodeError::AfterEnd));
    bytes[7] = 2;
    assert_eq!(
        decode_pieces(&bytes, 64).unwrap_err().to_string(),
        "text artifact: not of version 1; extract the document again"
    );
}
