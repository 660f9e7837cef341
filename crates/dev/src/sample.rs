//! Sample requests to the service over HTTP.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use engine_roles_iam_sandbox::ADMINISTRATOR_ACCESS_KEY;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::environment::{PREPARED_PROFILE, PREPARED_ROLE};

/// How long the service may take to become ready; far more than it needs.
const READY_LIMIT: Duration = Duration::from_mins(1);

pub(crate) struct Sample {
    http: Client,
    service: String,
    sandbox: String,
    account: String,
    key: String,
}

impl Sample {
    pub(crate) fn new(service: SocketAddr, sandbox: &str, account: &str, key: &str) -> Self {
        Self {
            http: Client::new(),
            service: format!("http://{service}"),
            sandbox: sandbox.to_owned(),
            account: account.to_owned(),
            key: key.to_owned(),
        }
    }

    /// Creates a pass-through role and its instance profile, as an administrator would.
    pub(crate) async fn prepare_role(&self) -> anyhow::Result<()> {
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "ec2.amazonaws.com"},
        }]});
        let account = &self.account;
        let secrets = format!("arn:aws:secretsmanager:*:{account}:secret:compute-engine/*");
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secrets,
        }]});
        let (trust, policy) = (trust.to_string(), policy.to_string());
        let role = ("RoleName", PREPARED_ROLE);
        let profile = ("InstanceProfileName", PREPARED_PROFILE);
        self.iam("CreateRole", &[role, ("AssumeRolePolicyDocument", &trust)])
            .await?;
        let document = [
            role,
            ("PolicyName", "read-secrets"),
            ("PolicyDocument", &policy),
        ];
        self.iam("PutRolePolicy", &document).await?;
        self.iam("CreateInstanceProfile", &[profile]).await?;
        self.iam("AddRoleToInstanceProfile", &[profile, role]).await
    }

    async fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> anyhow::Result<()> {
        let fixed = [("Action", action), ("Version", "2010-05-08")];
        let mut url = reqwest::Url::parse(&self.sandbox)?;
        url.query_pairs_mut()
            .extend_pairs(fixed)
            .extend_pairs(parameters);
        let body = url.query().unwrap_or_default().to_owned();
        let request = self.http.post(&self.sandbox).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let signature = format!("AWS4-HMAC-SHA256 Credential={ADMINISTRATOR_ACCESS_KEY}/-");
        let request = request.header("authorization", signature);
        let answer = request.send().await?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "{action}: {status}: {}",
            answer.text().await?
        );
        Ok(())
    }

    pub(crate) async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let ready = async {
            loop {
                let answer = self
                    .http
                    .get(format!("{}/readyz", self.service))
                    .send()
                    .await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(READY_LIMIT, ready)
            .await
            .context("the service did not become ready")
    }

    /// Prints the addresses, the API key and sample requests.
    pub(crate) fn print_usage(&self, data_dir: Option<&Path>) {
        let Self {
            service,
            sandbox,
            key,
            ..
        } = self;
        println!("Engine Roles  {service}");
        println!("IAM sandbox   {sandbox}  (its resources: {sandbox}/_sandbox/state)");
        if let Some(dir) = data_dir {
            println!("database in   {}", dir.display());
        }
        println!("API key       {key}");
        println!();
        let role = format!("{service}/v1/clusters/demo/role");
        let auth = format!("-H 'Authorization: Bearer {key}'");
        println!(
            "curl -X PUT {role} {auth} -H 'Content-Type: application/json' -d '{{\"secrets\": [\"db-password\"]}}'"
        );
        println!("curl {role} {auth}");
        println!("curl -X DELETE {role} {auth}");
    }

    /// Provisions a cluster in each mode, shows it, tears it down, and checks that no role and no
    /// profile is left.
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        self.wait_until_ready().await?;
        let create =
            json!({"mode": "create", "secrets": ["db-password"], "tags": {"team": "demo"}});
        let pass = json!({"mode": "pass_through", "iam_role": PREPARED_ROLE});
        for (cluster, body) in [("demo-create", create), ("demo-pass-through", pass)] {
            let role = format!("/v1/clusters/{cluster}/role");
            self.show(Method::PUT, &role, Some(body), 201).await?;
            self.show(Method::GET, &role, None, 200).await?;
            self.show(Method::DELETE, &role, None, 200).await?;
        }
        let state = self
            .http
            .get(format!("{}/_sandbox/state", self.sandbox))
            .send()
            .await?;
        let state: Value = state.json().await?;
        for kind in ["roles", "instance_profiles"] {
            let found = state[kind].as_array().into_iter().flatten();
            let ours = found.filter(|resource| {
                resource["path"]
                    .as_str()
                    .is_some_and(|path| path.starts_with("/ai-unlimited/"))
            });
            let left: Vec<&Value> = ours.collect();
            ensure!(
                left.is_empty(),
                "resources are left in the sandbox: {left:?}"
            );
        }
        println!("\nNo resources of the service are left in the sandbox.");
        Ok(())
    }

    async fn show(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        expected: u16,
    ) -> anyhow::Result<()> {
        println!("\n{method} {path}");
        let url = format!("{}{path}", self.service);
        let mut request = self
            .http
            .request(method.clone(), url)
            .bearer_auth(&self.key);
        if let Some(body) = &body {
            println!("{body}");
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        let shown: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        println!("{status}\n{shown:#}");
        ensure!(
            status.as_u16() == expected,
            "{method} {path} returned {status} instead of {expected}"
        );
        Ok(())
    }
}
