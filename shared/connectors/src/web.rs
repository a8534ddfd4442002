//! Web pages, for the connectors that read them: what belongs to a source, what may be requested, and what a page
//! says about itself.

pub(crate) mod crawl;
pub(crate) mod html;
pub(crate) mod robots;
pub(crate) mod scope;
pub(crate) mod sitemap;
pub(crate) mod visit;
