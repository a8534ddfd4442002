//! The life of the process that handles messages: it ends before one of its calls to a server.

use std::sync::{Arc, Mutex};

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::watch;

/// Counts the calls of a process and ends it. Every server that the stages use calls [`Life::step`] before
/// it serves a call. A process that has died never makes another call: calls that it had sent and that
/// arrive later are not served.
#[derive(Debug)]
pub(crate) struct Life {
    /// The calls that are left; unlimited without a value.
    calls_left: Mutex<Option<u32>>,
    is_dead: watch::Sender<bool>,
    in_flight: watch::Sender<usize>,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self {
            calls_left: Mutex::new(None),
            is_dead: watch::Sender::new(false),
            in_flight: watch::Sender::new(0),
        }
    }

    /// Runs a handler, which dies before its call of number `calls`, from 0; without a number, to its end.
    /// Returns `None` if it died: then it is dropped, like the memory of a process.
    pub(crate) async fn run<T>(&self, calls: Option<u32>, work: impl Future<Output = T>) -> Option<T> {
        *self.calls_left.lock().unwrap() = calls;
        let mut death = self.is_dead.subscribe();
        let result = tokio::select! {
            biased;
            result = work => Some(result),
            _ = death.wait_for(|is_dead| *is_dead) => None,
        };
        *self.calls_left.lock().unwrap() = None;
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

    /// Waits until every call that is being served has been.
    pub(crate) async fn wait_until_served(&self) {
        self.in_flight.subscribe().wait_for(|calls| *calls == 0).await.unwrap();
    }
}

/// A pool in which taking a connection counts as a call.
pub(crate) fn counting_pool(database: &PgPool, life: &Arc<Life>) -> PgPool {
    let (taken, made) = (Arc::clone(life), Arc::clone(life));
    PgPoolOptions::new()
        .max_connections(8)
        .test_before_acquire(false)
        .before_acquire(move |_, _| {
            let life = Arc::clone(&taken);
            Box::pin(async move {
                life.step().await;
                Ok(true)
            })
        })
        .after_connect(move |_, _| {
            let life = Arc::clone(&made);
            Box::pin(async move {
                life.step().await;
                Ok(())
            })
        })
        .connect_lazy_with((*database.connect_options()).clone())
}
