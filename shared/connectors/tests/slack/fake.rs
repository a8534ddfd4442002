//! A workspace: its channels and messages, and what is to go wrong.

use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::state::{Instead, State};

/// A running fake.
pub struct Slack {
    pub url: String,
    state: Arc<Mutex<State>>,
    running: JoinHandle<()>,
}

impl Slack {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { page: 1000, ..State::default() }));
        let app = crate::methods::router(Arc::clone(&state), url.clone());
        let running = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, state, running }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn add_channel(&self, id: &str, name: &str, is_private: bool) {
        let mut state = self.state();
        state.channels.push(json!({ "id": id, "name": name, "is_private": is_private }));
        state.messages.insert(id.to_owned(), Vec::new());
    }

    /// Sends a message and returns its time.
    pub fn say(&self, channel: &str, at: DateTime<Utc>, text: &str) -> String {
        self.add(channel, at, json!({ "type": "message", "user": "U1", "text": text }))
    }

    pub fn reply(&self, channel: &str, thread: &str, at: DateTime<Utc>, text: &str) -> String {
        let message = json!({ "type": "message", "user": "U2", "text": text, "thread_ts": thread });
        self.edit(channel, thread, |root| root["thread_ts"] = json!(thread));
        self.add(channel, at, message)
    }

    pub fn add(&self, channel: &str, at: DateTime<Utc>, mut message: Value) -> String {
        let ts = format!("{}.{:06}", at.timestamp(), at.timestamp_subsec_micros());
        message["ts"] = json!(ts);
        let mut state = self.state();
        let messages = state.messages.get_mut(channel).unwrap();
        messages.push(message);
        messages.sort_by(|one, other| one["ts"].as_str().cmp(&other["ts"].as_str()));
        ts
    }

    pub fn edit(&self, channel: &str, ts: &str, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        let messages = state.messages.get_mut(channel).unwrap();
        change(messages.iter_mut().find(|message| message["ts"] == ts).unwrap());
    }

    pub fn delete(&self, channel: &str, ts: &str) {
        self.state().messages.get_mut(channel).unwrap().retain(|message| message["ts"] != ts);
    }

    /// The next answers of a method.
    pub fn answer(&self, method: &str, answers: impl IntoIterator<Item = Instead>) {
        self.state().instead.insert(method.to_owned(), answers.into_iter().collect());
    }

    /// The methods that were called since the last time.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls).into_iter().map(|(method, _)| method).collect()
    }
}

impl Drop for Slack {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Noon, some days ago.
pub fn noon(days_ago: i64) -> DateTime<Utc> {
    let day = (Utc::now() - Duration::days(days_ago)).date_naive();
    day.and_hms_opt(12, 0, 0).unwrap().and_utc()
}
