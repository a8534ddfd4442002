//! The methods of the fake, with the shapes of <https://docs.slack.dev/reference/methods>.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::state::{Instead, State, TOKEN};

type Parameters = HashMap<String, String>;

#[derive(Clone)]
struct App {
    state: Arc<Mutex<State>>,
    url: String,
}

pub fn router(state: Arc<Mutex<State>>, url: String) -> Router {
    Router::new()
        .route("/api/{method}", get(call))
        .route("/files/{id}", get(download))
        .with_state(App { state, url })
}

fn is_signed_in(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|value| value == &format!("Bearer {TOKEN}"))
}

fn refuse(error: &str) -> Value {
    json!({ "ok": false, "error": error })
}

async fn call(
    Shared(app): Shared<App>,
    Path(method): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let mut state = app.state.lock().unwrap();
    state.calls.push((method.clone(), parameters.clone()));
    match state.instead.get_mut(&method).and_then(|answers| answers.pop_front()) {
        Some(Instead::RateLimited(seconds)) => {
            let wait = [(header::RETRY_AFTER, seconds.to_string())];
            return (StatusCode::TOO_MANY_REQUESTS, wait, refuse("ratelimited").to_string()).into_response();
        }
        Some(Instead::Error(error, needed)) => {
            let mut answer = refuse(error);
            answer["needed"] = json!(needed);
            answer["provided"] = json!("chat:write");
            return axum::Json(answer).into_response();
        }
        Some(Instead::Status(status)) => return StatusCode::from_u16(status).unwrap().into_response(),
        Some(Instead::Usual) | None => {}
    }
    if !is_signed_in(&headers) {
        return axum::Json(refuse("invalid_auth")).into_response();
    }
    let answer = match method.as_str() {
        "auth.test" => {
            json!({ "ok": true, "url": "https://acme.slack.com/", "team": "Acme", "team_id": "T1" })
        }
        "conversations.list" => list_channels(&state, &parameters),
        "conversations.info" => channel_info(&state, &parameters),
        "conversations.history" => history(&state, &parameters),
        "conversations.replies" => replies(&state, &parameters),
        "users.info" => user(&parameters["user"]),
        "files.info" => match state.files.get(&parameters["file"]) {
            Some((file, _)) => json!({ "ok": true, "file": file, "comments": [] }),
            None => refuse("file_not_found"),
        },
        _ => refuse("unknown_method"),
    };
    axum::Json(answer).into_response()
}

fn user(id: &str) -> Value {
    match id {
        "U1" => json!({ "ok": true, "user": { "id": "U1", "name": "ada", "real_name": "Ada Lovelace",
            "profile": { "display_name": "", "real_name": "Ada Lovelace" } } }),
        "U2" => json!({ "ok": true, "user": { "id": "U2", "name": "bob", "real_name": "Bob Doe",
            "profile": { "display_name": "bobby", "real_name": "Bob Doe" } } }),
        _ => refuse("user_not_found"),
    }
}

/// A page of a list, and the cursor of the next one.
fn page(items: Vec<Value>, parameters: &Parameters, state: &State) -> (Vec<Value>, bool, Value) {
    let asked: usize = parameters.get("limit").map_or(100, |limit| limit.parse().unwrap());
    let cursor = parameters.get("cursor").and_then(|cursor| cursor.strip_prefix("dXNlcjp"));
    let start: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
    let end = items.len().min(start + asked.min(state.page));
    let next = if end < items.len() { format!("dXNlcjp{end}") } else { String::new() };
    let has_more = end < items.len();
    (items[start..end].to_vec(), has_more, json!({ "next_cursor": next }))
}

fn list_channels(state: &State, parameters: &Parameters) -> Value {
    let with_private = parameters.get("types").is_some_and(|types| types.contains("private_channel"));
    let seen = state.channels.iter().filter(|channel| with_private || channel["is_private"] == false);
    let (channels, _, metadata) = page(seen.cloned().collect(), parameters, state);
    json!({ "ok": true, "channels": channels, "response_metadata": metadata })
}

fn channel_info(state: &State, parameters: &Parameters) -> Value {
    match state.channels.iter().find(|channel| channel["id"] == parameters["channel"]) {
        Some(channel) => json!({ "ok": true, "channel": channel }),
        None => refuse("channel_not_found"),
    }
}

fn ts(message: &Value) -> &str {
    message["ts"].as_str().unwrap()
}

/// A message with what Slack says of its thread.
fn shown(message: &Value, all: &[Value]) -> Value {
    let mut shown = message.clone();
    let replies: Vec<&str> = all.iter().filter(|reply| is_reply_to(reply, ts(message))).map(ts).collect();
    if let Some(latest) = replies.last() {
        shown["thread_ts"] = json!(ts(message));
        shown["reply_count"] = json!(replies.len());
        shown["latest_reply"] = json!(latest);
    }
    shown
}

fn is_reply_to(message: &Value, thread: &str) -> bool {
    message["thread_ts"] == thread && ts(message) != thread
}

fn history(state: &State, parameters: &Parameters) -> Value {
    let Some(all) = state.messages.get(&parameters["channel"]) else { return refuse("channel_not_found") };
    let is_inclusive = parameters.get("inclusive").is_some_and(|value| value == "true");
    let time = |ts: &str| ts.parse::<f64>().unwrap();
    let is_within = |message: &&Value| {
        let at = time(ts(message));
        let oldest = parameters.get("oldest").map_or(0.0, |oldest| time(oldest));
        let latest = parameters.get("latest").map_or(f64::MAX, |latest| time(latest));
        if is_inclusive { at >= oldest && at <= latest } else { at > oldest && at < latest }
    };
    let is_in_channel = |message: &&Value| {
        let is_reply = message.get("thread_ts").is_some_and(|thread| thread != ts(message));
        !is_reply || message["subtype"] == "thread_broadcast"
    };
    let newest_first =
        all.iter().rev().filter(is_within).filter(is_in_channel).map(|message| shown(message, all));
    let (messages, has_more, metadata) = page(newest_first.collect(), parameters, state);
    json!({ "ok": true, "messages": messages, "has_more": has_more, "pin_count": 0, "response_metadata": metadata })
}

fn replies(state: &State, parameters: &Parameters) -> Value {
    let Some(all) = state.messages.get(&parameters["channel"]) else { return refuse("channel_not_found") };
    let thread = &parameters["ts"];
    let Some(root) = all.iter().find(|message| ts(message) == thread) else {
        return refuse("thread_not_found");
    };
    let replies = all.iter().filter(|message| is_reply_to(message, thread)).cloned().collect();
    let (replies, has_more, metadata) = page(replies, parameters, state);
    let messages: Vec<Value> = [shown(root, all)].into_iter().chain(replies).collect();
    json!({ "ok": true, "messages": messages, "has_more": has_more, "response_metadata": metadata })
}

async fn download(Shared(app): Shared<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let state = app.state.lock().unwrap();
    if state.hides_files || !is_signed_in(&headers) {
        return Redirect::to(&format!("{}/?redir=%2Ffiles", app.url)).into_response();
    }
    match state.files.get(&id) {
        Some((_, bytes)) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
