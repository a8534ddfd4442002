//! IAM tokens of RDS: presigned URLs that serve as passwords.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html>

use std::time::{Duration, SystemTime};

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use secrecy::SecretString;
use tokio::sync::OnceCell;
use url::Url;

/// How long RDS accepts a token for new connections.
const LIFETIME: Duration = Duration::from_secs(900);

/// The database user that a token is for, and its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RdsUser {
    /// The host name of the endpoint, not an alias: the signature covers it.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user, who is a member of the role `rds_iam`.
    pub username: String,
}

/// Signs tokens with the credentials of the function's role.
#[derive(Debug)]
pub(crate) struct TokenSigner {
    user: RdsUser,
    sdk: OnceCell<SdkConfig>,
}

impl TokenSigner {
    pub(crate) fn new(user: RdsUser) -> Self {
        Self { user, sdk: OnceCell::new() }
    }

    /// Signs a token, without a call to AWS unless the credentials must be renewed.
    ///
    /// # Errors
    /// Returns the reason if there are no credentials or no region.
    pub(crate) async fn sign(&self) -> Result<SecretString, String> {
        let sdk = self.sdk.get_or_init(aws::sdk_config).await;
        let region = sdk.region().ok_or("no region is configured; set AWS_REGION")?;
        let provider = sdk.credentials_provider().ok_or("no credentials are configured")?;
        let credentials = provider.provide_credentials().await.map_err(|error| error.to_string())?;
        token(&self.user, credentials, region, SystemTime::now())
    }
}

fn token(
    user: &RdsUser,
    credentials: Credentials,
    region: &Region,
    now: SystemTime,
) -> Result<SecretString, String> {
    let mut url =
        Url::parse(&format!("https://{}:{}/", user.host, user.port)).map_err(|error| error.to_string())?;
    url.query_pairs_mut().append_pair("Action", "connect").append_pair("DBUser", &user.username);
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(LIFETIME);
    settings.signature_location = SignatureLocation::QueryParams;
    let identity = credentials.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region.as_ref())
        .name("rds-db")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let request = SignableRequest::new("GET", url.as_str(), std::iter::empty(), SignableBody::empty())
        .map_err(|error| error.to_string())?;
    let (signed, _signature) = sign(request, &params).map_err(|error| error.to_string())?.into_parts();
    for (name, value) in signed.params() {
        url.query_pairs_mut().append_pair(name, value);
    }
    // A token is the URL without its scheme.
    let text = url.as_str();
    Ok(SecretString::from(text.strip_prefix("https://").unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secrecy::ExposeSecret;

    use super::*;

    /// Signs for the user that the values below were made for, by `generate_db_auth_token` of botocore.
    fn sign_at_ten(session_token: Option<&str>) -> String {
        let user = RdsUser {
            host: "prod-instance.us-east-1.rds.amazonaws.com".to_owned(),
            port: 3306,
            username: "peccy".to_owned(),
        };
        let credentials = Credentials::new("akid", "secret", session_token.map(str::to_owned), None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_724_709_600);
        token(&user, credentials, &Region::new("us-east-1"), now).unwrap().expose_secret().to_owned()
    }

    #[test]
    fn a_token_is_the_one_that_other_sdks_sign() {
        assert_eq!(
            sign_at_ten(None),
            "prod-instance.us-east-1.rds.amazonaws.com:3306/?Action=connect&DBUser=peccy\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=akid%2F20240826%2Fus-east-1%2Frds-db%2Faws4_request&X-Amz-Date=20240826T220000Z\
             &X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=dd0cba843009474347af724090233265628ace491ea17ce3eb3da098b983ad89"
        );
    }

    #[test]
    fn the_session_token_of_a_role_is_signed_too() {
        let url = Url::parse(&format!("https://{}", sign_at_ten(Some("a/session+token=")))).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(query["X-Amz-Security-Token"], "a/session+token=");
        let signature = "1fa3fc55e4d4e5d48b560e9f92361893816e5b200f8daa9d4babcc8ee00fad30";
        assert_eq!(query["X-Amz-Signature"], signature);
    }
}
