//! The sources that the documents of one message are read from.

use std::collections::HashMap;

use connectors::SourceSession;
use db::operations::StagingItem;
use db::sources::CollectionSource;
use domain::{ItemState, SourceId};
use lambda::StageError;
use tokio::sync::OnceCell;

use crate::State;
use crate::source_spec::readable_spec;

/// Opens each source once, when the first of its documents is read.
pub(crate) struct Sessions<'a> {
    sources: &'a [CollectionSource],
    /// By source: the locations that will be read, and the session, or why there is none.
    opened: HashMap<SourceId, (Vec<String>, Opened)>,
}

type Opened = OnceCell<Result<SourceSession, StageError>>;

impl<'a> Sessions<'a> {
    pub(crate) fn new(sources: &'a [CollectionSource], items: &[StagingItem]) -> Self {
        let opened = sources.iter().map(|source| {
            let read = items.iter().filter(|item| {
                item.source_id == Some(source.id) && item.state == ItemState::Listed && !item.is_fetched
            });
            (source.id, (read.map(|item| item.location.clone()).collect(), OnceCell::new()))
        });
        Self { sources, opened: opened.collect() }
    }

    /// Returns one of the sources.
    pub(crate) fn source(&self, id: Option<SourceId>) -> Option<&'a CollectionSource> {
        self.sources.iter().find(|source| Some(source.id) == id)
    }

    /// Returns the session of one of the sources. A source that cannot be opened fails all of its documents, and is not
    /// tried again for each of them.
    pub(crate) async fn of(
        &self,
        state: &State,
        source: &CollectionSource,
    ) -> Result<&SourceSession, StageError> {
        let Some((locations, session)) = self.opened.get(&source.id) else {
            return Err(StageError::permanent(UnknownSource { id: source.id }));
        };
        let open = async {
            let spec = readable_spec(state, source).await?;
            Ok(state.connectors.session(&spec, locations.clone()).await?)
        };
        session.get_or_init(|| open).await.as_ref().map_err(StageError::copy)
    }
}

/// A source that is not among those of the message: a mistake of the caller.
#[derive(Debug, thiserror::Error)]
#[error("source {id} is not a source of this message")]
struct UnknownSource {
    id: SourceId,
}
