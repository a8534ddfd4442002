use std::collections::BTreeSet;

use qdrant_client::Payload;
use qdrant_client::qdrant::points_update_operation::{DeletePoints, Operation, PointStructList};
use qdrant_client::qdrant::{
    ClearPayloadPointsBuilder, Condition, DeletePayloadPointsBuilder, DeletePointsBuilder, FieldType, Filter,
    GetPointsBuilder, PointId, PointsIdsList, RetrievedPoint, ScrollPointsBuilder, SetPayloadPointsBuilder,
    UpdateBatchPointsBuilder, UpdateStatus, UpsertPointsBuilder, vector_output,
};
use serde_json::{Value, json};

use crate::support::{Context, contract, eventually, number, point};

fn ids(numbers: &[u64]) -> PointsIdsList {
    PointsIdsList { ids: numbers.iter().map(|number| (*number).into()).collect() }
}

async fn get(context: &Context, name: &str, id: impl Into<PointId>) -> Option<RetrievedPoint> {
    let request = GetPointsBuilder::new(name, vec![id.into()]).with_payload(true).with_vectors(true);
    context.client.get_points(request).await.unwrap().result.pop()
}

async fn payload(context: &Context, name: &str, id: u64) -> Value {
    let point = get(context, name, id).await.unwrap();
    serde_json::Value::from(Payload::from(point.payload))
}

fn dense(point: &RetrievedPoint) -> Vec<f32> {
    match point.vectors.as_ref().unwrap().get_vector().unwrap() {
        vector_output::Vector::Dense(dense) => dense.data,
        other => panic!("not dense: {other:?}"),
    }
}

#[tokio::test]
async fn a_point_is_stored_read_and_replaced() {
    contract(async |context| {
        let name = context.collection("a", 2).await;
        let id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f";
        let stored = json!({
            "text": "čeština 🦀", "integer": -7, "float": 0.5, "bool": true, "null": null,
            "list": [1, "two", [3]], "object": {"a": {"b": "c"}}
        });
        context.upsert(&name, vec![point(id, [3.0, 4.0], stored.clone())]).await;
        let found = get(&context, &name, id).await.unwrap();
        // For cosine similarity, Qdrant stores normalized vectors.
        let vector = dense(&found);
        assert!((vector[0] - 0.6).abs() < 1e-6 && (vector[1] - 0.8).abs() < 1e-6, "{vector:?}");
        assert_eq!(Value::from(Payload::from(found.payload)), stored);

        context.upsert(&name, vec![point(id, [0.0, 1.0], json!({"other": 1}))]).await;
        let found = get(&context, &name, id).await.unwrap();
        assert_eq!(dense(&found), [0.0, 1.0]);
        assert_eq!(Value::from(Payload::from(found.payload)), json!({"other": 1}));
        assert_eq!(context.count(&name, None).await, 1);
        assert!(get(&context, &name, 5).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn scrolling_returns_every_point_once() {
    contract(async |context| {
        let name = context.collection("a", 2).await;
        let points = (0..25).map(|id| point(id, [1.0, id as f32], json!({"id": id})));
        context.upsert(&name, points.collect()).await;
        let mut seen = Vec::new();
        let mut offset: Option<PointId> = None;
        loop {
            let mut request = ScrollPointsBuilder::new(&name).limit(10).with_payload(true);
            if let Some(offset) = offset {
                request = request.offset(offset);
            }
            let page = context.client.scroll(request).await.unwrap();
            assert!(page.result.len() <= 10);
            for point in &page.result {
                assert_eq!(point.payload["id"], i64::try_from(number(&point.id)).unwrap().into());
                assert!(point.vectors.is_none());
            }
            seen.extend(page.result.iter().map(|point| number(&point.id)));
            offset = page.next_page_offset;
            if offset.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..25).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn points_are_deleted_by_id_and_by_filter() {
    contract(async |context| {
        let (client, name) = (&context.client, context.collection("a", 2).await);
        context.index(&name, &[("group", FieldType::Keyword)]).await;
        let points = (0..30).map(|id| {
            let group = ["x", "y", "z"][id as usize % 3];
            point(id, [1.0, 0.0], json!({"group": group}))
        });
        context.upsert(&name, points.collect()).await;

        // Ids that do not exist are ignored.
        let request = DeletePointsBuilder::new(&name).points(ids(&[0, 1, 99])).wait(true);
        let result = client.delete_points(request).await.unwrap().result.unwrap();
        assert_eq!(result.status(), UpdateStatus::Completed);
        assert_eq!(context.count(&name, None).await, 28);

        let of_group = |group: &str| Filter::must([Condition::matches("group", group.to_owned())]);
        let request = DeletePointsBuilder::new(&name).points(of_group("z")).wait(true);
        client.delete_points(request).await.unwrap();
        assert_eq!(context.count(&name, None).await, 18);
        assert_eq!(context.count(&name, Some(of_group("z"))).await, 0);
        assert_eq!(context.count(&name, Some(of_group("x"))).await, 9);
    })
    .await;
}

#[tokio::test]
async fn payloads_change_independently_of_vectors() {
    contract(async |context| {
        let (client, name) = (&context.client, context.collection("a", 2).await);
        context.index(&name, &[("k", FieldType::Integer)]).await;
        let points = [1, 2, 3].map(|id| point(id, [1.0, 0.0], json!({"k": id, "old": true})));
        context.upsert(&name, points.to_vec()).await;
        let new = |json: Value| Payload::try_from(json).unwrap();

        let request = SetPayloadPointsBuilder::new(&name, new(json!({"added": "a"})))
            .points_selector(Filter::must([Condition::matches("k", 1)]))
            .wait(true);
        client.set_payload(request).await.unwrap();
        let expected = json!({"k": 1, "old": true, "added": "a"});
        assert_eq!(payload(&context, &name, 1).await, expected);

        let request = SetPayloadPointsBuilder::new(&name, new(json!({"only": 1})))
            .points_selector(ids(&[2]))
            .wait(true);
        client.overwrite_payload(request).await.unwrap();
        assert_eq!(payload(&context, &name, 2).await, json!({"only": 1}));
        // The payload index is updated.
        let filter = Filter::must([Condition::matches("k", 2)]);
        assert_eq!(context.count(&name, Some(filter)).await, 0);

        let keys = vec!["old".to_owned()];
        let request = DeletePayloadPointsBuilder::new(&name, keys).points_selector(ids(&[1, 3])).wait(true);
        client.delete_payload(request).await.unwrap();
        assert_eq!(payload(&context, &name, 3).await, json!({"k": 3}));

        let request = ClearPayloadPointsBuilder::new(&name).points(ids(&[3])).wait(true);
        client.clear_payload(request).await.unwrap();
        assert_eq!(payload(&context, &name, 3).await, json!({}));
        assert_eq!(dense(&get(&context, &name, 3).await.unwrap()), [1.0, 0.0]);
    })
    .await;
}

#[tokio::test]
async fn a_batch_applies_its_operations_in_order() {
    contract(async |context| {
        let name = context.collection("a", 2).await;
        let upsert = |id: u64| {
            let points = vec![point(id, [1.0, 0.0], json!({}))];
            Operation::Upsert(PointStructList { points, ..Default::default() })
        };
        let points = Some(vec![1.into()].into());
        let delete = Operation::DeletePoints(DeletePoints { points, ..Default::default() });
        let operations = [upsert(1), upsert(2), delete, upsert(3)].map(Into::into).to_vec();
        let request = UpdateBatchPointsBuilder::new(&name, operations).wait(true);
        let results = context.client.update_points_batch(request).await.unwrap().result;
        assert_eq!(results.len(), 4);
        let page = context.client.scroll(ScrollPointsBuilder::new(&name)).await.unwrap().result;
        let left: BTreeSet<_> = page.iter().map(|point| number(&point.id)).collect();
        assert_eq!(left, [2, 3].into());
    })
    .await;
}

#[tokio::test]
async fn a_write_without_wait_is_applied_soon() {
    contract(async |context| {
        let name = context.collection("a", 2).await;
        let points = vec![point(1, [1.0, 0.0], json!({}))];
        let request = UpsertPointsBuilder::new(&name, points).wait(false);
        let response = context.client.upsert_points(request).await.unwrap();
        assert_eq!(response.result.unwrap().status(), UpdateStatus::Acknowledged);
        eventually("the point", || async { context.count(&name, None).await == 1 }).await;
    })
    .await;
}
