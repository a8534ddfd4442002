//! Fault injection: points at which a test can crash a function, such as between a commit and the next
//! message.
//!
//! Compiled out of builds without debug assertions, and so of everything that is deployed to AWS.

/// Aborts the process if the folder `FAULT_POINTS_DIR` contains a file of this name. The file is deleted
/// first: each one causes one crash.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    let Some(folder) = crate::env::optional("FAULT_POINTS_DIR") else {
        return;
    };
    if std::fs::remove_file(std::path::Path::new(&folder).join(name)).is_ok() {
        tracing::warn!(fault.point = name, "crashing at a fault point");
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(debug_assertions))]
pub const fn point(_name: &'static str) {}
