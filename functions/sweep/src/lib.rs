//! Every minute: dispatches again, drains dead letters, tidies.
