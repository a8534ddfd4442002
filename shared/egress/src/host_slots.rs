//! How many requests a host gets at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Host;

/// Bounds the concurrent requests to each host.
#[derive(Debug)]
pub(crate) struct HostSlots {
    per_host: usize,
    hosts: Mutex<HashMap<Host<String>, Weak<Semaphore>>>,
}

impl HostSlots {
    pub(crate) fn new(per_host: usize) -> Self {
        Self { per_host: per_host.max(1), hosts: Mutex::default() }
    }

    /// Waits until the host has a free slot, which is held until the permit is dropped.
    pub(crate) async fn acquire(&self, host: &Host<String>) -> OwnedSemaphorePermit {
        let Ok(permit) = self.slots_of(host).acquire_owned().await else {
            unreachable!("the semaphore of a host is never closed");
        };
        permit
    }

    fn slots_of(&self, host: &Host<String>) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slots) = hosts.get(host).and_then(Weak::upgrade) {
            return slots;
        }
        // Hosts without requests are forgotten when another one appears, so the map stays as small as what is in
        // flight.
        hosts.retain(|_, slots| slots.strong_count() > 0);
        let slots = Arc::new(Semaphore::new(self.per_host));
        hosts.insert(host.clone(), Arc::downgrade(&slots));
        slots
    }
}
