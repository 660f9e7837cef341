//! The client of one service.

mod audit_tree;
mod builder;
mod log_level;
mod login;
mod role;

use std::time::Duration;

use engine_roles_contract::{
    AuditPage, AuditQuery, BindingList, BindingQuery, Capabilities, IncarnationList,
    IncarnationQuery, PassThroughRoleList, PolicyList, PolicyQuery, Readiness, Version,
};
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Request, RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answer::{Answer, Received};
use crate::conditions::Prefer;
use crate::error::Error;
use crate::key::ApiKey;

pub use builder::{BuildError, ClientBuilder};
pub use role::ClusterRole;

/// A client of one service. Cheap to clone; all clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    address: Url,
    key: Option<ApiKey>,
    timeout: Duration,
}

impl Client {
    /// Returns a builder of a client for the service at this address, such as
    /// `http://127.0.0.1:3283`.
    pub fn builder(address: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(address.into())
    }

    fn new(http: reqwest::Client, address: Url, key: Option<ApiKey>, timeout: Duration) -> Self {
        Self {
            http,
            address,
            key,
            timeout,
        }
    }

    /// Returns a copy of the client that sends no key.
    #[must_use]
    pub fn without_key(&self) -> Self {
        Self {
            key: None,
            ..self.clone()
        }
    }

    /// Returns the requests about one cluster's role.
    pub fn role<'a>(&'a self, cluster: &'a str) -> ClusterRole<'a> {
        ClusterRole::new(self, cluster)
    }

    /// Returns one page of `GET /v1/clusters`: the newest binding of each cluster.
    ///
    /// # Errors
    /// When the request is not answered with a page.
    pub async fn bindings(&self, query: &BindingQuery) -> Result<Answer<BindingList>, Error> {
        self.get(&["v1", "clusters"], query).await
    }

    /// Returns one page of `GET /v1/clusters/{cluster}/incarnations`: the incarnations of a cluster's role,
    /// newest first.
    ///
    /// # Errors
    /// When the request is not answered with a page.
    pub async fn incarnations(
        &self,
        cluster: &str,
        query: &IncarnationQuery,
    ) -> Result<Answer<IncarnationList>, Error> {
        let segments = ["v1", "clusters", cluster, "incarnations"];
        self.get(&segments, query).await
    }

    /// Sends `GET /v1/audit` and waits at most this long for the next matching event: a watch, which goes
    /// on from `next_after`.
    ///
    /// # Errors
    /// When the request is not answered with a page.
    pub async fn watch_audit(
        &self,
        query: &AuditQuery,
        wait: Duration,
    ) -> Result<Answer<AuditPage>, Error> {
        let prefer = Prefer::Wait(wait);
        let request = self.http.get(self.url(&["v1", "audit"])?).query(query);
        let header = prefer.header().expect("a wait is sent");
        let request = request.header("prefer", header);
        self.fetch(request, prefer.wait_for_read()).await?.read()
    }

    /// Returns one page of `GET /v1/audit`: events in the order of their numbers.
    ///
    /// # Errors
    /// When the request is not answered with a page.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Answer<AuditPage>, Error> {
        self.get(&["v1", "audit"], query).await
    }

    /// Sends `GET /v1/capabilities`: which features the service's AWS identity may use.
    ///
    /// # Errors
    /// When the request is not answered with capabilities.
    pub async fn capabilities(&self) -> Result<Answer<Capabilities>, Error> {
        self.get(&["v1", "capabilities"], &()).await
    }

    /// Sends `GET /v1/pass-through-roles`: the prepared roles with their attestation.
    ///
    /// # Errors
    /// When the request is not answered with a list.
    pub async fn pass_through_roles(&self) -> Result<Answer<PassThroughRoleList>, Error> {
        self.get(&["v1", "pass-through-roles"], &()).await
    }

    /// Sends `GET /v1/policies`: the policy documents that the service can render.
    ///
    /// # Errors
    /// When the request is not answered with a list.
    pub async fn policies(&self) -> Result<Answer<PolicyList>, Error> {
        self.get(&["v1", "policies"], &()).await
    }

    /// Sends `GET /v1/policies/{name}`: a rendered policy document.
    ///
    /// # Errors
    /// When the request is not answered with a document.
    pub async fn policy(&self, name: &str, query: &PolicyQuery) -> Result<Answer<Value>, Error> {
        self.get(&["v1", "policies", name], query).await
    }

    /// Sends `GET /readyz`: the readiness of the service and its parts. A service that is not ready
    /// (503) is a success here.
    ///
    /// # Errors
    /// When the request is not answered with a readiness.
    pub async fn readiness(&self) -> Result<Answer<Readiness>, Error> {
        let url = self.url(&["readyz"])?;
        let received = self.fetch(self.http.get(url), Duration::ZERO).await?;
        let success = received.status.is_success();
        let expected = success || received.status == StatusCode::SERVICE_UNAVAILABLE;
        match received.decode() {
            Ok(answer) if expected => Ok(answer),
            Err(error) if success => Err(error),
            Ok(_) | Err(_) => Err(received.failure()),
        }
    }

    /// Sends `GET /livez`: whether the service's process answers.
    ///
    /// # Errors
    /// When the request is not answered with a success.
    pub async fn liveness(&self) -> Result<(), Error> {
        let url = self.url(&["livez"])?;
        let received = self.fetch(self.http.get(url), Duration::ZERO).await?;
        if received.status.is_success() {
            Ok(())
        } else {
            Err(received.failure())
        }
    }

    /// Sends `GET /version`: the versions of the service and of its interface.
    ///
    /// # Errors
    /// When the request is not answered with versions.
    pub async fn version(&self) -> Result<Answer<Version>, Error> {
        self.get(&["version"], &()).await
    }

    /// Returns a request with this client's address and key, for routes that this crate has no
    /// method for. The request has no time limit except that for connecting.
    ///
    /// The path, which may have a query, is used unchanged.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let address = self.address.as_str().trim_end_matches('/');
        self.with_key(self.http.request(method, format!("{address}{path}")))
    }

    /// Sends a request and returns the answer, whatever its status.
    ///
    /// # Errors
    /// When no answer arrives.
    pub async fn send(&self, request: Request) -> Result<Received, Error> {
        let (method, url) = (request.method().clone(), request.url().clone());
        let lost = |source: reqwest::Error| Error::Transport {
            method,
            url,
            source: source.without_url(),
        };
        let response = match self.http.execute(request).await {
            Ok(response) => response,
            Err(source) => return Err(lost(source)),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(lost)?;
        Ok(Received {
            status,
            headers,
            body: body.into(),
        })
    }

    async fn get<Q: Serialize, T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &Q,
    ) -> Result<Answer<T>, Error> {
        let request = self.http.get(self.url(segments)?).query(query);
        self.fetch(request, Duration::ZERO).await?.read()
    }

    /// Builds a request to the path of these segments.
    fn begin(&self, method: Method, segments: &[&str]) -> Result<RequestBuilder, Error> {
        Ok(self.http.request(method, self.url(segments)?))
    }

    /// Sends a request with the key. The request may take the client's own timeout plus `wait`, which
    /// is how long the service may wait before it answers.
    async fn fetch(&self, request: RequestBuilder, wait: Duration) -> Result<Received, Error> {
        let request = self.with_key(request).timeout(self.timeout + wait);
        let request = request
            .build()
            .expect("an address that was parsed, and headers and a body of plain data");
        self.send(request).await
    }

    fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => request.header(AUTHORIZATION, key.authorization()),
            None => request,
        }
    }

    fn url(&self, segments: &[&str]) -> Result<Url, Error> {
        // A URL drops such segments, so the request would go to another path.
        if let Some(name) = segments.iter().find(|name| ["", ".", ".."].contains(name)) {
            let name = (*name).to_owned();
            return Err(Error::Name { name });
        }
        let mut url = self.address.clone();
        let path = url.path_segments_mut();
        path.expect("an http address has a path")
            .pop_if_empty()
            .extend(segments);
        Ok(url)
    }
}
