//! Signs a request that proves the identity of this program.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use engine_roles_domain::account::Region;
use engine_roles_domain::caller::ServerName;

use super::{BODY, CONTENT_TYPE, LoginHeaders, SERVER_HEADER, host};
use crate::client::{Iam, IamConfig};

/// Why no request could be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The SDK found no credentials.
    #[error("the AWS SDK found no credentials")]
    NoCredentials(#[source] Option<CredentialsError>),
    /// No region is set.
    #[error("no region of AWS is set: set AWS_REGION to the region for whose STS to sign")]
    NoRegion,
    /// The region that is set is not one of a supported partition.
    #[error(
        "the region {region} of the AWS SDK's settings is not supported: set AWS_REGION to another one"
    )]
    UnsupportedRegion {
        /// The region.
        region: String,
    },
    /// The request could not be signed.
    #[error("the request could not be signed")]
    Signing(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Signs a request for a service of this name, with the credentials and the region of the SDK's settings
/// (`AWS_*` variables, profile, container or instance). Makes no call to STS.
///
/// # Errors
/// When the settings have no credentials or no region.
pub async fn sign_login(server: &ServerName) -> Result<LoginHeaders, SignError> {
    let iam = Iam::connect(&IamConfig::default()).await;
    let provider = iam.credentials().ok_or(SignError::NoCredentials(None))?;
    let credentials = provider.provide_credentials().await;
    let credentials = credentials.map_err(|error| SignError::NoCredentials(Some(error)))?;
    let region = iam.sdk_region().ok_or(SignError::NoRegion)?;
    let region = Region::parse_supported(region).map_err(|_| unsupported(region))?;
    signed(credentials, server, &region, SystemTime::now())
}

fn unsupported(region: &str) -> SignError {
    let region = region.to_owned();
    SignError::UnsupportedRegion { region }
}

fn signed(
    credentials: Credentials,
    server: &ServerName,
    region: &Region,
    at: SystemTime,
) -> Result<LoginHeaders, SignError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| SignError::Signing(error);
    let host = host(region).ok_or_else(|| unsupported(region.as_str()))?;
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region.as_str())
        .name("sts")
        .time(at)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(error.into()))?
        .into();
    let url = format!("https://{host}/");
    let headers = [
        ("content-type", CONTENT_TYPE),
        (SERVER_HEADER, server.as_str()),
    ];
    let body = SignableBody::Bytes(BODY.as_bytes());
    let request = SignableRequest::new("POST", &url, headers.into_iter(), body);
    let request = request.map_err(|error| failed(error.into()))?;
    let signed = sign(request, &params).map_err(|error| failed(error.into()))?;
    let (instructions, _) = signed.into_parts();
    let header = |name: &str| {
        let mut headers = instructions.headers();
        let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned())
    };
    Ok(LoginHeaders {
        authorization: header("authorization").unwrap_or_default(),
        date: header("x-amz-date").unwrap_or_default(),
        security_token: header("x-amz-security-token"),
        server: server.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// 2026-11-26T08:00:00Z.
    const AT: u64 = 1_795_680_000;
    /// What botocore 1.43.11 signs for the same values, without and with a session token.
    const BY_BOTOCORE: [(Option<&str>, &str); 2] = [
        (
            None,
            "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE000000000/20261126/us-west-2/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-engine-roles-server, Signature=fd7dce50903dae1282cf2164999558e54a5f28e44d387440314c9ba6df9018f7",
        ),
        (
            Some("a/session+token=="),
            "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE000000000/20261126/us-west-2/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-engine-roles-server, Signature=a7f20d22752154331c85926ab07ded783a9d5b4967665b0086c138c1d7cad13c",
        ),
    ];

    #[test]
    fn a_request_is_signed_as_botocore_signs_it_and_is_accepted() {
        let server = ServerName::parse("roles.example").expect("a name");
        let region = Region::parse("us-west-2").expect("a region");
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(AT);
        for (token, expected) in BY_BOTOCORE {
            let token = token.map(str::to_owned);
            let key = "AKIAEXAMPLE000000000";
            let credentials = Credentials::new(key, secret, token.clone(), None, "test");
            let headers = signed(credentials, &server, &region, at).expect("signed");
            assert_eq!(headers.authorization, expected);
            assert_eq!(headers.date, "20261126T080000Z");
            assert_eq!(headers.security_token, token);
            assert!(headers.check(&server, at).is_ok());
        }
    }
}
