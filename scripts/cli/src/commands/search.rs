//! Searches, and shows what was found to people.

use client::{Client, Collection, SearchRequest, SearchResponse, SearchResult};
use futures_util::TryStreamExt as _;
use serde_json::{Map, Value, json};

use super::{find_collection, passages};
use crate::Outcome;
use crate::arguments::{Search, object};
use crate::failure::Failure;
use crate::output::{Output, remark, sanitize};

/// Collections of a search, as the API has it.
const MAX_COLLECTIONS: usize = 10;

/// Runs `semantik search`.
pub async fn run(client: &Client, search: Search, output: Output) -> Outcome {
    let collections = choose(client, &search.collections).await?;
    let request = SearchRequest {
        collection_uuids: collections.iter().map(|collection| collection.id).collect(),
        query: search.query.join(" "),
        k: Some(search.limit),
        offset: Some(search.offset),
        search_mode: search.mode.map(Into::into),
        score_threshold: search.threshold,
        metadata_filter: filter(&search),
        group_by: search.documents.then(|| "document".to_owned()),
        highlight: true,
        use_reranker: search.rerank.then_some(true),
    };
    let response = client.search(&request).await?;
    if output.json {
        output.value(&response)?;
    } else {
        print(&response, collections.len() > 1, search.offset, output)?;
    }
    if response.partial_failure { Err(Failure::Items) } else { Ok(()) }
}

async fn choose(client: &Client, named: &[String]) -> Outcome<Vec<Collection>> {
    let mut chosen = Vec::new();
    for name in named {
        chosen.push(find_collection(client, name).await?);
    }
    if named.is_empty() {
        chosen = client.collections().try_collect().await?;
    }
    match chosen.len() {
        0 => Err(Failure::Other("you have no collection; `semantik upload --create` makes one".to_owned())),
        1..=MAX_COLLECTIONS => Ok(chosen),
        more => Err(Failure::Usage(format!(
            "{MAX_COLLECTIONS} collections are searched at once, and you can read {more}; name some with --collection"
        ))),
    }
}

fn filter(search: &Search) -> Map<String, Value> {
    let mut filter = Map::new();
    for (name, values) in [("path_prefix", &search.path), ("mime_type", &search.media_type)] {
        if !values.is_empty() {
            filter.insert(name.to_owned(), json!(values));
        }
    }
    if !search.metadata.is_empty() {
        filter.insert("attributes".to_owned(), Value::Object(object(&search.metadata)));
    }
    filter
}

fn print(response: &SearchResponse, names_collections: bool, offset: u32, output: Output) -> Outcome {
    for warning in &response.warnings {
        remark(&format!("warning: {warning}"))?;
    }
    if let Some(failed) = response.other.get("failed_collections").and_then(Value::as_array) {
        for collection in failed {
            let text = |field: &str| collection.get(field).and_then(Value::as_str).unwrap_or_default();
            remark(&format!("{} was not searched: {}", text("collection_name"), text("error_message")))?;
        }
    }
    if response.results.is_empty() {
        return Ok(remark("nothing was found")?);
    }
    let width =
        console::Term::stdout().size_checked().map_or(100, |(_, columns)| usize::from(columns).min(110));
    for (rank, result) in (offset + 1..).zip(&response.results) {
        if rank > offset + 1 {
            output.line("")?;
        }
        output.line(head(rank, result, names_collections, output))?;
        let highlighted = result.highlighted_text.as_deref();
        let passage = passages::Passage::new(&result.text, highlighted);
        for line in passage.lines(width.saturating_sub(4)) {
            output.line(format!("    {}", line.render(|term| output.mark(term))))?;
        }
        output.line(format!("    {}", output.faint(&sanitize(&result.url))))?;
    }
    Ok(())
}

/// Rank, score, path, place.
fn head(rank: u32, result: &SearchResult, names_collection: bool, output: Output) -> String {
    let mut line = format!("{rank:>2}. {:.3}  {}", result.score, output.bold(&sanitize(&result.file_path)));
    let range = |first: Option<u32>, last: Option<u32>, one: &str, many: &str| match (first?, last) {
        (first, Some(last)) if last > first => Some(format!("{many} {first}-{last}")),
        (first, _) => Some(format!("{one} {first}")),
    };
    let place = range(result.first_page, result.last_page, "page", "pages")
        .or_else(|| range(result.first_line, result.last_line, "line", "lines"));
    let section = Some(result.section_path.join(" › ")).filter(|section| !section.is_empty());
    let collection = names_collection.then(|| format!("in {}", result.collection_name));
    for part in [place, section, collection].into_iter().flatten() {
        line.push_str(&format!(", {}", sanitize(&part)));
    }
    line
}
