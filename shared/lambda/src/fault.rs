//! Points at which a test can have a function die: between a commit and what follows it.
//!
//! Builds without debug assertions, which is what is deployed to AWS, have none of this.

/// Ends the process as a crash would, if a file of that name lies in the folder that
/// `FAULT_POINTS_DIR` names. The file goes first: each is for one death.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    let Some(folder) = crate::env::optional("FAULT_POINTS_DIR") else {
        return;
    };
    if std::fs::remove_file(std::path::Path::new(&folder).join(name)).is_ok() {
        tracing::warn!(fault.point = name, "dying on request");
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(debug_assertions))]
pub const fn point(_name: &'static str) {}
