//! Models in a bucket: found by name, downloaded when they are opened, complete or not at all.

use std::path::Path;

use artifacts::ArtifactStore;
use domain::Quantization;
use models::{ModelRegistry, ModelsError};
use serde_json::{Value, json};
use testkit::{Stack, unique};
use uuid::Uuid;

/// A prefix of the models' bucket for one test.
struct Folder {
    bucket: ArtifactStore,
    prefix: String,
}

impl Folder {
    async fn new() -> Self {
        let bucket = ArtifactStore::new(&aws::sdk_config().await, Stack::from_env().models_bucket);
        Self { bucket, prefix: format!("journeys/{}", Uuid::new_v4()) }
    }

    fn url(&self) -> String {
        format!("s3://{}/{}/", self.bucket.bucket(), self.prefix)
    }

    async fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        let key = format!("{}/{name}", self.prefix);
        self.bucket.write_object(&key, bytes.into(), "application/octet-stream").await.unwrap();
    }

    async fn put_manifest(&self, folder: &str, manifest: &Value) {
        self.put(&format!("{folder}/model.json"), manifest.to_string()).await;
    }
}

fn manifest(name: &str, short_name: &str) -> Value {
    json!({
        "name": name, "short_name": short_name, "dimension": 4, "max_tokens": 128, "special_tokens": 2,
        "pooling": "mean", "normalize": true,
        // The SHA-256 of "{}".
        "tokenizer": {
            "name": "tokenizer.json",
            "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        },
    })
}

#[tokio::test]
async fn models_of_a_bucket_are_found_and_opened_without_a_deployment() {
    let folder = Folder::new().await;
    let nowhere = Path::new("/does/not/exist").to_owned();
    let registry = ModelRegistry::open_all(&[nowhere], Some(&folder.url())).unwrap();
    assert_eq!(registry.folders().unwrap().len(), 0, "an empty bucket is not an error");

    // A unique manifest, because local files of an earlier run with the same manifest would be reused.
    let (name, short_name) = (unique("org/one"), unique("one"));
    folder.put_manifest("one", &manifest(&name, &short_name)).await;
    folder.put("one/deeper/model.json", "not a manifest of a model").await;
    let one = registry.require(&name).unwrap();
    let unknown = registry.require("org/two").unwrap_err();
    assert_eq!(unknown.to_string(), format!(r#"unknown model; {name} allowed, got "org/two""#));

    // A missing file, a damaged one, and the right one.
    let absent = one.tokenizer_path().unwrap_err();
    assert!(matches!(absent, ModelsError::Bucket { call: "GetObject", .. }), "{absent}");
    folder.put("one/tokenizer.json", "{ }").await;
    let damaged = one.tokenizer_path().unwrap_err().to_string();
    assert!(damaged.contains(&folder.url()) && damaged.contains("is damaged"), "{damaged}");
    folder.put("one/tokenizer.json", "{}").await;
    let path = one.tokenizer_path().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}");
    // From now on it is on local disk.
    folder.put("one/tokenizer.json", "changed").await;
    assert_eq!(one.tokenizer_path().unwrap(), path);
    folder.put("one/model.onnx", "a graph").await;
    assert_eq!(std::fs::read_to_string(one.graph(Quantization::Int8).unwrap().0).unwrap(), "a graph");

    // A replaced manifest has its own local files.
    let mut replaced = manifest(&name, &short_name);
    replaced["dimension"] = json!(8);
    folder.put_manifest("one", &replaced).await;
    let folders = registry.folders().unwrap();
    assert_eq!(folders[0].manifest.dimension, 8);
    assert_ne!(folders[0].path, one.path);

    folder.put_manifest("two", &manifest("org/two", &short_name)).await;
    let twice = registry.folders().unwrap_err().to_string();
    let expected = format!("have the same model name {short_name:?}");
    assert!(twice.contains(&expected) && twice.contains(&folder.url()), "{twice}");
}

#[tokio::test]
async fn a_missing_bucket_is_not_reported_as_an_unknown_model() {
    let url = format!("s3://there-is-no-bucket-{}", Uuid::new_v4());
    let registry = ModelRegistry::open_all(&[], Some(&url)).unwrap();
    let error = registry.require("org/one").unwrap_err();
    assert!(matches!(error, ModelsError::Bucket { call: "ListObjectsV2", .. }), "{error}");
    assert!(error.to_string().contains(&url), "{error}");
}

#[tokio::test]
async fn a_folder_without_a_manifest_is_downloaded_again_when_it_changes() {
    let folder = Folder::new().await;
    let name = unique("cross-encoder");
    let files = ["config.json", "model.onnx", "onnx/model.onnx"];
    let missing = models::download_folder(&folder.url(), &name, &files).unwrap_err();
    assert!(matches!(missing, ModelsError::EmptyFolder { .. }), "{missing}");
    assert!(missing.to_string().contains(&format!("{}{name}/", folder.url())), "{missing}");

    folder.put(&format!("{name}/config.json"), "{}").await;
    folder.put(&format!("{name}/onnx/model.onnx"), "a graph").await;
    folder.put(&format!("{name}/README.md"), "not needed").await;
    let path = models::download_folder(&folder.url(), &name, &files).unwrap();
    assert!(path.ends_with(&name), "{}", path.display());
    assert_eq!(std::fs::read_to_string(path.join("onnx/model.onnx")).unwrap(), "a graph");
    assert!(!path.join("README.md").exists() && !path.join("model.onnx").exists());

    // What is on local disk is not downloaded again.
    std::fs::write(path.join("config.json"), "local").unwrap();
    assert_eq!(models::download_folder(&folder.url(), &name, &files).unwrap(), path);
    assert_eq!(std::fs::read_to_string(path.join("config.json")).unwrap(), "local");
    folder.put(&format!("{name}/onnx/model.onnx"), "another graph").await;
    let changed = models::download_folder(&folder.url(), &name, &files).unwrap();
    assert_ne!(changed, path);
    assert_eq!(std::fs::read_to_string(changed.join("onnx/model.onnx")).unwrap(), "another graph");
    assert_eq!(std::fs::read_to_string(changed.join("config.json")).unwrap(), "{}");
}
