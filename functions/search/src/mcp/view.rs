//! The collections that a client works with, and the defaults of its searches.

use access::Caller;
use db::Connection;
use db::accounts::McpProfileSettings;
use db::collections::{AccessibleCollection, CollectionQuery};
use domain::{CollectionId, CollectionSort, to_nfc};
use lambda::http::{ApiError, FieldErrors};

/// The most collections of one search.
const MAX_SEARCHED: usize = 10;
/// The most collections of one name among which the right one is looked for.
const MAX_NAMESAKES: i64 = 100;

/// What a request may use: all that the caller can read, or the collections of a profile.
#[derive(Debug)]
pub(super) struct View<'c> {
    caller: &'c Caller,
    pub(super) profile: Option<McpProfileSettings>,
}

/// Collections to search.
#[derive(Debug)]
pub(super) struct Searched {
    pub(super) ids: Vec<CollectionId>,
    /// Says that there are more.
    pub(super) warning: Option<String>,
}

impl<'c> View<'c> {
    /// Loads the profile of this name, if one is named.
    ///
    /// # Errors
    /// Returns `NotFound` if the caller has no enabled profile of this name.
    pub(super) async fn load(
        connection: &mut Connection,
        caller: &'c Caller,
        name: Option<&str>,
    ) -> Result<Self, ApiError> {
        let Some(name) = name else {
            return Ok(Self { caller, profile: None });
        };
        let found = connection.mcp_profiles().find_enabled(caller.principal.user_id, name).await?;
        let profile = found.ok_or_else(|| ApiError::not_found("enabled MCP profile", format!("{name:?}")))?;
        Ok(Self { caller, profile: Some(profile.settings) })
    }

    /// Returns a page of the collections that the caller can read, and their number: those of the profile in its order,
    /// else by name.
    pub(super) async fn list(
        &self,
        connection: &mut Connection,
        search: Option<&str>,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<AccessibleCollection>, i64), ApiError> {
        let Some(profile) = &self.profile else {
            let query = CollectionQuery {
                search,
                sort: CollectionSort::Name,
                order: domain::SortOrder::Ascending,
                ..CollectionQuery::all(limit, offset)
            };
            let page = connection.collections().list_accessible(&self.caller.principal, &query).await?;
            return Ok((page.items, page.total));
        };
        let mut found = self.readable(connection, profile).await?;
        if let Some(search) = search.map(str::to_lowercase) {
            found.retain(|found| {
                let description = found.collection.description.as_deref().unwrap_or_default();
                [&found.collection.name, description].iter().any(|text| text.to_lowercase().contains(&search))
            });
        }
        let total = i64::try_from(found.len()).unwrap_or(i64::MAX);
        let (skip, take) = (usize::try_from(offset), usize::try_from(limit));
        let page = found.into_iter().skip(skip.unwrap_or(usize::MAX)).take(take.unwrap_or_default());
        Ok((page.collect(), total))
    }

    /// Returns the collections of the profile that the caller can read, in its order.
    async fn readable(
        &self,
        connection: &mut Connection,
        profile: &McpProfileSettings,
    ) -> Result<Vec<AccessibleCollection>, ApiError> {
        let ids = &profile.collection_ids;
        let mut found = connection.collections().find_accessible_many(ids, &self.caller.principal).await?;
        found.sort_by_key(|found| ids.iter().position(|id| *id == found.collection.id));
        Ok(found)
    }

    /// Returns the collection with this id.
    ///
    /// # Errors
    /// Returns `NotFound` if it is not in the view.
    pub(super) async fn find(
        &self,
        connection: &mut Connection,
        id: CollectionId,
    ) -> Result<AccessibleCollection, ApiError> {
        let is_offered = self.profile.as_ref().is_none_or(|profile| profile.collection_ids.contains(&id));
        let found = match is_offered {
            true => connection.collections().find_accessible(id, &self.caller.principal).await?,
            false => None,
        };
        found.ok_or_else(|| ApiError::not_found("collection", id))
    }

    /// Returns the collection with this id or name.
    ///
    /// # Errors
    /// Returns `NotFound` if there is none in the view, `Invalid` if several have the name.
    pub(super) async fn find_named(
        &self,
        connection: &mut Connection,
        field: &str,
        named: &str,
    ) -> Result<AccessibleCollection, ApiError> {
        if let Ok(id) = named.parse() {
            return self.find(connection, CollectionId(id)).await;
        }
        let mut errors = FieldErrors::default();
        errors.length(field, named, 1..=255);
        errors.no_nul(field, named);
        errors.finish()?;
        let name = to_nfc(named);
        let (mut found, _) = self.list(connection, Some(&name), MAX_NAMESAKES, 0).await?;
        found.retain(|found| found.collection.name == name);
        if found.len() > 1 {
            let ids: Vec<String> = found.iter().map(|found| found.collection.id.to_string()).collect();
            return Err(ApiError::invalid_field(
                field,
                format!("ambiguous name; one of the ids {} allowed, got {named:?}", ids.join(", ")),
            ));
        }
        found.pop().ok_or_else(|| ApiError::not_found("collection", format!("{named:?}")))
    }

    /// Returns the collections to search: the named ones, else those of the profile, else those that are owned by the
    /// caller or shared with them, the last changed ones first.
    ///
    /// # Errors
    /// Returns `Invalid` if there are none or too many names.
    pub(super) async fn searched(
        &self,
        connection: &mut Connection,
        named: Option<&[String]>,
    ) -> Result<Searched, ApiError> {
        let mut warning = None;
        let found = match (named.filter(|named| !named.is_empty()), &self.profile) {
            (Some(named), _) => {
                let mut errors = FieldErrors::default();
                errors.count("collections", named.len(), 1..=MAX_SEARCHED);
                errors.finish()?;
                let mut found = Vec::with_capacity(named.len());
                for (index, named) in named.iter().enumerate() {
                    found.push(self.find_named(connection, &format!("collections[{index}]"), named).await?);
                }
                found
            }
            (None, Some(profile)) => self.readable(connection, profile).await?,
            (None, None) => {
                let limit = i64::try_from(MAX_SEARCHED).unwrap_or(i64::MAX);
                let query = CollectionQuery {
                    include_public: false,
                    sort: CollectionSort::UpdatedAt,
                    ..CollectionQuery::all(limit, 0)
                };
                let page = connection.collections().list_accessible(&self.caller.principal, &query).await?;
                warning = (page.total > limit).then(|| {
                    format!(
                        "only the {limit} last changed of {} collections were searched; \
                         name others in collections, see list_collections",
                        page.total
                    )
                });
                page.items
            }
        };
        if found.is_empty() {
            return Err(ApiError::invalid_field(
                "collections",
                "nothing to search; name a collection of list_collections, got none",
            ));
        }
        Ok(Searched { ids: found.into_iter().map(|found| found.collection.id).collect(), warning })
    }

    /// Tells an assistant what it can find here.
    pub(super) async fn instructions(&self, connection: &mut Connection) -> Result<String, ApiError> {
        let usage = "Search the user's documents with `search`, then read what you need with `fetch`; cite the `url` of \
                     what you use. `list_collections` and `list_documents` say what there is; `find_similar` finds \
                     passages like one that you found.";
        let Some(profile) = &self.profile else {
            return Ok(usage.to_owned());
        };
        let collections = self.readable(connection, profile).await?;
        let names: Vec<String> =
            collections.iter().map(|found| format!("{:?}", found.collection.name)).collect();
        let described = format!("{}\n\nCollections: {}.\n\n{usage}", profile.description, names.join(", "));
        Ok(described.trim_start().to_owned())
    }
}
