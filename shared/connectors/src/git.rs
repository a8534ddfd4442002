//! The git protocol, version 2, as far as reading one version of a repository needs it: which commit a ref is, the trees
//! of that commit without its files, and files by their ids: <https://git-scm.com/docs/protocol-v2>
//!
//! No history is transferred and nothing is cloned. What arrives is a pack, whose objects name themselves by their
//! SHA-1, so nothing else about it has to be trusted; its sizes are bounded while it is read.

mod answer;
pub(crate) mod blobs;
pub(crate) mod cache;
mod commands;
mod connection;
mod delta;
mod http;
pub(crate) mod links;
mod object;
mod pack;
mod pkt_line;
pub(crate) mod remote;
pub(crate) mod repository;
mod spool;
pub(crate) mod ssh;
#[cfg(test)]
mod testing;
mod tree;
mod unpack;
