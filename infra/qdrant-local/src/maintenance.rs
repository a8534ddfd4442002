//! Background maintenance: flushing and optimizing.
//!
//! The engine optimizes only on request, and then until nothing is left: it merges small segments, rewrites those
//! with many deleted points, and builds the HNSW graph and quantized vectors of segments above the
//! collection's `indexing_threshold`. So each collection has a thread that, a moment after a write, makes a
//! checkpoint and runs the optimizers. Searches and writes continue meanwhile; vectors without an index are
//! scanned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::error::LocalError;

/// The delay between a write and its maintenance, which also covers later writes within the delay.
const DELAY: Duration = Duration::from_secs(1);

/// Something that a maintenance thread works on.
pub trait Maintained: Send + Sync + 'static {
    /// Returns the state of its maintenance.
    fn maintenance(&self) -> &Maintenance;
    /// Returns its name, for the log.
    fn name(&self) -> &str;
    /// Makes a checkpoint and, if `may_optimize`, runs the optimizers.
    fn maintain(&self, may_optimize: bool) -> Result<(), LocalError>;
}

/// The phase of a collection's maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Everything is flushed and optimized.
    #[default]
    Idle,
    /// There were writes since the last run.
    Pending,
    /// A run is in progress.
    Running,
}

/// The state of a maintenance thread.
#[derive(Debug, Default)]
pub struct Maintenance {
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

impl Maintenance {
    /// Starts the thread of `subject`.
    pub fn start<M: Maintained>(subject: &Arc<M>) {
        // For writes of an earlier process.
        subject.maintenance().state.lock().is_dirty = true;
        let worker = Arc::clone(subject);
        let thread = thread::Builder::new().name("qdrant-maintenance".to_owned());
        if let Err(error) = thread.spawn(move || work(&*worker)) {
            let mut state = subject.maintenance().state.lock();
            state.failure = Some(format!("cannot start the maintenance thread: {error}"));
            state.has_stopped = true;
        }
    }

    /// Requests a run, after a write.
    pub fn mark_dirty(&self) {
        self.state.lock().is_dirty = true;
        self.changed.notify_all();
    }

    /// Returns the current phase.
    pub fn phase(&self) -> Phase {
        let state = self.state.lock();
        match (state.is_running, state.is_dirty) {
            (true, _) => Phase::Running,
            (false, true) => Phase::Pending,
            (false, false) => Phase::Idle,
        }
    }

    /// Returns the error of the last run, if it failed.
    pub fn failure(&self) -> Option<String> {
        self.state.lock().failure.clone()
    }

    /// Makes the thread run once more, without optimizing, and end. The engine cannot be interrupted while it
    /// optimizes.
    pub fn stop(&self) {
        self.state.lock().should_stop = true;
        self.changed.notify_all();
    }

    /// Waits for the thread to end; returns whether it ended before `deadline`.
    pub fn wait_stopped(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        while !state.has_stopped {
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return state.has_stopped;
            }
        }
        true
    }

    /// Waits for a request and the delay; returns whether to continue after this run.
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

fn work(subject: &impl Maintained) {
    let maintenance = subject.maintenance();
    loop {
        let continues = maintenance.wait_for_work();
        let result = catch_unwind(AssertUnwindSafe(|| subject.maintain(continues)))
            .unwrap_or_else(|_| Err(LocalError::Internal("the engine panicked".to_owned())));
        if let Err(error) = &result {
            tracing::error!(collection.name = subject.name(), %error, "maintenance failed");
        }
        maintenance.finish_run(result);
        if !continues {
            break;
        }
    }
    maintenance.state.lock().has_stopped = true;
    maintenance.changed.notify_all();
}
