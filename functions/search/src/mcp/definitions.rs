//! What the server says of itself and its tools.

use db::accounts::McpProfileSettings;
use domain::SearchMode;
use serde_json::{Value, json};

use crate::search_query::MAX_RESULTS;

/// What the server can do; nothing changes without a new request, so there is nothing to subscribe to.
pub(super) fn capabilities() -> Value {
    json!({ "tools": {}, "resources": {} })
}

/// The name and version of the server.
pub(super) fn server_info() -> Value {
    json!({ "name": "semantik", "title": "Semantik", "version": env!("CARGO_PKG_VERSION") })
}

/// Returns the definitions of all tools. A profile's description is part of that of `search`.
pub(super) fn tools(profile: Option<&McpProfileSettings>) -> Vec<Value> {
    let about = profile.map(|profile| profile.description.trim()).filter(|about| !about.is_empty());
    let about = about.map(|about| format!(" {about}")).unwrap_or_default();
    vec![
        tool(
            "search",
            "Search documents",
            &format!(
                "Finds passages of the user's documents by meaning, exact terms, or both.{about} Each result has the \
                 passage's text and a url to cite; pass its id to fetch for the text around it."
            ),
            &search_input(),
            &passages(),
        ),
        tool(
            "fetch",
            "Read a document",
            "Returns the text of a document by the id of a document or passage, 48 KiB of it at most unless max_bytes \
             says otherwise. With the id of a passage of a long document, the text around the passage. If the \
             document goes on, metadata.next_offset is the start_offset of the next part.",
            &json!({
                "type": "object",
                "properties": {
                    "id": { "type": "string", "description": "An id from search, find_similar or list_documents." },
                    "start_offset": {
                        "type": "integer", "minimum": 0,
                        "description": "Where to start, in bytes of the text; chosen by id if absent.",
                    },
                    "max_bytes": {
                        "type": "integer", "minimum": 1, "maximum": 131_072, "default": 49_152,
                        "description": "The most bytes of text to return.",
                    },
                },
                "required": ["id"],
                "additionalProperties": false,
            }),
            &json!({
                "type": "object",
                "properties": {
                    "id": { "type": "string" },
                    "title": { "type": "string" },
                    "text": { "type": "string" },
                    "url": { "type": "string" },
                    "metadata": { "type": "object" },
                },
                "required": ["id", "title", "text", "url", "metadata"],
            }),
        ),
        tool(
            "list_collections",
            "List collections",
            "Lists the collections of documents that can be searched, by name, with what they contain.",
            &listing_input(&json!({}), &json!([]), "name or description"),
            &listing_output(
                "collections",
                &json!({
                    "id": { "type": "string" },
                    "name": { "type": "string" },
                    "description": { "type": "string" },
                    "status": { "type": "string" },
                    "document_count": { "type": "integer" },
                    "access": { "type": "string" },
                    "updated_at": { "type": "string" },
                }),
                &json!(["id", "name", "status", "document_count"]),
            ),
        ),
        tool(
            "list_documents",
            "List documents",
            "Lists the documents of a collection, the oldest first; search selects by file path.",
            &listing_input(
                &json!({
                    "collection": { "type": "string", "description": "The id or name of the collection." },
                }),
                &json!(["collection"]),
                "path",
            ),
            &listing_output(
                "documents",
                &json!({
                    "id": { "type": "string" },
                    "title": { "type": "string" },
                    "url": { "type": "string" },
                    "file_name": { "type": "string" },
                    "file_path": { "type": "string" },
                    "file_size": { "type": "integer" },
                    "mime_type": { "type": "string" },
                    "status": { "type": "string" },
                    "passage_count": { "type": "integer" },
                    "metadata": { "type": "object" },
                    "created_at": { "type": "string" },
                    "updated_at": { "type": "string" },
                }),
                &json!(["id", "title", "url", "file_name", "status"]),
            ),
        ),
        tool(
            "find_similar",
            "Find similar passages",
            "Finds passages of other documents of the same collection that are similar to a passage or a document.",
            &json!({
                "type": "object",
                "properties": {
                    "id": { "type": "string", "description": "The id of a passage or document." },
                    "limit": limit(10, "passages"),
                },
                "required": ["id"],
                "additionalProperties": false,
            }),
            &passages(),
        ),
    ]
}

fn tool(name: &str, title: &str, description: &str, input: &Value, output: &Value) -> Value {
    json!({
        "name": name,
        "title": title,
        "description": description,
        "inputSchema": input,
        "outputSchema": output,
        "annotations": {
            "title": title,
            "readOnlyHint": true,
            "destructiveHint": false,
            "idempotentHint": true,
            "openWorldHint": false,
        },
    })
}

fn limit(default: u32, what: &str) -> Value {
    json!({
        "type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "default": default,
        "description": format!("The most {what} to return."),
    })
}

fn search_input() -> Value {
    let modes: Vec<&str> = SearchMode::ALL.iter().map(|mode| mode.as_str()).collect();
    let texts = |description: &str| json!({ "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 100, "description": description });
    json!({
        "type": "object",
        "properties": {
            "query": {
                "type": "string", "minLength": 1, "maxLength": 1000,
                "description": "What to look for: a question or a few words.",
            },
            "limit": {
                "type": "integer", "minimum": 1, "maximum": MAX_RESULTS,
                "description": "The most passages to return; 10 if neither the profile nor the user has another default.",
            },
            "mode": {
                "type": "string", "enum": modes,
                "description": "dense compares meaning, sparse exact terms such as names and numbers, hybrid both.",
            },
            "collections": {
                "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 10,
                "description": "Ids or names of the collections to search; all of the profile or user if absent.",
            },
            "filters": {
                "type": "object",
                "description": "Conditions on the documents, all of which must hold; a list matches any of its values.",
                "properties": {
                    "document_id": texts("Ids of documents."),
                    "mime_type": texts("Media types."),
                    "file_name": texts("File names."),
                    "path_prefix": texts("Folders or files."),
                    "source_id": {
                        "type": "array", "items": { "type": "integer" }, "minItems": 1, "maxItems": 100,
                        "description": "Ids of sources.",
                    },
                    "attributes": { "type": "object", "description": "Entries of the documents' metadata." },
                    "created_from": { "type": "string", "format": "date-time", "description": "Created then or later." },
                    "created_before": { "type": "string", "format": "date-time", "description": "Created before then." },
                },
                "additionalProperties": false,
            },
        },
        "required": ["query"],
        "additionalProperties": false,
    })
}

fn passages() -> Value {
    json!({
        "type": "object",
        "properties": {
            "results": {
                "type": "array",
                "description": "The best passages, best first.",
                "items": {
                    "type": "object",
                    "properties": {
                        "id": { "type": "string" },
                        "title": { "type": "string" },
                        "url": { "type": "string" },
                        "text": { "type": "string" },
                        "score": { "type": "number" },
                        "document_id": { "type": "string" },
                        "file_name": { "type": "string" },
                        "file_path": { "type": "string" },
                        "section_path": { "type": "array", "items": { "type": "string" } },
                        "first_page": { "type": "integer" },
                        "last_page": { "type": "integer" },
                        "collection_id": { "type": "string" },
                        "collection_name": { "type": "string" },
                        "metadata": { "type": "object" },
                    },
                    "required": ["id", "title", "url", "text"],
                },
            },
            "score_type": { "type": "string" },
            "warnings": { "type": "array", "items": { "type": "string" } },
        },
        "required": ["results"],
    })
}

fn listing_input(more: &Value, required: &Value, searched: &str) -> Value {
    let mut schema = json!({
        "type": "object",
        "properties": {
            "search": {
                "type": "string", "maxLength": 255,
                "description": format!("Only those whose {searched} contains this text, ignoring case."),
            },
            "limit": limit(50, "entries"),
            "page": { "type": "integer", "minimum": 1, "default": 1, "description": "The page number." },
        },
        "required": required,
        "additionalProperties": false,
    });
    for (name, property) in more.as_object().into_iter().flatten() {
        schema["properties"][name] = property.clone();
    }
    schema
}

fn listing_output(name: &str, properties: &Value, required: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            (name): {
                "type": "array",
                "items": { "type": "object", "properties": properties, "required": required },
            },
            "total": { "type": "integer" },
            "page": { "type": "integer" },
            "next_page": { "type": "integer" },
        },
        "required": [name, "total", "page"],
    })
}
