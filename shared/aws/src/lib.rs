//! What all clients of AWS share: the SDK's configuration (credentials, region, endpoint, HTTP client), and what the
//! errors of S3 mean.
//!
//! The SDK's own variable `AWS_ENDPOINT_URL` points the same binary at AWS or at an emulator. TLS is rustls with
//! ring: aws-lc-rs would add a C library to every build.

mod s3_refusal;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

pub use s3_refusal::S3Refusal;

/// Loads region, credentials and endpoint from the environment.
pub async fn sdk_config() -> SdkConfig {
    let http_client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http_client).load().await
}
