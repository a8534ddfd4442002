//! What limits say when there is no room for a document.

use db::DbError;
use db::collection_resource_limits::Room;
use domain::{CollectionId, DocumentId};

use crate::State;

const ADVICE: &str = "delete some or ask an administrator for a higher limit, and read it again";

/// Why there is no room for a document with so many bytes; `None` where there is by now.
pub(crate) async fn refusal(
    state: &State,
    collection_id: CollectionId,
    document_id: DocumentId,
    size_bytes: i64,
) -> Result<Option<String>, DbError> {
    let mut connection = state.db.connection().await?;
    let mut limits = connection.collection_resource_limits();
    // An operation of an earlier version may have started without a row to count in.
    limits.ensure(collection_id).await?;
    let room = limits.find_room(collection_id, document_id, size_bytes).await?;
    Ok(room.as_ref().and_then(explain))
}

fn explain(room: &Room) -> Option<String> {
    if room.asked_documents > 0 && room.used_documents + room.asked_documents > room.max_documents {
        return Some(format!(
            "the collection holds {} of at most {} documents; {ADVICE}",
            room.used_documents, room.max_documents
        ));
    }
    if room.asked_bytes <= 0 {
        return None;
    }
    if room.used_bytes + room.asked_bytes > room.max_storage_bytes {
        return Some(format!(
            "{} bytes more do not fit: the collection holds {} of at most {} bytes; {ADVICE}",
            room.asked_bytes, room.used_bytes, room.max_storage_bytes
        ));
    }
    if room.owner_used_bytes + room.asked_bytes > room.owner_max_bytes {
        return Some(format!(
            "{} bytes more do not fit: all collections of its owner hold {} of at most {} bytes; {ADVICE}",
            room.asked_bytes, room.owner_used_bytes, room.owner_max_bytes
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        max_documents: 10,
        used_documents: 9,
        max_storage_bytes: 100,
        used_bytes: 90,
        owner_max_bytes: 1000,
        owner_used_bytes: 990,
        asked_documents: 1,
        asked_bytes: 10,
    };

    #[test]
    fn the_limit_and_what_is_used_are_named() {
        assert_eq!(explain(&ROOM), None);
        let said = [
            Room { used_documents: 10, ..ROOM },
            Room { asked_bytes: 11, ..ROOM },
            Room { owner_used_bytes: 991, ..ROOM },
        ]
        .map(|room| explain(&room).unwrap());
        assert_eq!(
            said,
            [
                "the collection holds 10 of at most 10 documents; delete some or ask an administrator for a \
                 higher limit, and read it again",
                "11 bytes more do not fit: the collection holds 90 of at most 100 bytes; delete some or ask an \
                 administrator for a higher limit, and read it again",
                "10 bytes more do not fit: all collections of its owner hold 991 of at most 1000 bytes; delete \
                 some or ask an administrator for a higher limit, and read it again",
            ]
        );
        // A smaller version of a document that is there fits, however full it is.
        let smaller = Room { asked_documents: 0, asked_bytes: -1, used_documents: 99, used_bytes: 999, ..ROOM };
        assert_eq!(explain(&smaller), None);
    }
}
