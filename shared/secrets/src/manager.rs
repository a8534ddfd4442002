//! Reading from Secrets Manager.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use secrecy::SecretString;
use tokio::sync::OnceCell;

/// The time limits of one attempt, and of all attempts: requests wait for it.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(5);

/// A secret in Secrets Manager.
#[derive(Debug)]
pub(crate) struct ManagedSecret {
    arn: String,
    client: OnceCell<Client>,
}

impl ManagedSecret {
    pub(crate) fn new(arn: &str) -> Self {
        Self { arn: arn.to_owned(), client: OnceCell::new() }
    }

    /// Reads the current version.
    ///
    /// # Errors
    /// Returns the reason if that fails, or if the secret is binary.
    pub(crate) async fn read(&self) -> Result<SecretString, String> {
        let client = self.client.get_or_init(connect).await;
        let response = client.get_secret_value().secret_id(&self.arn).send().await;
        let response = response.map_err(|error| DisplayErrorContext(&error).to_string())?;
        let text = response.secret_string.ok_or("it is binary; text is required")?;
        Ok(SecretString::from(text))
    }
}

async fn connect() -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(TIMEOUT)
        .build();
    let sdk = aws::sdk_config().await;
    Client::from_conf(
        aws_sdk_secretsmanager::Config::from(&sdk).to_builder().timeout_config(timeouts).build(),
    )
}
