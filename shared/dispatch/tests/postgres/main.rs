//! How operations start and end, on a real PostgreSQL. No queue can be reached: what then happens to
//! the messages is part of what is tested.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod lock_order;
#[cfg(test)]
mod requeue;
#[cfg(test)]
mod start;
