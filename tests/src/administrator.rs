//! The administrator of the AWS account: prepares roles and boundaries, and changes resources by
//! hand.

use engine_roles_iam_sandbox::ADMINISTRATOR_ACCESS_KEY;
use reqwest::Url;
use serde_json::{Value, json};

/// The access key that the service's calls are signed with.
pub const SERVICE_ACCESS_KEY: &str = "AKIASERVICE000000000";

/// A caller of IAM other than the service.
#[derive(Clone, Debug)]
pub struct Administrator {
    endpoint: String,
    access_key: &'static str,
    http: reqwest::Client,
}

impl Administrator {
    /// `endpoint` is the URL of the sandbox.
    pub fn new(endpoint: impl Into<String>) -> Self {
        let http = reqwest::Client::builder().no_proxy().build();
        Self {
            endpoint: endpoint.into(),
            access_key: ADMINISTRATOR_ACCESS_KEY,
            http: http.expect("a client without TLS can be built"),
        }
    }

    /// The same caller with the service's credentials, for calls that the service should not make.
    #[must_use]
    pub fn with_the_services_key(&self) -> Self {
        Self {
            access_key: SERVICE_ACCESS_KEY,
            ..self.clone()
        }
    }

    /// # Panics
    /// When the call fails.
    pub async fn call(&self, action: &str, parameters: &[(&str, &str)]) {
        self.send(action, "2010-05-08", parameters).await;
    }

    /// Calls `GetCallerIdentity`, which needs no permission.
    ///
    /// # Panics
    /// When the call fails.
    pub async fn get_caller_identity(&self) {
        self.send("GetCallerIdentity", "2011-06-15", &[]).await;
    }

    /// Makes a call to IAM that may fail. Returns the HTTP status or `no answer`.
    pub async fn try_call(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        match self.request(action, "2010-05-08", parameters).send().await {
            Ok(response) => response.status().to_string(),
            Err(_) => "no answer".to_owned(),
        }
    }

    async fn send(&self, action: &str, version: &str, parameters: &[(&str, &str)]) {
        let request = self.request(action, version, parameters);
        let response = request.send().await.expect("the sandbox answers");
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        assert!(status.is_success(), "{action}: {status}: {text}");
    }

    fn request(
        &self,
        action: &str,
        version: &str,
        parameters: &[(&str, &str)],
    ) -> reqwest::RequestBuilder {
        let mut url = Url::parse(&self.endpoint).expect("the sandbox has a URL");
        url.query_pairs_mut()
            .append_pair("Action", action)
            .append_pair("Version", version)
            .extend_pairs(parameters);
        let signature = format!(
            "AWS4-HMAC-SHA256 Credential={}/20250101/us-east-1/iam/aws4_request",
            self.access_key
        );
        self.http.post(url).header("authorization", signature)
    }

    /// Creates a role that EC2 may assume and that can read every cluster's secrets. Returns its ARN.
    pub async fn prepare_role(&self, name: &str) -> String {
        self.prepare_role_under("/", name).await
    }

    /// Creates such a role under a path, which has a slash at both ends. Returns the role's ARN.
    pub async fn prepare_role_under(&self, path: &str, name: &str) -> String {
        let arn = self.create_role_under(path, name).await;
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Action": "secretsmanager:GetSecretValue",
                "Resource": "arn:aws:secretsmanager:*:123456789012:secret:compute-engine/*",
            }],
        });
        self.write_policy(name, "read-secrets", &policy).await;
        arn
    }

    /// Writes an inline policy of a role.
    pub async fn write_policy(&self, role: &str, name: &str, document: &Value) {
        let document = document.to_string();
        let parameters = [
            ("RoleName", role),
            ("PolicyName", name),
            ("PolicyDocument", &document),
        ];
        self.call("PutRolePolicy", &parameters).await;
    }

    /// Creates a role that EC2 may assume, without permissions. Returns its ARN.
    pub async fn create_role(&self, name: &str) -> String {
        self.create_role_under("/", name).await
    }

    async fn create_role_under(&self, path: &str, name: &str) -> String {
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }],
        });
        let trust = trust.to_string();
        let parameters = [
            ("RoleName", name),
            ("Path", path),
            ("AssumeRolePolicyDocument", &trust),
        ];
        self.call("CreateRole", &parameters).await;
        format!("arn:aws:iam::123456789012:role{path}{name}")
    }

    /// Deletes a role that [`Administrator::prepare_role`] created.
    pub async fn delete_prepared_role(&self, name: &str) {
        let role = ("RoleName", name);
        let policy = ("PolicyName", "read-secrets");
        self.call("DeleteRolePolicy", &[role, policy]).await;
        self.call("DeleteRole", &[role]).await;
    }

    /// Creates a managed policy that can be used as a boundary. Returns its ARN.
    pub async fn prepare_policy(&self, name: &str) -> String {
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Action": ["secretsmanager:GetSecretValue", "ssm:*"],
                "Resource": "*",
            }],
        });
        self.create_policy(name, &document).await;
        format!("arn:aws:iam::123456789012:policy/{name}")
    }

    pub async fn create_policy(&self, name: &str, document: &Value) {
        let document = document.to_string();
        let parameters = [("PolicyName", name), ("PolicyDocument", &document)];
        self.call("CreatePolicy", &parameters).await;
    }

    /// Sends a request to one of the sandbox's control routes under `/_sandbox/`.
    ///
    /// # Panics
    /// When the sandbox answers with an error.
    pub async fn control_sandbox(&self, route: &str, body: Value) -> Value {
        let url = format!("{}/_sandbox/{route}", self.endpoint);
        let response = self.http.post(url).json(&body).send().await;
        let response = response.expect("the sandbox answers");
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        assert!(status.is_success(), "{route}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}
