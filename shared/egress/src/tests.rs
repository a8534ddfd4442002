//! Tests of the crate as a whole, against real servers on this machine.

pub(crate) mod resolver_table;
