//! Tests of the crate as a whole, against real servers on this machine.

mod allow_list;
mod bodies;
mod limits;
mod names;
mod redirects;
pub(crate) mod resolver_table;
mod server;
mod spellings;
mod tls;
