//! The life of the process that handles a message: it ends before one of its calls to a server.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

/// Counts the calls of a handler and ends it. Every server that the stages use calls [`Life::step`] before
/// it serves a call.
#[derive(Debug)]
pub(crate) struct Life {
    /// The calls that are left; unlimited without a value.
    calls_left: Mutex<Option<u32>>,
    is_dead: watch::Sender<bool>,
    deaths: AtomicUsize,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self { calls_left: Mutex::new(None), is_dead: watch::Sender::new(false), deaths: AtomicUsize::new(0) }
    }

    /// Runs a handler that dies before its call of number `calls`, from 0; without a number, to its end.
    /// Returns `None` if it died: then it is dropped, like the memory of a process.
    pub(crate) async fn run<T>(&self, calls: Option<u32>, work: impl Future<Output = T>) -> Option<T> {
        *self.calls_left.lock().unwrap() = calls;
        self.is_dead.send_replace(false);
        let mut death = self.is_dead.subscribe();
        let result = tokio::select! {
            biased;
            result = work => Some(result),
            _ = death.wait_for(|is_dead| *is_dead) => None,
        };
        *self.calls_left.lock().unwrap() = None;
        if result.is_none() {
            self.deaths.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// Counts a call. The call at which the process dies is never served and never returns.
    pub(crate) async fn step(&self) {
        let is_last = {
            let mut calls_left = self.calls_left.lock().unwrap();
            match calls_left.as_mut() {
                Some(0) => true,
                Some(calls) => {
                    *calls -= 1;
                    false
                }
                None => false,
            }
        };
        if is_last {
            self.is_dead.send_replace(true);
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn deaths(&self) -> usize {
        self.deaths.load(Ordering::Relaxed)
    }
}
