//! The notify function against a real PostgreSQL and a real HTTP server.

#[cfg(test)]
mod receiver;
