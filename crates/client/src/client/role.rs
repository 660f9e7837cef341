//! The requests about a cluster's role.

use std::time::Duration;

use engine_roles_contract::{Access, Binding, Plan, RoleRequest};
use reqwest::header::{CONTENT_TYPE, HeaderName, IF_MATCH, IF_NONE_MATCH};
use reqwest::{Method, RequestBuilder};

use super::Client;
use crate::answer::Answer;
use crate::conditions::{EntityTag, IfMatch, Prefer};
use crate::error::Error;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The requests about a cluster's role, with the conditions under which they are sent.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClusterRole<'a> {
    client: &'a Client,
    cluster: &'a str,
    prefer: Prefer,
    if_match: Option<IfMatch>,
    must_be_new: bool,
}

impl<'a> ClusterRole<'a> {
    pub(super) fn new(client: &'a Client, cluster: &'a str) -> Self {
        Self {
            client,
            cluster,
            prefer: Prefer::default(),
            if_match: None,
            must_be_new: false,
        }
    }

    /// Sets how long the service waits for the outcome before it answers, at most two minutes
    /// (`Prefer: wait`). Default: 30 seconds for a change; a read does not wait.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.prefer = Prefer::Wait(wait);
        self
    }

    /// Lets the service answer without waiting for the outcome (`Prefer: respond-async`).
    pub fn respond_async(mut self) -> Self {
        self.prefer = Prefer::RespondAsync;
        self
    }

    /// Changes the binding only if it has this entity tag (`If-Match`).
    pub fn if_match(mut self, tag: EntityTag) -> Self {
        self.if_match = Some(IfMatch::Tag(tag));
        self
    }

    /// Changes the binding only if a live one exists (`If-Match: *`).
    pub fn if_exists(mut self) -> Self {
        self.if_match = Some(IfMatch::Any);
        self
    }

    /// Provisions the role only if the cluster never had one (`If-None-Match: *`).
    pub fn if_new(mut self) -> Self {
        self.must_be_new = true;
        self
    }

    /// Provisions the role, or changes it to this spec.
    ///
    /// # Errors
    /// When the request is not answered with a binding. Without an answer the change may have been
    /// recorded all the same; the same request can be sent again.
    pub async fn put(&self, request: &RoleRequest) -> Result<Answer<Binding>, Error> {
        self.put_text(in_json(request)).await
    }

    /// As [`ClusterRole::put`], with a body of JSON that the service checks and that may have members
    /// that this version does not know.
    ///
    /// # Errors
    /// As [`ClusterRole::put`].
    pub async fn put_text(&self, json: String) -> Result<Answer<Binding>, Error> {
        let sent = with_body(self.change(Method::PUT)?, json);
        let wait = self.prefer.wait_for_change();
        self.client.fetch(sent, wait).await?.read()
    }

    /// Tears the role down.
    ///
    /// # Errors
    /// As [`ClusterRole::put`].
    pub async fn delete(&self) -> Result<Answer<Binding>, Error> {
        let wait = self.prefer.wait_for_change();
        let sent = self.change(Method::DELETE)?;
        self.client.fetch(sent, wait).await?.read()
    }

    /// Returns the cluster's binding.
    ///
    /// # Errors
    /// When the request is not answered with a binding.
    pub async fn get(&self) -> Result<Answer<Binding>, Error> {
        let wait = self.prefer.wait_for_read();
        let sent = self.preferred(self.begin(Method::GET, &[])?);
        self.client.fetch(sent, wait).await?.read()
    }

    /// Returns what [`ClusterRole::put`] would do, without changing anything.
    ///
    /// # Errors
    /// When the request is not answered with a plan.
    pub async fn plan(&self, request: &RoleRequest) -> Result<Answer<Plan>, Error> {
        self.plan_text(in_json(request)).await
    }

    /// As [`ClusterRole::plan`], with a body as in [`ClusterRole::put_text`].
    ///
    /// # Errors
    /// When the request is not answered with a plan.
    pub async fn plan_text(&self, json: String) -> Result<Answer<Plan>, Error> {
        let sent = with_body(self.begin(Method::POST, &["plan"])?, json);
        self.client.fetch(sent, Duration::ZERO).await?.read()
    }

    /// Returns what the role can reach, evaluated from the policy documents that IAM has.
    ///
    /// # Errors
    /// When the request is not answered with an access report.
    pub async fn access(&self) -> Result<Answer<Access>, Error> {
        let sent = self.begin(Method::GET, &["access"])?;
        self.client.fetch(sent, Duration::ZERO).await?.read()
    }

    fn begin(&self, method: Method, below: &[&str]) -> Result<RequestBuilder, Error> {
        let role = ["v1", "clusters", self.cluster, "role"];
        self.client.begin(method, &[&role, below].concat())
    }

    fn change(&self, method: Method) -> Result<RequestBuilder, Error> {
        let request = self.preferred(self.begin(method, &[])?);
        let request = match &self.if_match {
            Some(condition) => request.header(IF_MATCH, condition.header()),
            None => request,
        };
        Ok(if self.must_be_new {
            request.header(IF_NONE_MATCH, "*")
        } else {
            request
        })
    }

    fn preferred(&self, request: RequestBuilder) -> RequestBuilder {
        match self.prefer.header() {
            Some(preference) => request.header(PREFER, preference),
            None => request,
        }
    }
}

fn in_json(request: &RoleRequest) -> String {
    serde_json::to_string(request).expect("plain data with text keys serialises")
}

fn with_body(request: RequestBuilder, json: String) -> RequestBuilder {
    request.header(CONTENT_TYPE, "application/json").body(json)
}
