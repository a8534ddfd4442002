//! What a workspace knows, and what is to go wrong.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

pub const TOKEN: &str = "xoxb-7-secret";

/// What it knows.
#[derive(Default)]
pub struct State {
    /// By channel id, oldest first, with replies.
    pub messages: HashMap<String, Vec<Value>>,
    /// By id, as `conversations.list` has them.
    pub channels: Vec<Value>,
    pub files: HashMap<String, (Value, String)>,
    /// The most messages, channels or replies of an answer.
    pub page: usize,
    /// Answers that are given instead, by method.
    pub instead: HashMap<String, VecDeque<Instead>>,
    /// What was called, with its parameters.
    pub calls: Vec<(String, HashMap<String, String>)>,
    /// Whether the token lacks `files:read`.
    pub hides_files: bool,
}

/// An answer that is not the usual one.
#[derive(Clone)]
pub enum Instead {
    /// `429` with `Retry-After` in seconds.
    RateLimited(u64),
    /// `ok: false` with this error, and the scope that is needed.
    Error(&'static str, &'static str),
    /// The usual one.
    Usual,
    /// A server that is down.
    Status(u16),
}
