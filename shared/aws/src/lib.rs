//! The AWS SDK configuration that all clients share: credentials, region, endpoint, HTTP client.
//!
//! The SDK's own variable `AWS_ENDPOINT_URL` points the same binary at AWS or at an emulator. TLS is rustls with
//! ring: aws-lc-rs would add a C library to every build.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// Loads region, credentials and endpoint from the environment.
pub async fn sdk_config() -> SdkConfig {
    let http_client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http_client).load().await
}
