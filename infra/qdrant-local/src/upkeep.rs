//! Work in the background: flushing, and building indexes.
//!
//! The engine optimises only when told to, and then until nothing is left to do: it merges
//! small segments, rewrites those with many deleted points, and gives segments beyond the
//! collection's `indexing_threshold` their HNSW graph and quantized vectors. So each collection
//! has a thread that, a moment after a write, makes a checkpoint and lets the engine optimise.
//! Searches and writes go on meanwhile: what is not indexed yet is scanned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::collection::Collection;
use crate::error::LocalError;

/// How long after a write the upkeep starts; what is written until then goes along.
const DELAY: Duration = Duration::from_secs(1);

/// What the upkeep of a collection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Everything is flushed and optimised.
    #[default]
    Idle,
    /// Something was written since the last run.
    Pending,
    /// A run is under way.
    Running,
}

/// The state of a collection's upkeep thread.
#[derive(Debug, Default)]
pub struct Upkeep {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_dirty: bool,
    is_running: bool,
    should_stop: bool,
    has_stopped: bool,
    failure: Option<String>,
}

impl Upkeep {
    /// Starts the thread of `collection`.
    pub fn start(collection: &Arc<Collection>) {
        // What was written before, or left undone by a process that was killed.
        collection.upkeep.state.lock().is_dirty = true;
        let worker = Arc::clone(collection);
        let spawned = thread::Builder::new().name("qdrant-upkeep".to_owned()).spawn(move || work(worker));
        if let Err(error) = spawned {
            let mut state = collection.upkeep.state.lock();
            state.failure = Some(format!("no thread for the upkeep: {error}"));
            state.has_stopped = true;
        }
    }

    /// Says that something was written.
    pub fn mark_dirty(&self) {
        self.state.lock().is_dirty = true;
        self.changed.notify_all();
    }

    /// What is being done.
    pub fn phase(&self) -> Phase {
        let state = self.state.lock();
        match (state.is_running, state.is_dirty) {
            (true, _) => Phase::Running,
            (false, true) => Phase::Pending,
            (false, false) => Phase::Idle,
        }
    }

    /// Why the last run failed, if it did.
    pub fn failure(&self) -> Option<String> {
        self.state.lock().failure.clone()
    }

    /// Tells the thread to make a last checkpoint and end. The engine cannot be interrupted
    /// while it optimises.
    pub fn stop(&self) {
        self.state.lock().should_stop = true;
        self.changed.notify_all();
    }

    /// Waits for the thread to end; whether it did before `deadline`.
    pub fn wait_stopped(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        while !state.has_stopped {
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return state.has_stopped;
            }
        }
        true
    }

    /// Waits until there is something to do, and a moment longer; whether to go on after it.
    fn wait_for_work(&self) -> bool {
        let mut state = self.state.lock();
        while !state.is_dirty && !state.should_stop {
            self.changed.wait(&mut state);
        }
        let start = Instant::now() + DELAY;
        while !state.should_stop && !self.changed.wait_until(&mut state, start).timed_out() {}
        state.is_dirty = false;
        state.is_running = true;
        !state.should_stop
    }

    fn finish_run(&self, result: Result<(), LocalError>) {
        let mut state = self.state.lock();
        state.is_running = false;
        state.failure = result.err().map(|error| error.to_string());
        self.changed.notify_all();
    }
}

fn work(collection: Arc<Collection>) {
    loop {
        let goes_on = collection.upkeep.wait_for_work();
        let result = catch_unwind(AssertUnwindSafe(|| run(&collection, goes_on)))
            .unwrap_or_else(|_| Err(LocalError::Internal("the engine panicked".to_owned())));
        if let Err(error) = &result {
            let name = &collection.definition().collection_name;
            tracing::error!(collection.name = name, %error, "upkeep failed");
        }
        collection.upkeep.finish_run(result);
        if !goes_on {
            break;
        }
    }
    let mut state = collection.upkeep.state.lock();
    state.has_stopped = true;
    collection.upkeep.changed.notify_all();
}

fn run(collection: &Collection, may_optimize: bool) -> Result<(), LocalError> {
    let _files = collection.files.lock();
    collection.checkpoint()?;
    if !may_optimize {
        return Ok(());
    }
    let start = Instant::now();
    if collection.optimize()? {
        collection.checkpoint()?;
        let name = &collection.definition().collection_name;
        let elapsed_ms = start.elapsed().as_millis();
        tracing::info!(collection.name = name, elapsed_ms, "optimised");
    }
    Ok(())
}
