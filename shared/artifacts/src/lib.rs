//! S3: typed keys, staged artifacts, presigned URLs.
//!
//! [`ArtifactStore`] is the staging bucket. Objects are named by [`domain::ArtifactKey`] and
//! nothing else; [`codec`] says what is inside those that one stage leaves for the next.

mod batches;
pub mod codec;
mod error;
mod multipart;
mod presign;
mod store;

pub use batches::BatchKey;
pub use error::ArtifactError;
pub use multipart::ArtifactWriter;
pub use presign::PresignedUpload;
pub use store::{ArtifactReader, ArtifactStore, ObjectHead};
