//! One AWS SDK configuration for all clients: credentials, region, HTTP client.
//!
//! The endpoint comes from the SDK's own variable `AWS_ENDPOINT_URL`, so the same binary talks to
//! AWS and to an emulator. TLS is rustls over ring: aws-lc-rs would add a C library to every build.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// Reads region, credentials and endpoint from the environment, as every AWS SDK does.
pub async fn sdk_config() -> SdkConfig {
    let http_client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http_client).load().await
}
