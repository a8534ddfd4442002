//! Rate limits and refusals.

use std::time::Instant;

use chrono::Duration;
use connectors::ConnectorError;
use domain::{Classify, ErrorKind};
use serde_json::json;

use crate::fake::{Slack, noon};
use crate::source::{Source, hints};
use crate::state::Instead::{Error, RateLimited, Status, Usual};
use crate::state::TOKEN;

async fn channel(messages: i64) -> Slack {
    let slack = Slack::start().await;
    slack.add_channel("C1", "general", false);
    for days_ago in 1..=messages {
        let root = slack.say("C1", noon(days_ago), "text");
        slack.reply("C1", &root, noon(days_ago) + Duration::minutes(1), "reply");
    }
    slack
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let slack = channel(1).await;
    let source = Source::of(&slack, json!({}));
    for (method, answer, kind, words) in [
        ("auth.test", Error("invalid_auth", ""), ErrorKind::Forbidden, "secrets.token"),
        ("auth.test", Error("token_revoked", ""), ErrorKind::Forbidden, "token_revoked"),
        (
            "conversations.history",
            Error("missing_scope", "channels:history"),
            ErrorKind::Forbidden,
            "lacks the scope channels:history",
        ),
        (
            "conversations.history",
            Error("not_in_channel", ""),
            ErrorKind::Forbidden,
            "#general cannot be read: the app is not a member",
        ),
        (
            "conversations.history",
            Error("channel_not_found", ""),
            ErrorKind::NotFound,
            "#general does not exist",
        ),
        ("conversations.history", Error("internal_error", ""), ErrorKind::Unavailable, "retried"),
        ("conversations.history", Error("no_such_error", ""), ErrorKind::Forbidden, "no_such_error"),
        ("users.info", Error("missing_scope", "users:read"), ErrorKind::Forbidden, "users:read"),
        ("conversations.replies", Status(503), ErrorKind::Unavailable, "503"),
    ] {
        slack.answer(method, [answer]);
        let error = source.pages(None, 1000).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{method}: {error}");
        assert!(
            error.to_string().contains(words) && !format!("{error:?}").contains(TOKEN),
            "{method}: {error}"
        );
    }
    let wrong = Source::with_token(&slack, json!({}), "xoxb-wrong").pages(None, 10).await.unwrap_err();
    assert!(matches!(wrong, ConnectorError::SignIn { .. }) && !wrong.to_string().contains("xoxb"), "{wrong}");
}

#[tokio::test]
async fn private_channels_need_not_be_seen() {
    let slack = channel(1).await;
    slack.answer("conversations.list", [Error("missing_scope", "groups:read")]);
    assert_eq!(Source::of(&slack, json!({})).list(None).await.entries.len(), 1);
}

#[tokio::test]
async fn short_waits_are_waited() {
    let slack = channel(1).await;
    slack.answer("conversations.history", [RateLimited(1)]);
    let start = Instant::now();
    let page = Source::of(&slack, json!({})).list(None).await;
    assert_eq!(page.entries.len(), 1);
    assert!(start.elapsed().as_secs() >= 1);
}

#[tokio::test]
async fn long_waits_keep_what_was_listed() {
    let slack = channel(5).await;
    let source = Source::of(&slack, json!({}));
    let whole = source.list(None).await;
    slack.take_calls();
    slack.answer("conversations.replies", [Usual, Usual, RateLimited(30), RateLimited(30)]);
    let first = source.page(None, None, 1000, 5).await.unwrap();
    assert_eq!(first.entries.len(), 2);
    let error = source.page(first.next.as_deref(), None, 1000, 5).await.unwrap_err();
    let ConnectorError::Throttled { retry_after, .. } = error else { panic!("{error}") };
    assert_eq!(retry_after, Some(std::time::Duration::from_secs(30)));
    let rest = source.page(first.next.as_deref(), None, 1000, 5).await.unwrap();
    assert_eq!(rest.next, None);
    let mut all = hints(&first);
    all.extend(hints(&rest));
    assert_eq!(all, hints(&whole));
    let calls = slack.take_calls();
    assert_eq!(
        calls.iter().filter(|call| *call == "conversations.history").count(),
        1,
        "no message is read twice"
    );
    assert_eq!(calls.iter().filter(|call| *call == "conversations.replies").count(), 5 + 2);
}
