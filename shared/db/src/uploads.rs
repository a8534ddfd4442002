//! Uploads: files that clients announce and then PUT to presigned URLs.
//!
//! What becomes of the files that arrive, announced or dropped into the bucket, is in `arrivals`; what sweep asks
//! for is in `checks`.

mod arrivals;
mod checks;
#[cfg(test)]
mod tests;
mod upload;

pub use arrivals::{Arrival, LatestArrival, LockedUpload, UploadArrivals};
pub use upload::{NewUpload, OpenUploads, Upload, UploadDocument, Uploads};
