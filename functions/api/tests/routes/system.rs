//! The description and the page that shows it.

mod docs;
mod openapi;
