//! The scheduled steps of the sweep function on a real PostgreSQL. The queues cannot be reached: that
//! nothing is lost by that is part of what is tested.

// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

#[cfg(test)]
mod minute;
