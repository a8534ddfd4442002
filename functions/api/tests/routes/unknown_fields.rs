//! Unknown fields and query parameters are rejected by every route of the OpenAPI document, by name.

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Api, text};

const UNKNOWN: &str = "surprise";

/// The operations of the OpenAPI document.
struct Document(Value);

impl Document {
    fn operations(&self) -> impl Iterator<Item = (&str, Method, &Value)> {
        let paths = self.0["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                (path.as_str(), method, operation)
            })
        })
    }

    /// The schema behind references, and behind the alternative to null.
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.resolve(self.0.pointer(reference.trim_start_matches('#')).unwrap());
        }
        let choices = schema["oneOf"].as_array().into_iter().flatten();
        let mut choices = choices.filter(|choice| choice["type"] != "null");
        choices.next().map_or(schema, |choice| self.resolve(choice))
    }

    /// The paths of all objects with a closed list of fields below `schema`, and values that reach them.
    fn objects(&self, schema: &Value, found: &mut Vec<(String, Value)>) {
        let properties = self.resolve(schema)["properties"].as_object();
        for (name, property) in properties.into_iter().flatten() {
            let property = self.resolve(property);
            let (item, suffix) = match property["items"].as_object() {
                Some(_) => (self.resolve(&property["items"]), "[0]"),
                None => (property, ""),
            };
            if item["properties"].is_object() {
                assert_eq!(item["additionalProperties"], false, "{name}");
                let value = json!({ UNKNOWN: 1 });
                let value = if suffix.is_empty() { value } else { json!([value]) };
                found.push((format!("{name}{suffix}.{UNKNOWN}"), json!({ name.as_str(): value })));
            }
        }
    }
}

/// A superuser who owns a collection and an operation, so that access is never the reason of a rejection.
struct Caller {
    api: Api,
    token: String,
    collection: String,
    operation: String,
}

impl Caller {
    async fn new(pool: PgPool) -> Self {
        let api = Api::new(pool).with_search();
        let token = api.sign_up("ada").await;
        api.sql("UPDATE users SET is_superuser = true").await;
        let collection = api.create_collection(&token, "notes").await;
        let collection = collection.rsplit('/').next().unwrap().to_owned();
        let operation = api.select("SELECT uuid::text FROM operations").await;
        Self { api, token, collection, operation }
    }

    fn uri(&self, path: &str) -> String {
        let path =
            path.replace("{collection_id}", &self.collection).replace("{operation_id}", &self.operation);
        let segments = path.split('/').map(|segment| match segment {
            "{source_id}" | "{run_id}" | "{user_id}" | "{permission_id}" => "1",
            "{connector_type}" => "s3",
            "{strategy_id}" => "markdown",
            segment if segment.starts_with('{') => "00000000-0000-0000-0000-000000000000",
            segment => segment,
        });
        segments.collect::<Vec<_>>().join("/")
    }

    /// Sends the request and returns the errors of its fields.
    async fn errors(&self, method: &Method, uri: &str, body: Option<&Value>) -> Vec<(String, String)> {
        let answer = self.api.send(method.clone(), uri, &self.token, body).await;
        assert_eq!(answer.status, 422, "{method} {uri} {body:?}: {}", answer.body);
        let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| (text(&error["field"]), text(&error["message"]))).collect()
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_request_body_rejects_unknown_fields_at_every_depth(pool: PgPool) {
    let caller = Caller::new(pool).await;
    let document = Document(api::openapi().unwrap());
    let (mut bodies, mut nested) = (0, 0);
    for (path, method, operation) in document.operations() {
        let content = &operation["requestBody"]["content"]["application/json"];
        if content.is_null() {
            continue;
        }
        let schema = document.resolve(&content["schema"]);
        assert_eq!(schema["additionalProperties"], false, "{method} {path}");
        let uri = caller.uri(path);
        let mut body = content["example"].clone();
        body[UNKNOWN] = json!(1);
        let errors = caller.errors(&method, &uri, Some(&body)).await;
        let (_, message) = errors.iter().find(|(field, _)| field == UNKNOWN).unwrap_or_else(|| {
            panic!("{method} {path} does not name the unknown field: {errors:?}");
        });
        let some_field = schema["properties"].as_object().unwrap().keys().next().unwrap();
        assert!(message.starts_with("unknown field `surprise`; allowed are `"), "{message}");
        assert!(message.contains(&format!("`{some_field}`")), "{method} {path}: {message}");
        bodies += 1;

        let mut objects = Vec::new();
        document.objects(schema, &mut objects);
        for (field, part) in objects {
            let mut body = content["example"].clone();
            body.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
            let errors = caller.errors(&method, &uri, Some(&body)).await;
            // Errors of secrets repeat nothing that was received.
            let field = if field.starts_with("secrets.") { "secrets".to_owned() } else { field };
            let is_named = errors.iter().any(|(named, _)| *named == field);
            assert!(is_named, "{method} {path} does not name {field}: {errors:?}");
            nested += 1;
        }
    }
    assert!(bodies >= 30 && nested >= 5, "{bodies} bodies, {nested} nested objects");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_route_rejects_unknown_query_parameters(pool: PgPool) {
    let caller = Caller::new(pool).await;
    let document = Document(api::openapi().unwrap());
    let mut routes = 0;
    for (path, method, operation) in document.operations() {
        let uri = format!("{}?{UNKNOWN}=1", caller.uri(path));
        let errors = caller.errors(&method, &uri, None).await;
        let [(field, message)] = errors.as_slice() else {
            panic!("{method} {path}: {errors:?}");
        };
        assert_eq!(field, UNKNOWN);
        assert!(message.starts_with("unknown query parameter `surprise`; "), "{method} {path}: {message}");
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
            let name = text(&parameter["name"]);
            assert!(message.contains(&format!("`{name}`")), "{method} {path}: {message}");
        }
        routes += 1;
    }
    assert!(routes >= 100, "{routes}");
    assert_eq!(caller.api.select("SELECT count(*)::text FROM collections").await, "1");
}
