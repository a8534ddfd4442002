//! What is a document, and what a sync costs.

use chrono::Duration;
use connectors::Unlisted;
use serde_json::json;

use crate::fake::{Slack, noon};
use crate::source::{Source, hints, texts};

#[tokio::test]
async fn threads_and_days_are_documents() {
    let slack = Slack::start().await;
    slack.add_channel("C1", "general", false);
    let day = noon(1);
    let question = slack.say("C1", day, "Where is the *manual*, <@U2>?");
    slack.reply("C1", &question, day + Duration::minutes(5), "<https://a.org/m|Here> &amp; there");
    let first = slack.say("C1", day + Duration::hours(1), "Lunch?");
    slack.add(
        "C1",
        day + Duration::hours(2),
        json!({ "subtype": "channel_join", "user": "U3", "text": "joined" }),
    );
    slack.add(
        "C1",
        day + Duration::hours(3),
        json!({ "subtype": "bot_message", "bot_id": "B1", "username": "CI", "text": "",
        "attachments": [{ "title": "Build 7", "text": "failed", "fallback": "x" }] }),
    );
    let page = Source::of(&slack, json!({})).list(None).await;
    let date = day.date_naive().to_string();
    assert_eq!(
        texts(&page)[format!("general/{date}.md").as_str()],
        format!(
            "# #general, {date}\n\n**Ada Lovelace**, 13:00 UTC:\n\nLunch?\n\n**CI**, 15:00 UTC:\n\nBuild 7\n\nfailed\n"
        )
    );
    assert_eq!(
        texts(&page)[format!("general/{date}/{question}.md").as_str()],
        format!(
            "# #general: Where is the **manual**, @bobby?\n\n**Ada Lovelace**, {date} 12:00 UTC:\n\n\
             Where is the **manual**, @bobby?\n\n**bobby**, {date} 12:05 UTC:\n\n[Here](https://a.org/m) & there\n"
        )
    );
    assert_eq!((page.entries.len(), page.unlisted), (2, Unlisted::Gone));
    let thread = page.entries.iter().find(|entry| entry.uri.ends_with(&question)).unwrap();
    assert_eq!(thread.uri, format!("slack://T1/C1/{question}"));
    assert_eq!(thread.title.as_deref(), Some("Where is the **manual**, @bobby?"));
    let metadata = serde_json::to_value(thread.metadata.as_ref().unwrap()).unwrap();
    assert_eq!(
        metadata,
        json!({ "author": "Ada Lovelace", "channel": "general", "date": date, "kind": "thread" })
    );
    let day = page.entries.iter().find(|entry| entry.uri == format!("slack://T1/C1/{date}")).unwrap();
    let url = format!("https://acme.slack.com/archives/C1/p{}", first.replace('.', ""));
    assert_eq!((day.url.as_deref(), day.mime_type.as_deref()), (Some(url.as_str()), Some("text/markdown")));
}

/// Days with single messages, and threads old and new.
async fn busy_channel() -> Slack {
    let slack = Slack::start().await;
    slack.add_channel("C1", "general", false);
    for days_ago in 0..40 {
        for hour in 0..3 {
            slack.say(
                "C1",
                noon(days_ago + 1) + Duration::hours(hour),
                &format!("day {days_ago} message {hour}"),
            );
        }
        if days_ago % 4 == 0 {
            let root =
                slack.say("C1", noon(days_ago + 1) + Duration::minutes(7), &format!("thread {days_ago}"));
            for minute in 8..13 {
                slack.reply("C1", &root, noon(days_ago + 1) + Duration::minutes(minute), "a reply");
            }
        }
    }
    slack
}

#[tokio::test]
async fn pages_of_any_size_and_answers_of_any_size_yield_the_same_documents() {
    let slack = busy_channel().await;
    let source = Source::of(&slack, json!({}));
    let whole = source.list(None).await;
    assert_eq!(whole.entries.len(), 40 + 10);
    for (page, limit) in [(3, 1000), (7, 1), (1000, 4), (2, 3)] {
        slack.state().page = page;
        let pages = source.pages(None, limit).await.unwrap();
        assert_eq!(hints(&pages), hints(&whole), "answers of {page}, pages of {limit}");
        assert_eq!(texts(&pages), texts(&whole));
    }
}

#[tokio::test]
async fn unchanged_sync_reads_the_last_days_only() {
    let slack = busy_channel().await;
    slack.state().page = 10;
    let source = Source::of(&slack, json!({}));
    let first = source.list(None).await;
    let calls = slack.take_calls();
    let second = source.list(first.checkpoint.as_deref()).await;
    assert_eq!((second.unlisted, second.gone.len()), (Unlisted::Unchanged, 0));
    let known = hints(&first);
    assert!(hints(&second).iter().all(|(uri, hint)| known[uri] == *hint), "nothing has changed");
    assert_eq!(second.entries.len(), 7 + 2);
    let again = slack.take_calls();
    let count = |calls: &[String], method: &str| calls.iter().filter(|call| *call == method).count();
    // 7 days with 3 messages and 2 roots of threads, 10 in an answer; two threads with replies.
    let counted =
        ["auth.test", "conversations.list", "conversations.history", "conversations.replies", "users.info"]
            .map(|method| count(&again, method));
    assert_eq!(counted, [1, 1, 3, 2, 0], "{again:?}");
    eprintln!("130 messages in 50 documents: first sync {} calls, unchanged {}", calls.len(), again.len());
}

#[tokio::test]
async fn old_threads_are_read_when_they_are_opened() {
    let slack = busy_channel().await;
    let source = Source::of(&slack, json!({}));
    let page = source.list(None).await;
    assert_eq!(slack.take_calls().iter().filter(|call| *call == "conversations.replies").count(), 2);
    let old = page.entries.iter().find(|entry| entry.title.as_deref() == Some("thread 20")).unwrap();
    assert!(old.content.is_none());
    let (text, hint) = source.open(old).await.unwrap();
    assert!(text.contains("thread 20\n") && text.matches("a reply").count() == 5, "{text}");
    assert_eq!(hint, old.change_hint);
    // What came with the listing can be read once more.
    for (path, listed) in texts(&page) {
        let entry = page.entries.iter().find(|entry| entry.file_path == path).unwrap();
        assert_eq!(source.open(entry).await.unwrap().0, listed);
    }
}

#[tokio::test]
async fn channels_are_found_by_name_and_id_across_pages() {
    let slack = Slack::start().await;
    for number in 0..9 {
        let id = format!("C000000{number}");
        slack.add_channel(&id, &format!("room-{number}"), number == 8);
        slack.say(&id, noon(1), &format!("hello from {number}"));
    }
    slack.state().page = 2;
    let source = |channels: &[&str]| Source::of(&slack, json!({ "channels": channels }));
    let page = source(&["#room-8", "room-3", "C0000005"]).list(None).await;
    let names: Vec<_> = page.entries.iter().map(|entry| entry.file_path.split('/').next().unwrap()).collect();
    assert_eq!(names, ["room-3", "room-5", "room-8"]);
    let missing = source(&["room-3", "room-9"]).pages(None, 10).await.unwrap_err();
    assert_eq!(missing.field(), Some("channels"));
    assert!(missing.to_string().contains("got \"room-9\""), "{missing}");
}

#[tokio::test]
async fn only_messages_since_a_day_are_listed() {
    let slack = busy_channel().await;
    let since = noon(3).date_naive().to_string();
    let page = Source::of(&slack, json!({ "since": since })).list(None).await;
    assert_eq!(page.entries.iter().filter(|entry| entry.uri.contains("/C1/20")).count(), 3);
}
