//! Arrivals in the staging bucket, handled on a real PostgreSQL.

// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

#[cfg(test)]
mod announced;
#[cfg(test)]
mod bucket;
#[cfg(test)]
mod drops;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod pushes;
#[cfg(test)]
mod world;
