use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
struct Request {
    #[serde(alias = "title")]
    name: String,
    size: Option<u32>,
    mode: Option<Mode>,
    #[serde(default)]
    files: Vec<File>,
    #[serde(default)]
    metadata: Map<String, Value>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct File {
    path: String,
    is_hidden: Option<bool>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Fast,
    Exact,
}

fn refused(body: Value) -> String {
    let errors = read_body::<Request>(body).unwrap_err();
    errors.into_error().detail().to_owned()
}

#[test]
fn a_body_is_read_with_everything_that_serde_allows() {
    let body = json!({
        "title": "a", "size": 4_294_967_295_u32, "mode": "exact", "files": [{ "path": "b", "is_hidden": null }],
        "metadata": { "any": { "depth": [1, -1, 0.5, true, null, "x"] } },
    });
    let metadata = body["metadata"].as_object().cloned().unwrap();
    let files = vec![File { path: "b".to_owned(), is_hidden: None }];
    let expected =
        Request { name: "a".to_owned(), size: Some(u32::MAX), mode: Some(Mode::Exact), files, metadata };
    assert_eq!(read_body::<Request>(body).unwrap(), expected);
    assert!(read_body::<Request>(json!({ "name": "a", "size": null })).is_ok());
}

#[test]
fn unknown_fields_are_named_at_every_depth_with_those_that_are_allowed() {
    let refused = refused(json!({
        "name": "a", "colour": 1, "files": [{ "path": "b" }, { "path": "c", "hidden": true }],
        "metadata": { "colour": "any key is allowed here" },
    }));
    insta::assert_snapshot!(refused.replace("; ", ";\n"), @r"
    colour: unknown field `colour`;
    allowed are `name`, `title`, `size`, `mode`, `files`, `metadata`;
    files[1].hidden: unknown field `hidden`;
    allowed are `path`, `is_hidden`
    ");
}

#[test]
fn a_field_of_a_wrong_type_is_named_with_the_type_that_is_allowed() {
    let refusals: Vec<String> = [
        json!(["a"]),
        json!(null),
        json!({}),
        json!({ "name": 1 }),
        json!({ "name": "a", "size": "1" }),
        json!({ "name": "a", "size": -1 }),
        json!({ "name": "a", "size": 1.5 }),
        json!({ "name": "a", "mode": "slow" }),
        json!({ "name": "a", "mode": 1 }),
        json!({ "name": "a", "files": {} }),
        json!({ "name": "a", "files": [{ "path": "b" }, { "path": ["c"] }] }),
        json!({ "name": "a", "files": [{ "is_hidden": 1 }] }),
        json!({ "name": "a", "files": [["b"]] }),
        json!({ "name": "a", "metadata": "x".repeat(100) }),
        json!({ "name": "a", "files": vec![json!({ "path": "b" }); 1001] }),
        json!({ "name": "a", "metadata": { "deep": { "list": vec![1; 40_000] } } }),
    ]
    .into_iter()
    .map(refused)
    .collect();
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    body: wrong type; an object allowed, got a list
    body: wrong type; an object allowed, got null
    name: missing; this field is required
    name: wrong type; a string allowed, got 1
    size: wrong type; an integer of at least 0 allowed, got "1"
    size: out of range; an integer of at least 0 allowed, got -1
    size: wrong type; an integer of at least 0 allowed, got 1.5
    mode: unknown value; fast, exact allowed, got "slow"
    mode: unknown value; fast, exact allowed, got 1
    files: wrong type; a list allowed, got an object
    files[1].path: wrong type; a string allowed, got a list
    files[0].is_hidden: wrong type; true or false allowed, got 1
    files[0]: wrong type; an object allowed, got a list
    metadata: wrong type; an object allowed, got "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"…
    files: wrong number of items; at most 1000 allowed, got 1001
    metadata.deep.list: wrong number of items; at most 1000 allowed, got 40000
    "#);
}

#[test]
fn query_parameters_are_texts() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Query {
        page: Option<i64>,
        all: Option<bool>,
        least: Option<f64>,
        name: Option<String>,
    }
    let read = |parameters: Value| read_query::<Query>(parameters.as_object().cloned().unwrap());
    let query = read(json!({ "page": "-2", "all": "true", "least": "0.5", "name": "7", "other": "x" }));
    assert_eq!(
        query.unwrap(),
        Query { page: Some(-2), all: Some(true), least: Some(0.5), name: Some("7".to_owned()) }
    );
    let refusals: Vec<String> = [json!({ "page": "two" }), json!({ "all": "1" }), json!({ "least": "" })]
        .into_iter()
        .map(|parameters| read(parameters).unwrap_err().into_error().detail().to_owned())
        .collect();
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    page: wrong type; an integer allowed, got "two"
    all: wrong type; true or false allowed, got "1"
    least: wrong type; a number allowed, got ""
    "#);
}
