//! A browser without scripts: it keeps the cookie of the console and says which page sends a form.

use std::sync::{Arc, Mutex};

use engine_roles_e2e::Installation;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Method, Url};

/// The name of the console's cookie.
pub(super) const COOKIE: &str = "engine_roles_console";

/// What the service answered.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Shown {
    #[track_caller]
    pub(super) fn expect(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.text);
        &self.text
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Checks that the answer leads to the form for signing in.
    #[track_caller]
    pub(super) fn leads_to_sign_in(&self) {
        assert_eq!(self.status, 303, "{}", self.text);
        let to = self.header("location");
        assert!(to.starts_with("/console/sign-in"), "{to}");
    }
}

/// A browser at one replica. Clones share the cookie.
#[derive(Clone)]
pub(super) struct Browser {
    http: reqwest::Client,
    pub(super) origin: String,
    cookie: Arc<Mutex<Option<String>>>,
    headers: HeaderMap,
}

impl Browser {
    pub(super) fn of(installation: &Installation, replica: usize) -> Self {
        let address = installation.replicas[replica].address();
        Self::at(format!("http://{address}"), None)
    }

    /// A browser that reaches the service by this origin. `authority` is an authority that it trusts, in PEM.
    pub(super) fn at(origin: String, authority: Option<&str>) -> Self {
        let mut http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = authority {
            let pem = Certificate::from_pem(pem.as_bytes()).expect("a certificate");
            http = http.tls_certs_only([pem]);
        }
        Self {
            http: http.build().expect("a client can be built"),
            origin,
            cookie: Arc::default(),
            headers: HeaderMap::new(),
        }
    }

    /// The same browser, with the same cookie, at another replica.
    pub(super) fn also_at(&self, installation: &Installation, replica: usize) -> Self {
        let origin = Self::of(installation, replica).origin;
        Self {
            origin,
            ..self.clone()
        }
    }

    /// The same browser, which sends a header with every request.
    pub(super) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut headers = self.headers.clone();
        let value = HeaderValue::from_str(value).expect("tests send valid headers");
        headers.insert(HeaderName::from_static(name), value);
        Self {
            headers,
            ..self.clone()
        }
    }

    /// The same browser, which sends a header with every request besides those of this name that it has.
    pub(super) fn with_further(&self, name: &'static str, value: &str) -> Self {
        let mut headers = self.headers.clone();
        let value = HeaderValue::from_str(value).expect("tests send valid headers");
        headers.append(HeaderName::from_static(name), value);
        Self {
            headers,
            ..self.clone()
        }
    }

    /// The same browser with a cookie of its own.
    pub(super) fn with_cookie(&self, token: &str) -> Self {
        Self {
            cookie: Arc::new(Mutex::new(Some(token.to_owned()))),
            ..self.clone()
        }
    }

    /// The token in the cookie.
    pub(super) fn token(&self) -> Option<String> {
        self.cookie.lock().expect("the lock").clone()
    }

    /// Shows a page.
    pub(super) async fn get(&self, path: &str) -> Shown {
        self.send(Method::GET, path, &[], None).await
    }

    /// Asks for the part of a page that its script refreshes.
    pub(super) async fn refresh(&self, path: &str) -> Shown {
        self.with("hx-request", "true").get(path).await
    }

    /// Sends a form of the console.
    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let origin = self.origin.clone();
        self.send(Method::POST, path, fields, Some(&origin)).await
    }

    /// Sends a form as the page of this origin would; none where the browser does not say the origin.
    pub(super) async fn post_from(
        &self,
        origin: Option<&str>,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Shown {
        self.send(Method::POST, path, fields, origin).await
    }

    /// Signs in.
    #[track_caller]
    pub(super) fn sign_in(&self, key: &str) -> impl Future<Output = ()> {
        let (this, key) = (self.clone(), key.to_owned());
        async move {
            let answer = this.post("/console/sign-in", &[("key", &key)]).await;
            answer.expect(303);
            assert_eq!(answer.header("location"), "/console");
            assert!(this.token().is_some(), "{answer:?}");
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        origin: Option<&str>,
    ) -> Shown {
        let url = format!("{}{path}", self.origin);
        let mut request = self.http.request(method.clone(), url);
        if method == Method::POST {
            let encoded = Url::parse_with_params("http://form", fields).expect("a form");
            let body = encoded.query().unwrap_or_default().to_owned();
            let form = "application/x-www-form-urlencoded";
            request = request.header("content-type", form).body(body);
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        if let Some(token) = self.token() {
            request = request.header("cookie", format!("other=1; {COOKIE}={token}"));
        }
        let request = request.headers(self.headers.clone());
        let answer = request.send().await.expect("the service answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        for value in headers.get_all("set-cookie") {
            let value = value.to_str().expect("a text");
            let value = value.strip_prefix(COOKIE).expect("the console's cookie");
            let token = value[1..].split(';').next().unwrap_or_default();
            let kept = (!token.is_empty()).then(|| token.to_owned());
            *self.cookie.lock().expect("the lock") = kept;
        }
        Shown {
            status,
            headers,
            text: answer.text().await.expect("a text"),
        }
    }
}
