//! Downloading and uploading snapshots by Qdrant's HTTP API.

use qdrant_client::qdrant::{CreateCollectionBuilder, Distance, UpsertPointsBuilder, VectorParamsBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::Server;
use crate::support::{Numbers, count, point};

const DIMENSION: u64 = 8;

async fn fill(server: &Server, name: &str, points: u64) {
    let client = server.client();
    let vectors = VectorParamsBuilder::new(DIMENSION, Distance::Cosine);
    client.create_collection(CreateCollectionBuilder::new(name).vectors_config(vectors)).await.unwrap();
    let mut numbers = Numbers(7);
    let points = (0..points).map(|id| point(id, numbers.vector(DIMENSION as usize), json!({ "number": id })));
    let request = UpsertPointsBuilder::new(name, points.collect::<Vec<_>>()).wait(true);
    client.upsert_points(request).await.unwrap();
}

/// Uploads a snapshot as a browser would.
async fn upload(server: &Server, name: &str, snapshot: &[u8], checksum: &str) -> (u16, Value) {
    let mut body =
        b"--edge\r\nContent-Disposition: form-data; name=\"snapshot\"; filename=\"a\"\r\n\r\n".to_vec();
    body.extend_from_slice(snapshot);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    let url = format!(
        "{}/collections/{name}/snapshots/upload?wait=true&priority=snapshot&checksum={checksum}",
        server.http_url()
    );
    let http = testkit::http_client().build().unwrap();
    let request = http.post(url).header("content-type", "multipart/form-data; boundary=edge");
    let answer = request.body(body).send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

#[tokio::test]
async fn a_snapshot_moves_a_collection_to_another_server() {
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (first, second) = (Server::start(here.path()), Server::start(there.path()));
    fill(&first, "notes", 300).await;
    let http = testkit::http_client().build().unwrap();
    let snapshots = format!("{}/collections/notes/snapshots", first.http_url());
    let made = http.post(&snapshots).send().await.unwrap().bytes().await.unwrap();
    let made: Value = serde_json::from_slice(&made).unwrap();
    let (name, checksum) =
        (made["result"]["name"].as_str().unwrap(), made["result"]["checksum"].as_str().unwrap());
    let bytes = http.get(format!("{snapshots}/{name}")).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(made["result"]["size"], bytes.len());

    let (status, rejection) = upload(&second, "notes", &bytes[..bytes.len() - 1], checksum).await;
    assert_eq!(status, 400, "{rejection}");
    assert!(rejection["status"]["error"].as_str().unwrap().contains("checksum"), "{rejection}");
    assert!(!second.client().collection_exists("notes").await.unwrap());

    let (status, answer) = upload(&second, "notes", &bytes, checksum).await;
    assert_eq!((status, &answer["result"]), (200, &json!(true)));
    assert_eq!(count(&second.client(), "notes", None).await.unwrap(), 300);
    let (status, _) = upload(&second, "notes", &bytes, checksum).await;
    assert_eq!(status, 409, "the collection exists");
    let left: Vec<_> =
        std::fs::read_dir(there.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("upload")), "{left:?}");

    let deleted = http.delete(format!("{snapshots}/{name}")).send().await.unwrap();
    assert_eq!(deleted.status().as_u16(), 200);
    let listed = http.get(&snapshots).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&listed).unwrap()["result"], json!([]));
    for path in [format!("{snapshots}/{name}"), format!("{}/collections/none/snapshots", first.http_url())] {
        assert_eq!(http.get(path).send().await.unwrap().status().as_u16(), 404);
    }
}
