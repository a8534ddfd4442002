//! New messages, edits and deletions.

use chrono::Duration;
use connectors::Unlisted;
use serde_json::json;

use crate::fake::{Slack, noon};
use crate::source::{Source, hints, texts};

/// What differs between two syncs: the documents that are new or changed, by the end of their URI, and those gone.
async fn changes(slack: &Slack, change: impl FnOnce(&Slack)) -> (Vec<String>, Vec<String>) {
    let source = Source::of(slack, json!({}));
    let first = source.list(None).await;
    change(slack);
    let second = source.list(first.checkpoint.as_deref()).await;
    assert_eq!(second.unlisted, Unlisted::Unchanged);
    let known = hints(&first);
    let changed = hints(&second).into_iter().filter(|(uri, hint)| known.get(uri) != Some(hint));
    let end = |uri: &str| uri.strip_prefix("slack://T1/C1/").unwrap().to_owned();
    (changed.map(|(uri, _)| end(&uri)).collect(), second.gone.iter().map(|uri| end(uri)).collect())
}

async fn channel() -> (Slack, String, String) {
    let slack = Slack::start().await;
    slack.add_channel("C1", "general", false);
    let root = slack.say("C1", noon(2), "root");
    let reply = slack.reply("C1", &root, noon(2) + Duration::minutes(1), "reply");
    slack.say("C1", noon(2) + Duration::hours(1), "single");
    (slack, root, reply)
}

fn day(days_ago: i64) -> String {
    noon(days_ago).date_naive().to_string()
}

#[tokio::test]
async fn new_messages_change_their_day_and_replies_their_thread() {
    let (slack, root, _) = channel().await;
    let (changed, gone) = changes(&slack, |slack| {
        slack.say("C1", noon(1), "new");
        slack.reply("C1", &root, noon(1), "late reply");
    })
    .await;
    assert_eq!((changed, gone), (vec![root, day(1)], vec![]));
}

#[tokio::test]
async fn edits_change_messages_and_replies() {
    let (slack, root, reply) = channel().await;
    let (changed, gone) = changes(&slack, |slack| {
        slack.edit("C1", &reply, |message| message["text"] = json!("edited reply"));
    })
    .await;
    assert_eq!((changed, gone), (vec![root], vec![]));
    let single = slack.say("C1", noon(1), "typo");
    let (changed, gone) = changes(&slack, |slack| {
        slack.edit("C1", &single, |message| {
            message["text"] = json!("no typo");
            message["edited"] = json!({ "user": "U1", "ts": "1.0" });
        });
    })
    .await;
    assert_eq!((changed, gone), (vec![day(1)], vec![]));
}

#[tokio::test]
async fn deleted_messages_are_gone_with_their_document() {
    let (slack, root, reply) = channel().await;
    let lone = slack.say("C1", noon(1), "lone");
    let (changed, gone) = changes(&slack, |slack| slack.delete("C1", &lone)).await;
    assert_eq!((changed, gone), (vec![], vec![day(1)]));
    // Slack keeps the place of a deleted message with replies.
    let (changed, gone) = changes(&slack, |slack| {
        slack.edit("C1", &root, |message| {
            message["subtype"] = json!("tombstone");
            message["text"] = json!("This message was deleted.");
        });
    })
    .await;
    assert_eq!((changed, gone), (vec![root.clone()], vec![]));
    let page = Source::of(&slack, json!({})).list(None).await;
    let text = texts(&page)[format!("general/{}/{root}.md", day(2)).as_str()].to_owned();
    assert!(text.contains("reply") && !text.contains("This message was deleted"), "{text}");
    // Without its last reply, it is gone.
    let (changed, gone) = changes(&slack, |slack| {
        slack.delete("C1", &reply);
        slack.delete("C1", &root);
    })
    .await;
    assert_eq!((changed, gone), (vec![], vec![root]));
}

#[tokio::test]
async fn message_that_gets_a_reply_becomes_a_thread() {
    let (slack, ..) = channel().await;
    let lone = slack.say("C1", noon(1), "lone");
    let (changed, gone) = changes(&slack, |slack| {
        slack.reply("C1", &lone, noon(1) + Duration::minutes(1), "answer");
    })
    .await;
    assert_eq!((changed, gone), (vec![lone.clone()], vec![day(1)]));
    let (changed, gone) = changes(&slack, |slack| {
        slack.state().messages.get_mut("C1").unwrap().retain(|message| message["text"] != "answer");
    })
    .await;
    assert_eq!((changed, gone), (vec![day(1)], vec![lone]));
}

#[tokio::test]
async fn old_thread_is_followed_while_people_reply() {
    let slack = Slack::start().await;
    slack.add_channel("C1", "general", false);
    let root = slack.say("C1", noon(100), "old root");
    slack.reply("C1", &root, noon(3), "recent reply");
    slack.say("C1", noon(100), "old single");
    let (changed, gone) = changes(&slack, |slack| {
        slack.reply("C1", &root, noon(1), "another");
    })
    .await;
    assert_eq!((changed, gone), (vec![root.clone()], vec![]));
    let (changed, gone) = changes(&slack, |slack| slack.delete("C1", &root)).await;
    assert_eq!((changed, gone), (vec![], vec![root]));
}

#[tokio::test]
async fn channel_that_was_not_read_before_is_listed_completely() {
    let (slack, ..) = channel().await;
    let first = Source::of(&slack, json!({})).list(None).await;
    slack.add_channel("C2", "random", false);
    slack.say("C2", noon(200), "old");
    let both = Source::of(&slack, json!({ "channels": ["general", "random"] }));
    let second = both.list(first.checkpoint.as_deref()).await;
    assert_eq!((second.unlisted, second.entries.len()), (Unlisted::Gone, 3));
}

#[tokio::test]
async fn all_messages_are_read_again_after_a_month() {
    let slack = Slack::start().await;
    slack.add_channel("C1", "general", false);
    let old = slack.say("C1", noon(100), "old");
    let source = Source::of(&slack, json!({}));
    let first = source.list(None).await;
    slack.delete("C1", &old);
    let mut checkpoint: serde_json::Value =
        serde_json::from_str(first.checkpoint.as_deref().unwrap()).unwrap();
    let next = source.list(Some(&checkpoint.to_string())).await;
    assert_eq!((next.unlisted, next.gone), (Unlisted::Unchanged, vec![]), "not noticed yet");
    checkpoint["complete"] = json!(noon(31));
    let complete = source.list(Some(&checkpoint.to_string())).await;
    assert_eq!((complete.unlisted, complete.entries.len()), (Unlisted::Gone, 0));
    let after = source.list(complete.checkpoint.as_deref()).await;
    assert_eq!(after.unlisted, Unlisted::Unchanged);
}
