//! A caller that builds requests of the query protocol by hand, and parses the XML of the answers.

use std::time::Duration;

use engine_roles_iam_sandbox::{Sandbox, SandboxConfig};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use serde_json::{Value, json};

/// A trust policy that lets EC2 assume the role.
pub(crate) const EC2_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// A permissions policy.
pub(crate) const READ_SECRETS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}"#;

/// The access key in the signatures of the calls.
pub(crate) const ACCESS_KEY: &str = "AKIAEXAMPLE";

/// The time after which a test gives up waiting.
const LIMIT: Duration = Duration::from_mins(1);

/// A caller of one endpoint.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) endpoint: String,
    /// The access key and the region in the signatures of the calls.
    access_key: String,
    region: String,
    http: reqwest::Client,
}

/// An answer, or an error, as XML.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) request_id: Option<String>,
    pub(crate) body: String,
    root: Element,
}

#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Caller {
    pub(crate) fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            region: "us-east-1".to_owned(),
            http: reqwest::Client::builder()
                .timeout(LIMIT)
                .build()
                .expect("a client without TLS"),
        }
    }

    /// The same caller with another access key.
    pub(crate) fn with_key(&self, access_key: &str) -> Self {
        Self {
            access_key: access_key.to_owned(),
            ..self.clone()
        }
    }

    /// The same caller, who signs for another region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            ..self.clone()
        }
    }

    /// Calls an action with these parameters.
    pub(crate) async fn call(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        self.try_call(action, params)
            .await
            .expect("the call is answered")
    }

    /// Calls an action with these parameters; returns an error if there is no answer.
    pub(crate) async fn try_call(
        &self,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let (service, version) = match action {
            "GetCallerIdentity" | "AssumeRole" => ("sts", "2011-06-15"),
            _ => ("iam", "2010-05-08"),
        };
        let mut all = vec![("Action", action), ("Version", version)];
        all.extend(params);
        self.send(service, &all).await
    }

    /// Sends exactly these parameters.
    pub(crate) async fn send(
        &self,
        service: &str,
        params: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(params)
            .finish();
        let Self {
            access_key, region, ..
        } = self;
        let signature = format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/20261124/{region}/{service}/aws4_request, \
             SignedHeaders=host, Signature=00"
        );
        let request = self.http.post(format!("{}/", self.endpoint));
        let response = request
            .header("authorization", signature)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await?;
        let status = response.status().as_u16();
        let id = response.headers().get("x-amzn-requestid");
        let request_id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let body = response.text().await?;
        Ok(Answer {
            status,
            request_id,
            root: parse(&body),
            body,
        })
    }

    /// Sends a GET request to one of the sandbox's own routes.
    pub(crate) async fn get(&self, route: &str) -> Value {
        let url = format!("{}/_sandbox/{route}", self.endpoint);
        let response = self.http.get(url).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        response.json().await.expect("JSON")
    }

    /// Sends a POST request to one of the sandbox's own routes, and returns the status.
    pub(crate) async fn post(&self, route: &str, body: Value) -> u16 {
        let url = format!("{}/_sandbox/{route}", self.endpoint);
        let request = self.http.post(url).json(&body);
        request.send().await.expect("an answer").status().as_u16()
    }

    /// Sends a DELETE request to one of the sandbox's own routes, and returns the status.
    pub(crate) async fn delete(&self, route: &str) -> u16 {
        let url = format!("{}/_sandbox/{route}", self.endpoint);
        let request = self.http.delete(url);
        request.send().await.expect("an answer").status().as_u16()
    }

    /// Sets one fault.
    pub(crate) async fn fault(&self, fault: Value) {
        assert_eq!(self.post("faults", json!([fault])).await, 204);
    }

    /// Creates a role that EC2 may assume.
    pub(crate) async fn create_role(&self, name: &str) {
        let params = [("RoleName", name), ("AssumeRolePolicyDocument", EC2_TRUST)];
        self.call("CreateRole", &params).await.ok();
    }

    /// Creates an instance profile.
    pub(crate) async fn create_profile(&self, name: &str) {
        let params = [("InstanceProfileName", name)];
        self.call("CreateInstanceProfile", &params).await.ok();
    }

    /// Returns the error code of `GetRole` for a role; empty if the role exists.
    pub(crate) async fn role_code(&self, name: &str) -> String {
        self.call("GetRole", &[("RoleName", name)]).await.code()
    }
}

impl Answer {
    /// Checks that the answer is a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.body);
        self
    }

    /// Returns the error code; empty for a success.
    pub(crate) fn code(&self) -> String {
        self.text("Error/Code").unwrap_or_default()
    }

    pub(crate) fn message(&self) -> String {
        self.text("Error/Message").unwrap_or_default()
    }

    /// Returns the text of the single element at a path below the root.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.texts(path).into_iter().next()
    }

    /// Returns the texts of all elements at a path below the root.
    pub(crate) fn texts(&self, path: &str) -> Vec<String> {
        let elements = self.elements(path).into_iter();
        elements.map(|element| element.text.clone()).collect()
    }

    /// Returns the number of elements at a path below the root.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.elements(path).len()
    }

    fn elements(&self, path: &str) -> Vec<&Element> {
        path.split('/').fold(vec![&self.root], |parents, name| {
            let children = parents.into_iter().flat_map(|parent| &parent.children);
            children.filter(|child| child.name == name).collect()
        })
    }
}

/// Parses a body; returns an empty element if the body is not XML.
fn parse(body: &str) -> Element {
    let mut reader = Reader::from_str(body);
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().expect("an answer is well-formed");
        let top = open.last_mut().expect("the document itself stays open");
        match event {
            Event::Start(start) => open.push(Element {
                name: start.name().as_ref().to_owned(),
                ..Element::default()
            }),
            Event::Empty(start) => top.children.push(Element {
                name: start.name().as_ref().to_owned(),
                ..Element::default()
            }),
            Event::Text(text) => top.text += &text,
            Event::GeneralRef(reference) => {
                match reference.resolve_char_ref().expect("a character") {
                    Some(char) => top.text.push(char),
                    None => top.text += resolve_predefined_entity(&reference).expect("XML's own"),
                }
            }
            Event::End(_) => {
                let element = open.pop().expect("the reader checks that ends match");
                let parent = open.last_mut().expect("the document itself stays open");
                parent.children.push(element);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    open.remove(0)
        .children
        .into_iter()
        .next()
        .unwrap_or_default()
}

/// Starts a sandbox, and returns it with a caller.
pub(crate) async fn sandbox(config: SandboxConfig) -> (Sandbox, Caller) {
    let config = SandboxConfig {
        seed: Some(7),
        ..config
    };
    let sandbox = Sandbox::start(config).await.expect("the sandbox starts");
    let caller = Caller::new(&sandbox.endpoint());
    (sandbox, caller)
}

/// Waits until a condition holds, without advancing the sandbox's clock.
pub(crate) async fn eventually(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !happened().await {
            tokio::task::yield_now().await;
        }
    };
    let happened = tokio::time::timeout(LIMIT, waiting).await;
    happened.unwrap_or_else(|_| panic!("{what} did not happen within {LIMIT:?}"));
}
