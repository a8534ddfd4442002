//! Prints every point of every collection of a Qdrant server as JSON, one object per line: collection, id,
//! payload and vectors. `scripts/chaos` compares the output.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::io::Write;

use qdrant_client::Qdrant;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::vectors_output::VectorsOptions;
use qdrant_client::qdrant::{
    PointId, ScrollPointsBuilder, Value, VectorOutput, VectorsOutput, vector_output,
};
use serde_json::json;

/// Points per page.
const PAGE: u32 = 500;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: dump_points http://HOST:PORT")?;
    let client = Qdrant::from_url(&url).skip_compatibility_check().build()?;
    let mut output = std::io::stdout().lock();
    for collection in client.list_collections().await?.collections {
        let mut offset: Option<PointId> = None;
        loop {
            let mut request =
                ScrollPointsBuilder::new(&collection.name).limit(PAGE).with_payload(true).with_vectors(true);
            if let Some(offset) = offset.take() {
                request = request.offset(offset);
            }
            let page = client.scroll(request).await?;
            for point in page.result {
                let line = json!({
                    "collection": collection.name,
                    "id": point.id.as_ref().map(id_text),
                    "payload": payload(point.payload),
                    "vectors": vectors(point.vectors),
                });
                writeln!(output, "{line}")?;
            }
            offset = page.next_page_offset;
            if offset.is_none() {
                break;
            }
        }
    }
    Ok(())
}

fn id_text(id: &PointId) -> String {
    match &id.point_id_options {
        Some(PointIdOptions::Uuid(uuid)) => uuid.clone(),
        Some(PointIdOptions::Num(number)) => number.to_string(),
        None => String::new(),
    }
}

fn payload(values: HashMap<String, Value>) -> BTreeMap<String, serde_json::Value> {
    values.into_iter().map(|(name, value)| (name, value.into_json())).collect()
}

/// Returns the vectors by name.
fn vectors(vectors: Option<VectorsOutput>) -> BTreeMap<String, serde_json::Value> {
    match vectors.and_then(|vectors| vectors.vectors_options) {
        Some(VectorsOptions::Vector(vector)) => BTreeMap::from([(String::new(), values(vector))]),
        Some(VectorsOptions::Vectors(named)) => {
            named.vectors.into_iter().map(|(name, vector)| (name, values(vector))).collect()
        }
        None => BTreeMap::new(),
    }
}

fn values(vector: VectorOutput) -> serde_json::Value {
    match vector.into_vector() {
        vector_output::Vector::Dense(dense) => json!({ "values": dense.data }),
        vector_output::Vector::Sparse(sparse) => {
            let mut pairs: Vec<(u32, f32)> = sparse.indices.into_iter().zip(sparse.values).collect();
            pairs.sort_by_key(|(index, _)| *index);
            let (indices, values): (Vec<u32>, Vec<f32>) = pairs.into_iter().unzip();
            json!({ "indices": indices, "values": values })
        }
        vector_output::Vector::MultiDense(many) => {
            let all: Vec<f32> = many.vectors.into_iter().flat_map(|dense| dense.data).collect();
            json!({ "values": all })
        }
    }
}
