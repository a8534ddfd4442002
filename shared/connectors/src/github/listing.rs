//! The listing of a source of GitHub: everything, or what has changed since the last one.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{TimeDelta, Utc};

use super::cursor::{Checkpoint, Cursor, Part, Step};
use super::selection::Selection;
use crate::clients::Clients;
use crate::{ConnectorError, Listing, Page};

/// After this time, everything is listed again: what is deleted on GitHub is in no list of changes.
const COMPLETE_EVERY: TimeDelta = TimeDelta::days(7);
/// How far a listing reaches back before the last one began: clocks differ, and GitHub's lists lag behind.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);

impl Selection {
    pub(crate) async fn list(&self, clients: &Clients, listing: Listing<'_>) -> Result<Page, ConnectorError> {
        // Checkpoints of an older version are none.
        let previous: Option<Checkpoint> =
            listing.checkpoint.and_then(|text| serde_json::from_str(text).ok());
        let mut cursor: Cursor = match listing.cursor {
            Some(text) => serde_json::from_str(text).map_err(|_| {
                ConnectorError::invalid("cursor", format!("not a cursor of this source, got {text:?}"))
            })?,
            None => self.begin(clients, previous.as_ref()).await?,
        };
        cursor.known = previous.iter().flat_map(|previous| previous.etags.clone()).collect();
        loop {
            let parts = self.parts(cursor.is_complete());
            let Some((repository, part)) = parts.get(cursor.part).copied() else {
                return Ok(self.end(cursor, previous));
            };
            let step = self.step(clients, &mut cursor, repository, part, listing.limit).await?;
            let Step::Listed { mut entries, next } = step else {
                let left = Checkpoint { complete_at: cursor.left.since, ..cursor.left };
                cursor = Cursor::new(None, left);
                continue;
            };
            entries.drain(..cursor.skip.min(entries.len()));
            if entries.len() > listing.limit {
                entries.truncate(listing.limit);
                cursor.skip += listing.limit;
            } else {
                cursor.skip = 0;
                cursor.page = next;
                if cursor.page.is_none() {
                    cursor.part += 1;
                    if parts.get(cursor.part).is_none_or(|(next, _)| *next != repository) {
                        cursor.listed.clear();
                    }
                }
            }
            cursor.has_changes |= !entries.is_empty();
            if cursor.part == parts.len() {
                return Ok(Page { entries, ..self.end(cursor, previous) });
            }
            if !entries.is_empty() || Instant::now() >= listing.until {
                let next = serde_json::to_string(&cursor)
                    .map_err(|error| ConnectorError::unavailable("the cursor", error))?;
                return Ok(Page {
                    entries,
                    next: Some(next),
                    unlisted: cursor.unlisted(),
                    ..Page::default()
                });
            }
        }
    }

    /// Decides what to list. Takes a request for every repository whose files are read.
    async fn begin(
        &self,
        clients: &Clients,
        previous: Option<&Checkpoint>,
    ) -> Result<Cursor, ConnectorError> {
        let now = Utc::now();
        let mut commits = Vec::new();
        for files in &self.files {
            commits.push(files.resolve(clients).await?.to_string());
        }
        let left = |complete_at| Checkpoint {
            complete_at,
            since: now - OVERLAP,
            commits: commits.clone(),
            etags: BTreeMap::new(),
        };
        // Deleted files are seen in a complete listing, too.
        let usable = previous.filter(|previous| {
            previous.commits == commits && now.signed_duration_since(previous.complete_at) < COMPLETE_EVERY
        });
        Ok(match usable {
            Some(previous) => Cursor::new(Some(previous.since), left(previous.complete_at)),
            None => Cursor::new(None, left(now)),
        })
    }

    /// What is left for the next listing. If nothing has changed, the next one asks the same, so that GitHub can answer
    /// that nothing has.
    fn end(&self, cursor: Cursor, previous: Option<Checkpoint>) -> Page {
        let unlisted = cursor.unlisted();
        let left = match previous {
            Some(previous) if !cursor.is_complete() && !cursor.has_changes => {
                Checkpoint { etags: cursor.left.etags, ..previous }
            }
            _ => Checkpoint { etags: BTreeMap::new(), ..cursor.left },
        };
        // Without a checkpoint, the next listing is complete.
        let checkpoint = serde_json::to_string(&left).ok();
        Page { unlisted, checkpoint, ..Page::default() }
    }

    fn parts(&self, is_complete: bool) -> Vec<(usize, Part)> {
        let has_issues = self.issues || self.pull_requests;
        let all = [
            (Part::Files, is_complete && !self.files.is_empty()),
            (Part::Issues, has_issues),
            (Part::Comments("issues"), has_issues && !is_complete),
            (Part::Comments("pulls"), self.pull_requests && !is_complete),
            (Part::Discussions, self.discussions),
        ];
        let of_one =
            |index: usize| all.iter().filter(|(_, is_read)| *is_read).map(move |(part, _)| (index, *part));
        (0..self.repositories.len()).flat_map(of_one).collect()
    }
}
