//! The running stack's endpoints and builders for tests.
