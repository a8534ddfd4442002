//! The scheduled steps of the sweep function on a real PostgreSQL. The queues cannot be reached: that
//! nothing is lost by that is part of what is tested.

#[cfg(test)]
mod minute;
