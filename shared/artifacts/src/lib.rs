//! S3: typed keys, artifacts, presigned URLs.
//!
//! [`ArtifactStore`] is a client of the staging bucket. [`domain::ArtifactKey`] names its objects; [`codec`]
//! defines the formats of those that stages exchange.
//!
//! If S3 cannot be reached or limits the request rate, every call returns [`ArtifactError::Call`], which is
//! `Unavailable`. If it refuses to return an object, whoever asks and however often, reads return
//! [`ArtifactError::Refused`].

mod arrival;
mod batches;
pub mod codec;
mod copy;
mod deletion;
mod error;
mod listing;
mod multipart;
mod presign;
mod store;

pub use arrival::ArrivedObject;
pub use batches::BatchKey;
pub use error::ArtifactError;
pub use listing::{ListedObject, ObjectPage};
pub use multipart::ArtifactWriter;
pub use presign::{PresignedUpload, UploadContent};
pub use store::{ArtifactReader, ArtifactStore, ObjectHead};
