//! An account of AWS, or of the sandbox, and signed calls to it.
//!
//! Calls are built by hand and signed by the SDK's signer: the SDK's clients don't send what they
//! know to be invalid, and hide messages and headers that the suite compares.

use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use engine_roles_domain::account::{Partition, Region as OfAws};
use tokio::sync::Mutex;

use crate::answer::Answer;
use crate::budget::Budget;
use crate::journal::Journal;
use crate::params::Params;
use crate::trouble::Trouble;

/// Credentials are asked for again this long before they expire.
const RENEWED_BEFORE: Duration = Duration::from_mins(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Iam,
    Sts,
}

impl Service {
    pub(crate) fn of(action: &str) -> Self {
        match action {
            "GetCallerIdentity" | "AssumeRole" => Self::Sts,
            _ => Self::Iam,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::Iam => "2010-05-08",
            Self::Sts => "2011-06-15",
        }
    }
}

/// Where the services are, and for which regions calls are signed.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) iam: String,
    pub(crate) sts: String,
    /// The region of everything that is not IAM.
    pub(crate) region: String,
    pub(crate) partition: Partition,
}

impl Endpoints {
    /// Reads the standard variables `AWS_ENDPOINT_URL_IAM`, `AWS_ENDPOINT_URL_STS` and
    /// `AWS_ENDPOINT_URL`; without them, the endpoints are those of the region's partition.
    ///
    /// # Errors
    /// [`Trouble::Refused`] for a region of a partition that the service does not support.
    pub(crate) fn from_environment(region: &str) -> Result<Self, Trouble> {
        let partition = OfAws::parse(region).ok();
        let partition = partition.and_then(|region| region.partition());
        let partition = partition
            .ok_or_else(|| Trouble::Refused(format!("{region} is not a region of AWS")))?;
        let set = |service: &str| {
            let names = [
                format!("AWS_ENDPOINT_URL_{service}"),
                "AWS_ENDPOINT_URL".into(),
            ];
            let mut values = names.iter().filter_map(|name| std::env::var(name).ok());
            values.find(|value| !value.is_empty())
        };
        let suffix = partition.dns_suffix();
        let of_iam = match partition {
            Partition::Aws => format!("https://iam.{suffix}"),
            Partition::AwsUsGov => format!("https://iam.us-gov.{suffix}"),
            _ => format!("https://iam.{}.{suffix}", partition.iam_region()),
        };
        Ok(Self {
            iam: set("IAM").unwrap_or(of_iam),
            sts: set("STS").unwrap_or_else(|| format!("https://sts.{region}.{suffix}")),
            region: region.to_owned(),
            partition,
        })
    }

    /// Whether IAM is AWS's, and not a program on this machine in its place.
    pub(crate) fn are_of_aws(&self) -> bool {
        self.iam.starts_with("https://") && self.iam.contains(self.partition.dns_suffix())
    }
}

/// An account that is called.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) endpoints: Endpoints,
    pub(crate) budget: Budget,
    /// What was created.
    pub(crate) journal: Journal,
    provider: SharedCredentialsProvider,
    credentials: Mutex<Option<Credentials>>,
    http: reqwest::Client,
}

impl Account {
    /// Reads the SDK's settings. Makes no call to IAM or STS.
    ///
    /// # Errors
    /// [`Trouble::Refused`], [`Trouble::NoCredentials`].
    pub(crate) async fn from_environment(calls: u64) -> Result<Self, Trouble> {
        let found = Box::pin(aws_config::load_defaults(BehaviorVersion::v2026_01_12())).await;
        let region = found.region().map_or("us-east-1", Region::as_ref);
        let endpoints = Endpoints::from_environment(region)?;
        let provider = found.credentials_provider();
        let provider = provider.ok_or_else(|| Trouble::NoCredentials("none are set".into()))?;
        Self::new(endpoints, provider, calls)
    }

    /// # Errors
    /// [`Trouble::Refused`] if no TLS client can be built.
    pub(crate) fn new(
        endpoints: Endpoints,
        provider: SharedCredentialsProvider,
        calls: u64,
    ) -> Result<Self, Trouble> {
        let http = reqwest::Client::builder().timeout(CALL_TIMEOUT).build();
        Ok(Self {
            endpoints,
            budget: Budget::new(calls),
            journal: Journal::default(),
            provider,
            credentials: Mutex::new(None),
            http: http.map_err(|error| Trouble::Refused(error.to_string()))?,
        })
    }

    /// Makes a call with the account's own credentials.
    ///
    /// # Errors
    /// [`Trouble::BudgetUsedUp`], and if there is no answer.
    pub(crate) async fn call(&self, action: &str, params: &Params) -> Result<Answer, Trouble> {
        self.budget.take()?;
        self.call_without_budget(action, params).await
    }

    /// As [`Account::call`], also where the budget is used up: to remove what was created.
    ///
    /// # Errors
    /// If there is no answer.
    pub(crate) async fn call_to_remove(
        &self,
        action: &str,
        params: &Params,
    ) -> Result<Answer, Trouble> {
        self.budget.count(1);
        self.call_without_budget(action, params).await
    }

    async fn call_without_budget(&self, action: &str, params: &Params) -> Result<Answer, Trouble> {
        let credentials = self.own_credentials().await?;
        self.send_action(action, params, &credentials).await
    }

    /// Makes a call with other credentials.
    ///
    /// # Errors
    /// As [`Account::call`].
    pub(crate) async fn call_by(
        &self,
        credentials: &Credentials,
        action: &str,
        params: &Params,
    ) -> Result<Answer, Trouble> {
        self.budget.take()?;
        self.send_action(action, params, credentials).await
    }

    /// Returns the account's own credentials; asks for new ones shortly before they expire.
    ///
    /// # Errors
    /// [`Trouble::NoCredentials`].
    pub(crate) async fn own_credentials(&self) -> Result<Credentials, Trouble> {
        let mut held = self.credentials.lock().await;
        let soon = SystemTime::now() + RENEWED_BEFORE;
        let valid = held
            .as_ref()
            .filter(|held| held.expiry().is_none_or(|end| end > soon));
        if let Some(valid) = valid {
            return Ok(valid.clone());
        }
        let found = self.provider.provide_credentials().await;
        let found = found.map_err(|error| Trouble::NoCredentials(error.to_string()))?;
        *held = Some(found.clone());
        Ok(found)
    }

    async fn send_action(
        &self,
        action: &str,
        params: &Params,
        credentials: &Credentials,
    ) -> Result<Answer, Trouble> {
        let service = Service::of(action);
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action)
            .append_pair("Version", service.version())
            .extend_pairs(&params.0);
        let (url, region) = match service {
            Service::Iam => (&self.endpoints.iam, self.endpoints.partition.iam_region()),
            Service::Sts => (&self.endpoints.sts, self.endpoints.region.as_str()),
        };
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        // Before it is sent: a call without an answer may have created the resource.
        self.journal.about_to(action, params);
        let request = Signed {
            action,
            service: service.name(),
            region,
            url: &format!("{}/", url.trim_end_matches('/')),
            headers: &headers,
            body: form.finish(),
        };
        self.send(request, credentials).await
    }

    /// Signs and sends a request.
    ///
    /// # Errors
    /// [`Trouble::NotSigned`], [`Trouble::NoAnswer`].
    pub(crate) async fn send(
        &self,
        request: Signed<'_>,
        credentials: &Credentials,
    ) -> Result<Answer, Trouble> {
        let signature = request.headers_of_signature(credentials)?;
        let mut sent = self.http.post(request.url).body(request.body.clone());
        for (name, value) in request.headers {
            sent = sent.header(*name, *value);
        }
        for (name, value) in signature {
            sent = sent.header(name, value);
        }
        let unanswered = |source| Trouble::NoAnswer {
            action: request.action.to_owned(),
            source: Box::new(source),
        };
        let response = sent.send().await.map_err(unanswered)?;
        let header = response.headers().get("x-amzn-requestid");
        let request_id = header.and_then(|id| id.to_str().ok()).map(str::to_owned);
        Ok(Answer {
            status: response.status().as_u16(),
            request_id: request_id.filter(|id| !id.is_empty()),
            body: response.text().await.map_err(unanswered)?,
        })
    }
}

/// A request before it is signed.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    /// The name of the call, for messages.
    pub(crate) action: &'a str,
    /// The service's name in signatures.
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) url: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: String,
}

impl Signed<'_> {
    /// # Errors
    /// [`Trouble::NotSigned`].
    fn headers_of_signature(
        &self,
        credentials: &Credentials,
    ) -> Result<Vec<(String, String)>, Trouble> {
        let failed = |reason: String| Trouble::NotSigned {
            action: self.action.to_owned(),
            reason,
        };
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(error.to_string()))?
            .into();
        let body = SignableBody::Bytes(self.body.as_bytes());
        let headers = self.headers.iter().copied();
        let request = SignableRequest::new("POST", self.url, headers, body);
        let request = request.map_err(|error| failed(error.to_string()))?;
        let signed = sign(request, &params).map_err(|error| failed(error.to_string()))?;
        let (instructions, _) = signed.into_parts();
        let headers = instructions.headers();
        Ok(headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }
}
