//! What the clock makes the sweep function do to a real PostgreSQL. Nobody listens where the queues
//! should be: that nothing is lost by that is part of what is tested.

#[cfg(test)]
mod minute;
