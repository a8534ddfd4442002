use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::{
    Condition, DatetimeRange, FieldType, Filter, HasIdCondition, MinShould, Range, Timestamp,
};
use serde_json::json;

use crate::support::{contract, point};

fn range(range: Range) -> Condition {
    Condition::range("number", range)
}

#[tokio::test]
async fn filters_select_matching_points() {
    contract(async |context| {
        let name = context.collection("a", 2).await;
        let fields = [
            ("word", FieldType::Keyword),
            ("number", FieldType::Integer),
            ("ratio", FieldType::Float),
            ("flag", FieldType::Bool),
            ("time", FieldType::Datetime),
            ("id", FieldType::Uuid),
            ("deep.text", FieldType::Text),
            ("tags", FieldType::Keyword),
        ];
        context.index(&name, &fields).await;
        let uuid = |id: u64| format!("00000000-0000-4000-8000-{id:012}");
        let points = (0..12_u64).map(|id| {
            let word = ["a", "b", "c"][id as usize % 3];
            let mut payload = json!({
                "word": word,
                "number": id,
                "ratio": id as f64 / 4.0,
                "flag": id % 2 == 0,
                "time": format!("2026-01-{:02}T00:00:00Z", id + 1),
                "id": uuid(id),
                "deep": {"text": if id < 4 { "quick brown fox" } else { "lazy dog" }},
            });
            if id < 5 {
                payload["tags"] = json!(["x", format!("t{id}")]);
            }
            point(id, [1.0, 0.0], payload)
        });
        context.upsert(&name, points.collect()).await;

        let word = |word: &str| Condition::matches("word", word.to_owned());
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let day = |day: i64| Some(Timestamp { seconds: 1_767_225_600 + (day - 1) * 86_400, nanos: 0 });
        let cases: Vec<(&str, Filter, u64)> = vec![
            ("keyword", Filter::must([word("a")]), 4),
            ("any keyword", Filter::must([Condition::matches("word", words(&["a", "b"]))]), 8),
            (
                "except keywords",
                Filter::must([Condition::matches("word", !MatchValue::from(words(&["a"])))]),
                8,
            ),
            ("keyword in a list", Filter::must([Condition::matches("tags", "x".to_owned())]), 5),
            ("integer", Filter::must([Condition::matches("number", 7)]), 1),
            ("any integer", Filter::must([Condition::matches("number", vec![1, 2, 99])]), 2),
            ("lt", Filter::must([range(Range { lt: Some(3.0), ..Default::default() })]), 3),
            ("lte", Filter::must([range(Range { lte: Some(3.0), ..Default::default() })]), 4),
            (
                "between",
                Filter::must([range(Range { gt: Some(3.0), lte: Some(6.0), ..Default::default() })]),
                3,
            ),
            (
                "float range",
                Filter::must([Condition::range("ratio", Range { gte: Some(2.5), ..Default::default() })]),
                2,
            ),
            ("bool", Filter::must([Condition::matches("flag", false)]), 6),
            (
                "datetime range",
                Filter::must([Condition::datetime_range(
                    "time",
                    DatetimeRange { gte: day(3), lt: day(6), ..Default::default() },
                )]),
                3,
            ),
            ("uuid", Filter::must([Condition::matches("id", uuid(4))]), 1),
            ("text", Filter::must([Condition::matches_text("deep.text", "fox quick")]), 4),
            ("empty", Filter::must([Condition::is_empty("tags")]), 7),
            (
                "has id",
                Filter::must([HasIdCondition { has_id: vec![1.into(), 2.into(), 77.into()] }.into()]),
                2,
            ),
            ("must of two", Filter::must([word("a"), Condition::matches("flag", true)]), 2),
            ("should of two", Filter::should([word("a"), Condition::matches("number", 1)]), 5),
            ("must not", Filter::must_not([word("a")]), 8),
            (
                "all three",
                Filter {
                    must: vec![Condition::matches("flag", true)],
                    should: vec![word("a"), word("b")],
                    must_not: vec![Condition::matches("number", 0)],
                    ..Default::default()
                },
                3,
            ),
            (
                "at least two of three",
                Filter {
                    min_should: Some(MinShould {
                        conditions: vec![
                            word("a"),
                            Condition::matches("flag", true),
                            range(Range { lt: Some(2.0), ..Default::default() }),
                        ],
                        min_count: 2,
                    }),
                    ..Default::default()
                },
                2,
            ),
            (
                "a filter in a filter",
                Filter::must([
                    Filter::should([word("a"), word("b")]).into(),
                    range(Range { gte: Some(9.0), ..Default::default() }),
                ]),
                2,
            ),
            ("nothing", Filter::default(), 12),
        ];
        for (what, filter, expected) in cases {
            assert_eq!(context.count(&name, Some(filter)).await, expected, "{what}");
        }
    })
    .await;
}
