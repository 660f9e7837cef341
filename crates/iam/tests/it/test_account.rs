//! An AWS account in a sandbox, clients of it, and steps to send.

use std::collections::BTreeMap;
use std::time::Duration;

use engine_roles_domain::account::Partition;
use engine_roles_domain::grant::trust_policy;
use engine_roles_domain::resources::{Namespace, ProfileName, RoleName, Step};
use engine_roles_iam::{Endpoint, Iam, IamConfig, IamError, OpenGate};
use engine_roles_iam_sandbox::{Effect, Fault, Sandbox, SandboxConfig, When};
use engine_roles_policy::{Document, Kind, Statement};
use serde_json::Value;

pub(crate) struct TestAccount {
    pub(crate) sandbox: Sandbox,
    pub(crate) iam: Iam,
    /// The SDK's own client, for changes that others make in the account.
    pub(crate) others: aws_sdk_iam::Client,
}

pub(crate) async fn test_account() -> TestAccount {
    test_account_of(SandboxConfig::default()).await
}

pub(crate) async fn test_account_of(config: SandboxConfig) -> TestAccount {
    let sandbox = Sandbox::start(config).await.expect("a sandbox");
    let iam = client(&sandbox.endpoint(), Duration::from_secs(20)).await;
    let others = aws_sdk_iam::Config::builder()
        .behavior_version(aws_sdk_iam::config::BehaviorVersion::latest())
        .region(aws_sdk_iam::config::Region::new("us-east-1"))
        .endpoint_url(sandbox.endpoint())
        .credentials_provider(aws_sdk_iam::config::Credentials::new(
            "AKIAOTHERS",
            "secret",
            None,
            None,
            "test",
        ))
        .build();
    TestAccount {
        iam,
        others: aws_sdk_iam::Client::from_conf(others),
        sandbox,
    }
}

pub(crate) async fn client(url: &str, call_timeout: Duration) -> Iam {
    let endpoint = Endpoint {
        url: url.to_owned(),
        access_key_id: "AKIATEST".to_owned(),
        secret_access_key: "secret".to_owned(),
    };
    let config = IamConfig {
        region: None,
        call_timeout,
    };
    Iam::connect_to(&endpoint, &config).await
}

impl TestAccount {
    pub(crate) async fn apply(&self, steps: &[Step]) {
        for step in steps {
            self.iam
                .through(OpenGate)
                .apply(step)
                .await
                .expect("the step is accepted");
        }
    }

    /// Sends a step that fails, and returns the error.
    pub(crate) async fn fails(&self, step: &Step) -> IamError {
        let applied = self.iam.through(OpenGate).apply(step).await;
        applied.expect_err("the step fails")
    }

    /// Returns how often an action was called.
    pub(crate) fn calls(&self, action: &str) -> usize {
        let calls = self.sandbox.calls(0);
        calls.iter().filter(|call| call.action == action).count()
    }

    pub(crate) fn role(&self) -> Value {
        self.sandbox.state()["roles"][0].clone()
    }

    pub(crate) fn profile(&self) -> Value {
        self.sandbox.state()["instance_profiles"][0].clone()
    }
}

pub(crate) fn fault(action: &str, when: When, effect: Effect) -> Fault {
    Fault {
        action: action.to_owned(),
        when,
        effect,
        times: u64::MAX,
        skip: 0,
        params: BTreeMap::new(),
        chance: 1.0,
    }
}

pub(crate) fn role() -> RoleName {
    RoleName::parse("td-one-aaaa").expect("a name")
}

pub(crate) fn profile() -> ProfileName {
    role().into()
}

pub(crate) fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// A policy with all characters that percent-encoding could get wrong.
pub(crate) fn document() -> Document {
    let resource = "arn:aws:secretsmanager:us-west-2:123456789012:secret:a+b c%41&d=e/ü-??????";
    let read = Statement::allow(
        "Read",
        ["secretsmanager:GetSecretValue".to_owned()],
        [resource.to_owned()],
    );
    Document::new(Kind::Identity, vec![read]).expect("a policy")
}

pub(crate) fn create_role() -> Step {
    Step::CreateRole {
        role: role(),
        path: Namespace::parse("test").expect("a namespace").path(),
        trust: trust_policy(Partition::Aws).expect("a trust policy"),
        boundary: None,
        tags: tags(&[("team", "a b+c"), ("ai-unlimited:cluster", "one")]),
    }
}

pub(crate) fn create_profile() -> Step {
    Step::CreateInstanceProfile {
        profile: profile(),
        path: Namespace::parse("test").expect("a namespace").path(),
        tags: tags(&[("team", "x")]),
    }
}

pub(crate) fn put_policy() -> Step {
    Step::PutRolePolicy {
        role: role(),
        document: document(),
    }
}

pub(crate) fn add_role() -> Step {
    Step::AddRoleToInstanceProfile {
        profile: profile(),
        role: role(),
    }
}

/// The steps that create all resources of a binding.
pub(crate) fn everything() -> [Step; 4] {
    [create_role(), create_profile(), put_policy(), add_role()]
}
