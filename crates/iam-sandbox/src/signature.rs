use axum::http::{HeaderMap, Method, Uri, header};
use chrono::{DateTime, Utc};

use crate::credentials::Identity;
use crate::errors::ApiError;
use crate::partition::{has_region, iam_region};
use crate::service::Service;
use crate::signed_request::SignedRequest;

/// What the signature of a request names. Only the signature of an [`Identity`] is verified.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signature {
    pub(crate) access_key: Option<String>,
    /// The region for which the request was signed.
    pub(crate) region: Option<String>,
    /// The whole request; none where its signature can't be verified.
    request: Option<SignedRequest>,
}

impl Signature {
    /// Reads the signature of a request.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Self {
        Self {
            request: SignedRequest::of(method, uri, headers, body),
            ..Self::named(headers)
        }
    }

    /// Checks that an identity has signed the request.
    ///
    /// # Errors
    /// `InvalidClientTokenId`, `IncompleteSignature`, `SignatureDoesNotMatch`.
    pub(crate) fn verify(&self, identity: &Identity, now: DateTime<Utc>) -> Result<(), ApiError> {
        let request = self.request.as_ref();
        let request = request.ok_or_else(|| ApiError::of_code("IncompleteSignature"))?;
        request.verify(identity, now)
    }

    /// Reads the credential of an `Authorization` header: access key, date, region, service,
    /// `aws4_request`.
    fn named(headers: &HeaderMap) -> Self {
        let header = headers.get(header::AUTHORIZATION);
        let header = header.and_then(|header| header.to_str().ok());
        let credential = header.and_then(|header| header.split_once("Credential="));
        let Some((_, credential)) = credential else {
            return Self::default();
        };
        let credential = credential.split([',', ' ']).next().unwrap_or_default();
        let mut parts = credential.split('/');
        let valid = |part: &&str| {
            let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            !part.is_empty() && part.len() <= 128 && part.bytes().all(is_valid)
        };
        let access_key = parts.next().filter(valid).map(str::to_owned);
        Self {
            access_key,
            region: parts.nth(1).filter(valid).map(str::to_owned),
            request: None,
        }
    }

    /// Returns the region of the endpoint that the caller uses: IAM's single one, or that of STS for
    /// which the request was signed.
    pub(crate) fn requested_region(&self, service: Service, partition: &str) -> &str {
        let of_iam = iam_region(partition).unwrap_or("us-east-1");
        match (&self.region, service) {
            (Some(region), Service::Sts) => region,
            _ => of_iam,
        }
    }

    /// Checks the region for which a request was signed: IAM accepts only one region of a
    /// partition; STS has an endpoint in every region. Neither is checked for a request that is not
    /// signed, nor in a partition that the sandbox does not know.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`.
    pub(crate) fn check_region(&self, service: Service, partition: &str) -> Result<(), ApiError> {
        let (Some(region), Some(of_iam)) = (&self.region, iam_region(partition)) else {
            return Ok(());
        };
        let is_valid = match service {
            Service::Iam => region == of_iam,
            Service::Sts => has_region(partition, region),
        };
        if is_valid {
            return Ok(());
        }
        Err(ApiError::new(
            "SignatureDoesNotMatch",
            "Credential should be scoped to a valid region.",
        ))
    }
}
