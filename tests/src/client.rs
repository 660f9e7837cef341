//! A client of the service that can also send invalid requests.
//!
//! Address, key and connections belong to [`engine_roles_client::Client`], which [`Client::typed`]
//! returns. The client of this module keeps the raw answers, so that a test can check what the
//! types leave out, and checks that every answer conforms to the contract.

mod contract;
mod document;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use engine_roles_client::{ApiKey, Error, Received};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// An answer of the service.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The HTTP headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
    /// The body as JSON, or null when it is not JSON.
    pub body: Value,
}

impl Answer {
    /// Returns the body of an answer with this status.
    ///
    /// # Panics
    /// When the status is another. The message has the whole answer.
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{}", self.text);
        &self.body
    }

    /// Returns the body of a problem with this status and code.
    ///
    /// # Panics
    /// When the answer is not such a problem.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) -> &Value {
        assert_eq!(
            (self.status, self.code()),
            (status, Some(code)),
            "{}",
            self.text
        );
        assert_eq!(
            self.header(CONTENT_TYPE.as_str()),
            Some("application/problem+json")
        );
        assert_eq!(self.body["status"], status, "{}", self.text);
        for field in ["type", "title", "detail", "request_id"] {
            assert!(self.body[field].is_string(), "no {field}: {}", self.text);
        }
        &self.body
    }

    /// The stable code of a problem.
    pub fn code(&self) -> Option<&str> {
        self.body["code"].as_str()
    }

    /// The code of a problem; none for another answer.
    fn problem_code(&self) -> Option<&str> {
        let is_problem = self.header(CONTENT_TYPE.as_str()) == Some("application/problem+json");
        self.code().filter(|_| is_problem)
    }

    /// The value of a header, or `None` when it is missing or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl From<Received> for Answer {
    fn from(received: Received) -> Self {
        Self {
            status: received.status.as_u16(),
            body: serde_json::from_slice(&received.body).unwrap_or_default(),
            text: received.text().into_owned(),
            headers: received.headers,
        }
    }
}

/// A PUT or DELETE that was answered with success, so that the service must not lose it.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// PUT or DELETE.
    pub method: Method,
    /// The name of the cluster.
    pub cluster: String,
    /// 200, 201 or 202.
    pub status: u16,
    /// The binding in the answer.
    pub binding_id: String,
    /// The generation in the answer.
    pub generation: i64,
    /// The request's id.
    pub request_id: String,
}

/// The successful answers to all callers of one installation.
#[derive(Clone, Debug, Default)]
pub struct Acknowledgements(Arc<Mutex<Vec<Acknowledged>>>);

impl Acknowledgements {
    /// All acknowledged requests so far, in the order of the answers.
    pub fn all(&self) -> Vec<Acknowledged> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn record(&self, method: &Method, path: &str, answer: &Answer) {
        let changes = *method == Method::PUT || *method == Method::DELETE;
        if !changes || !(200..=202).contains(&answer.status) {
            return;
        }
        let text = |field: &str| answer.body[field].as_str().unwrap_or_default().to_owned();
        let acknowledged = Acknowledged {
            method: method.clone(),
            cluster: path.split('/').nth(3).unwrap_or_default().to_owned(),
            status: answer.status,
            binding_id: text("binding_id"),
            generation: answer.body["generation"].as_i64().unwrap_or_default(),
            request_id: answer.header("x-request-id").unwrap_or_default().to_owned(),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(acknowledged);
    }
}

/// A client of one replica.
#[derive(Clone, Debug)]
pub struct Client {
    service: engine_roles_client::Client,
    headers: HeaderMap,
    acknowledged: Acknowledgements,
}

impl Client {
    /// A client that sends this API key.
    pub fn new(address: SocketAddr, key: &str, acknowledged: Acknowledgements) -> Self {
        Self::build(format!("http://{address}"), key, acknowledged, None)
    }

    /// A client that sends this API key over TLS, and trusts these authorities, in PEM.
    pub fn over_tls(
        address: SocketAddr,
        key: &str,
        acknowledged: Acknowledgements,
        authorities: &[u8],
    ) -> Self {
        let address = format!("https://{address}");
        Self::build(address, key, acknowledged, Some(authorities))
    }

    fn build(
        address: String,
        key: &str,
        acknowledged: Acknowledgements,
        authorities: Option<&[u8]>,
    ) -> Self {
        let mut service = engine_roles_client::Client::builder(address)
            .api_key(ApiKey::new(key).expect("tests use valid keys"))
            .no_proxy();
        if let Some(pem) = authorities {
            service = service.certificate_authorities(pem);
        }
        Self {
            service: service.build().expect("a client can be built"),
            headers: HeaderMap::new(),
            acknowledged,
        }
    }

    /// The published client, which sends none of the headers that were set with [`Client::with`].
    pub fn typed(&self) -> &engine_roles_client::Client {
        &self.service
    }

    /// The same client with this header. A new value of the header replaces an earlier one.
    #[must_use]
    pub fn with(&self, name: &'static str, value: &str) -> Self {
        let mut caller = self.clone();
        let value = HeaderValue::from_str(value).expect("tests send valid headers");
        caller.headers.insert(HeaderName::from_static(name), value);
        caller
    }

    /// The same client without a key.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        let mut caller = self.clone();
        caller.headers.remove("authorization");
        caller.service = self.service.without_key();
        caller
    }

    /// The same client with `Prefer: respond-async`.
    #[must_use]
    pub fn without_waiting(&self) -> Self {
        self.with("prefer", "respond-async")
    }

    /// The same client with the longest wait that the service allows.
    #[must_use]
    pub fn waiting_longest(&self) -> Self {
        self.with("prefer", "wait=120")
    }

    /// The same client with `If-Match`.
    #[must_use]
    pub fn if_match(&self, tag: &str) -> Self {
        self.with("if-match", tag)
    }

    /// `PUT /v1/clusters/{cluster}/role`.
    pub async fn put(&self, cluster: &str, body: Value) -> Answer {
        let request = self.request(Method::PUT, &role(cluster)).json(&body);
        self.send(request).await
    }

    /// `PUT` with an empty object, which requests a role with the defaults.
    pub async fn provision(&self, cluster: &str) -> Answer {
        self.put(cluster, json!({})).await
    }

    /// `GET /v1/clusters/{cluster}/role`.
    pub async fn get(&self, cluster: &str) -> Answer {
        self.fetch(&role(cluster)).await
    }

    /// `DELETE /v1/clusters/{cluster}/role`.
    pub async fn delete(&self, cluster: &str) -> Answer {
        self.send(self.request(Method::DELETE, &role(cluster)))
            .await
    }

    /// `POST /v1/clusters/{cluster}/role/plan`.
    pub async fn plan(&self, cluster: &str, body: Value) -> Answer {
        let path = format!("{}/plan", role(cluster));
        self.send(self.request(Method::POST, &path).json(&body))
            .await
    }

    /// `GET /v1/clusters/{cluster}/role/access`.
    pub async fn access(&self, cluster: &str) -> Answer {
        self.fetch(&format!("{}/access", role(cluster))).await
    }

    /// `GET /v1/clusters?{query}`.
    pub async fn list(&self, query: &str) -> Answer {
        self.fetch(&format!("/v1/clusters?{query}")).await
    }

    /// `GET /v1/audit?{query}`.
    pub async fn audit(&self, query: &str) -> Answer {
        self.fetch(&format!("/v1/audit?{query}")).await
    }

    /// `GET` of a path.
    pub async fn fetch(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Returns a request with this client's headers. Complete it and pass it to [`Client::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.service
            .request(method, path)
            .headers(self.headers.clone())
    }

    /// Sends a request.
    ///
    /// # Panics
    /// When no answer arrives.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("the service answers")
    }

    /// Sends a request to a service that may end before it answers.
    ///
    /// # Errors
    /// When no answer arrives.
    ///
    /// # Panics
    /// When the answer does not conform to the contract.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Answer, Error> {
        let request = request.build().expect("tests send valid requests");
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = Answer::from(self.service.send(request).await?);
        contract::assert_valid(&path, &answer);
        document::assert_documented(&method, &path, &answer);
        self.acknowledged.record(&method, &path, &answer);
        Ok(answer)
    }
}

/// The path of a cluster's role.
pub fn role(cluster: &str) -> String {
    format!("/v1/clusters/{cluster}/role")
}
