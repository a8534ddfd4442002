//! GitHub's API, for issues, pull requests and discussions: <https://docs.github.com/en/rest>,
//! <https://docs.github.com/en/graphql>

pub(crate) mod api;
mod cursor;
pub(crate) mod discussions;
pub(crate) mod document;
pub(crate) mod issues;
mod listing;
pub(crate) mod selection;
pub(crate) mod steps;
