//! Tokens that RDS accepts in place of a database password.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;

use crate::client::{Iam, IamConfig};

/// The longest time that RDS accepts a token. Source: the RDS User Guide, "IAM database
/// authentication".
const VALID_FOR: Duration = Duration::from_mins(15);
/// The end of the names of RDS's hosts; the region comes before it.
const RDS_SUFFIXES: [&str; 2] = [".rds.amazonaws.com", ".rds.amazonaws.com.cn"];
/// What RFC 3986 reserves, in a query.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Why no token could be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The SDK found no credentials.
    #[error("the AWS SDK found no credentials")]
    NoCredentials,
    /// The credentials could not be read.
    #[error("the AWS credentials could not be read")]
    Credentials(#[source] aws_credential_types::provider::error::CredentialsError),
    /// The region of the database is not known.
    #[error("the region of the database is not known: set AWS_REGION")]
    NoRegion,
    /// The request could not be signed.
    #[error("the token could not be signed")]
    Signing(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Makes tokens with the credentials of the service's AWS identity.
#[derive(Clone, Debug)]
pub struct DatabaseTokens {
    iam: Iam,
}

impl DatabaseTokens {
    /// Reads the SDK's configuration, for a command that does not use IAM otherwise. No call is made.
    pub async fn of_this_identity() -> Self {
        Self::new(Iam::connect(&IamConfig::default()).await)
    }

    /// Makes tokens with the credentials of this client.
    pub fn new(iam: Iam) -> Self {
        Self { iam }
    }

    /// Returns a token for a database user, valid for new connections for 15 minutes. The region is
    /// that in the host's name if the host is RDS's own name, otherwise that of the SDK's settings.
    ///
    /// # Errors
    /// When there are no credentials, or the region is not known.
    pub async fn token(
        &self,
        host: &str,
        port: u16,
        user: &str,
    ) -> Result<SecretString, TokenError> {
        let provider = self.iam.credentials().ok_or(TokenError::NoCredentials)?;
        let credentials = match provider.provide_credentials().await {
            Err(_) if self.iam.renew_credentials().await => {
                let renewed = self.iam.credentials().ok_or(TokenError::NoCredentials)?;
                renewed.provide_credentials().await
            }
            first => first,
        };
        let credentials = credentials.map_err(TokenError::Credentials)?;
        let region = signing_region(host, self.iam.sdk_region())?;
        signed(credentials, region, host, port, user, SystemTime::now())
    }
}

fn signing_region<'a>(host: &'a str, configured: Option<&'a str>) -> Result<&'a str, TokenError> {
    region_of(host).or(configured).ok_or(TokenError::NoRegion)
}

/// Returns the region in the name of an RDS host, such as `db.c1xyz.eu-central-1.rds.amazonaws.com`.
fn region_of(host: &str) -> Option<&str> {
    let mut suffixes = RDS_SUFFIXES.into_iter();
    let rest = suffixes.find_map(|suffix| host.strip_suffix(suffix))?;
    rest.rsplit('.').next()
}

fn signed(
    credentials: Credentials,
    region: &str,
    host: &str,
    port: u16,
    user: &str,
    at: SystemTime,
) -> Result<SecretString, TokenError> {
    let user = utf8_percent_encode(user, RESERVED);
    let url = format!("https://{host}:{port}/?Action=connect&DBUser={user}");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(VALID_FOR);
    let identity = credentials.into();
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| TokenError::Signing(error);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("rds-db")
        .time(at)
        .settings(settings)
        .build()
        .map_err(|error| failed(error.into()))?
        .into();
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]));
    let request = request.map_err(|error| failed(error.into()))?;
    let signed = sign(request, &params).map_err(|error| failed(error.into()))?;
    let (instructions, _) = signed.into_parts();
    let added = instructions.params().iter();
    let added = added.map(|(name, value)| {
        let value = utf8_percent_encode(value, RESERVED);
        format!("&{name}={value}")
    });
    let url = format!("{url}{}", added.collect::<String>());
    Ok(url.trim_start_matches("https://").into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use secrecy::ExposeSecret;

    use super::*;
    use crate::Endpoint;

    const HOST: &str = "db.abc.eu-central-1.rds.amazonaws.com";
    /// 2026-11-26T08:00:00Z.
    const AT: u64 = 1_795_680_000;
    /// What botocore 1.43.11 returns from `generate_db_auth_token` for the same values, without and
    /// with a session token.
    const BY_BOTOCORE: [(Option<&str>, &str); 2] = [
        (
            None,
            "db.abc.eu-central-1.rds.amazonaws.com:5432/?Action=connect&DBUser=engine_roles&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261126%2Feu-central-1%2Frds-db%2Faws4_request&X-Amz-Date=20261126T080000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=661f7edb44cea37cf5f300286ad2f72a37211bc8ca6e247176765607a52dd1cb",
        ),
        (
            Some("a/session+token=="),
            "db.abc.eu-central-1.rds.amazonaws.com:5432/?Action=connect&DBUser=engine_roles&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261126%2Feu-central-1%2Frds-db%2Faws4_request&X-Amz-Date=20261126T080000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=a%2Fsession%2Btoken%3D%3D&X-Amz-Signature=3c5e6d3fe56278cdb2e352723a8cb1fa89e4cf18b8085ac56d2565a9753f85c5",
        ),
    ];

    #[test]
    fn a_token_is_the_one_that_botocore_makes() {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(AT);
        for (session, expected) in BY_BOTOCORE {
            let session = session.map(str::to_owned);
            let credentials = Credentials::new("AKIDEXAMPLE", secret, session, None, "test");
            let token = signed(credentials, "eu-central-1", HOST, 5432, "engine_roles", at);
            let token = token.expect("a token");
            // The order of the parameters makes no difference.
            let parts = |token: &str| {
                let parts = token.split(['?', '&']).map(str::to_owned);
                parts.collect::<BTreeSet<_>>()
            };
            assert_eq!(parts(token.expose_secret()), parts(expected));
        }
    }

    #[test]
    fn the_region_is_the_one_in_the_name_of_an_rds_host() {
        assert_eq!(region_of(HOST), Some("eu-central-1"));
        let china = "a.b.cn-north-1.rds.amazonaws.com.cn";
        assert_eq!(region_of(china), Some("cn-north-1"));
        assert_eq!(region_of("database.internal"), None);
    }

    #[tokio::test]
    async fn without_a_region_there_is_no_token() {
        let endpoint = Endpoint {
            url: "http://127.0.0.1:9".to_owned(),
            access_key_id: "A".to_owned(),
            secret_access_key: "B".to_owned(),
        };
        let iam = Iam::connect_to(&endpoint, &IamConfig::default()).await;
        let token = DatabaseTokens::new(iam).token(HOST, 5432, "user").await;
        let token = token.expect("a token");
        assert!(token.expose_secret().contains("eu-central-1"));
        let error = signing_region("database.internal", None);
        assert!(matches!(error, Err(TokenError::NoRegion)));
    }
}
