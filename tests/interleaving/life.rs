//! The life of the process that handles a message: it ends before one of its calls to a server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

/// How long requests of a dead process may take to arrive; they are not served.
const ARRIVAL: Duration = Duration::from_millis(10);

/// Counts the calls of a handler and ends it. Every server that the stages use calls [`Life::step`] before
/// it serves a call.
#[derive(Debug)]
pub(crate) struct Life {
    /// The calls that are left; unlimited without a value.
    calls_left: Mutex<Option<u32>>,
    is_dead: watch::Sender<bool>,
    in_flight: watch::Sender<usize>,
    deaths: AtomicUsize,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self {
            calls_left: Mutex::new(None),
            is_dead: watch::Sender::new(false),
            in_flight: watch::Sender::new(0),
            deaths: AtomicUsize::new(0),
        }
    }

    /// Runs a handler that dies before its call of number `calls`, from 0; without a number, to its end.
    /// Returns `None` if it died: then it is dropped, like the memory of a process, and the calls that it
    /// had sent before are served.
    pub(crate) async fn run<T>(&self, calls: Option<u32>, work: impl Future<Output = T>) -> Option<T> {
        *self.calls_left.lock().unwrap() = calls;
        let mut death = self.is_dead.subscribe();
        let result = tokio::select! {
            biased;
            result = work => Some(result),
            _ = death.wait_for(|is_dead| *is_dead) => None,
        };
        *self.calls_left.lock().unwrap() = None;
        if result.is_none() {
            self.deaths.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(ARRIVAL).await;
            self.in_flight.subscribe().wait_for(|calls| *calls == 0).await.unwrap();
            self.is_dead.send_replace(false);
        }
        result
    }

    /// Counts a call. The call at which the process dies, and those after it, are not served and do not
    /// return.
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
        }
        if *self.is_dead.borrow() {
            std::future::pending::<()>().await;
        }
    }

    /// Counts a call and serves it to its end, even if its caller dies meanwhile.
    pub(crate) async fn serve<T: Send + 'static>(
        self: Arc<Self>,
        call: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.step().await;
        self.in_flight.send_modify(|calls| *calls += 1);
        let served = tokio::spawn(async move {
            let response = call.await;
            self.in_flight.send_modify(|calls| *calls -= 1);
            response
        });
        served.await.unwrap()
    }

    pub(crate) fn deaths(&self) -> usize {
        self.deaths.load(Ordering::Relaxed)
    }
}
