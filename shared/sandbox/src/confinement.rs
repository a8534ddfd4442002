//! Limits that the child process sets itself.

use std::io;
use std::os::fd::AsFd;

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::set_no_new_privs;

use crate::Limits;

/// Limits this process: memory, processor time, no writing to files, no core dump, no gain of rights. There is no way
/// back. An end with the parent is not among them: the kernel would send it when the thread ends that has started the
/// child, not the process.
///
/// # Errors
/// Returns an error if the kernel refuses; nothing untrusted may be read then.
pub fn confine(limits: &Limits) -> io::Result<()> {
    set_no_new_privs(true)?;
    limit(Resource::As, limits.memory_bytes)?;
    limit(Resource::Cpu, limits.cpu_seconds)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Core, 0)
}

/// Forbids this process to open files, sockets or anything else that has a descriptor, beyond those that are open.
///
/// # Errors
/// As [`confine`].
pub fn forbid_files() -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // The lowest free descriptor is what a copy gets.
    let next = io::stdin().as_fd().try_clone_to_owned()?.as_raw_fd();
    limit(Resource::Nofile, u64::try_from(next).map_err(io::Error::other)?)
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}
