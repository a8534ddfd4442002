//! DNS answers as attackers give them.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Mutex;

/// The answers for each name, one after the other; the last one is repeated.
#[derive(Debug, Default)]
pub(crate) struct ResolverTable {
    answers: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
}

impl ResolverTable {
    /// Adds the next answer for a name.
    pub(crate) fn answer(self, name: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.answers.lock().unwrap().entry(name.to_owned()).or_default().push_back(addresses);
        self
    }

    pub(crate) fn lookup(&self, name: &str) -> Vec<IpAddr> {
        let mut answers = self.answers.lock().unwrap();
        let Some(queue) = answers.get_mut(name) else { return Vec::new() };
        if queue.len() > 1 { queue.pop_front().unwrap() } else { queue[0].clone() }
    }
}
