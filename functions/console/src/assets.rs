//! The files of the page, which are part of the binary.

use sha2::{Digest, Sha256};

/// The page, before the version and the modules are filled in.
pub(crate) const PAGE: &str = include_str!("../web/index.html");

/// A file that the page loads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asset {
    /// Below `web/`.
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) content: &'static [u8],
}

impl Asset {
    pub(crate) fn is_module(&self) -> bool {
        self.content_type == SCRIPT
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($content_type:expr => [$($path:literal),* $(,)?]),* $(,)?) => {
        &[$($(Asset {
            path: $path,
            content_type: $content_type,
            content: include_bytes!(concat!("../web/", $path)),
        },)*)*]
    };
}

static ASSETS: &[Asset] = assets! {
    SCRIPT => [
        "app.js",
        "parts/api.js",
        "parts/format.js",
        "parts/html.js",
        "parts/load.js",
        "parts/passage.js",
        "parts/route.js",
        "parts/schema_form.js",
        "parts/ui.js",
        "parts/uploads.js",
        "views/administration.js",
        "views/audit.js",
        "views/collection.js",
        "views/collections.js",
        "views/document.js",
        "views/documents.js",
        "views/grants.js",
        "views/hit.js",
        "views/keys.js",
        "views/mcp.js",
        "views/new_collection.js",
        "views/operations.js",
        "views/search.js",
        "views/settings.js",
        "views/sharing.js",
        "views/sign_in.js",
        "views/source_form.js",
        "views/sources.js",
        "views/upload.js",
        "views/usage.js",
        "views/users.js",
        "vendor/hooks.js",
        "vendor/htm.js",
        "vendor/preact.js",
    ],
    "text/css; charset=utf-8" => ["style.css"],
    "image/svg+xml" => ["icon.svg"],
    "text/plain; charset=utf-8" => ["vendor/LICENSES.txt"],
};

pub(crate) fn all() -> &'static [Asset] {
    ASSETS
}

/// Paths are compared with the list, so no path leads out of it.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

/// Returns a digest of all files.
pub(crate) fn version() -> String {
    let mut digest = Sha256::new();
    digest.update(PAGE);
    for asset in ASSETS {
        digest.update(asset.path);
        digest.update(asset.content);
    }
    hex::encode(&digest.finalize()[..8])
}
