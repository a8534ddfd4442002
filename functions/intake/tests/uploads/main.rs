//! Events of the staging bucket, handled on a real PostgreSQL. The queue cannot be reached: messages are
//! left to sweep.

#[cfg(test)]
mod events;
