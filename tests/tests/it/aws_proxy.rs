//! The proxy between the service and the sandbox, as a caller of AWS sees it.

use engine_roles_e2e::administrator::SERVICE_ACCESS_KEY;
use engine_roles_e2e::aws_proxy::{AUTHENTICATION_FAILURES, Change, Denial, Reply, Rule};
use engine_roles_e2e::{AwsProxy, eventually};
use engine_roles_iam_sandbox::{PolicyLayer, Sandbox, SandboxConfig};
use reqwest::Url;
use serde_json::{Value, json};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const CREATE: [(&str, &str); 2] = [("RoleName", "r"), ("AssumeRolePolicyDocument", TRUST)];
const ROLE: [(&str, &str); 1] = [("RoleName", "r")];

/// A sandbox, a proxy in front of it, and a caller of the proxy.
struct Way {
    sandbox: Sandbox,
    proxy: AwsProxy,
    http: reqwest::Client,
}

struct Answer {
    status: u16,
    content_type: Option<String>,
    request_id: Option<String>,
    body: String,
}

impl Way {
    async fn open() -> Self {
        let config = SandboxConfig::default();
        let sandbox = Sandbox::start(config.clone()).await;
        let sandbox = sandbox.expect("the sandbox starts");
        let proxy = AwsProxy::start(sandbox.endpoint(), &config).await;
        let http = reqwest::Client::builder().no_proxy().build();
        Self {
            sandbox,
            proxy,
            http: http.expect("a client without TLS can be built"),
        }
    }

    /// Calls an action with the parameters in the body, as the SDK does; `None` without an answer.
    async fn try_call(&self, action: &str, parameters: &[(&str, &str)]) -> Option<Answer> {
        let version = match action {
            "GetCallerIdentity" => "2011-06-15",
            _ => "2010-05-08",
        };
        let mut form = Url::parse("http://form/").expect("the text is a URL");
        form.query_pairs_mut()
            .append_pair("Action", action)
            .append_pair("Version", version)
            .extend_pairs(parameters);
        let signature = format!(
            "AWS4-HMAC-SHA256 Credential={SERVICE_ACCESS_KEY}/20250101/us-east-1/iam/aws4_request"
        );
        let request = self.http.post(self.proxy.endpoint());
        let request = request
            .header("authorization", signature)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.query().unwrap_or_default().to_owned());
        let answer = request.send().await.ok()?;
        let header = |name: &str| {
            let value = answer.headers().get(name)?;
            Some(value.to_str().expect("headers are text").to_owned())
        };
        Some(Answer {
            status: answer.status().as_u16(),
            content_type: header("content-type"),
            request_id: header("x-amzn-requestid"),
            body: answer.text().await.expect("the body is complete"),
        })
    }

    async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let answer = self.try_call(action, parameters).await;
        answer.unwrap_or_else(|| panic!("{action} is not answered"))
    }

    fn roles(&self) -> Value {
        self.sandbox.state()["roles"].clone()
    }
}

/// Returns the text of an element.
fn text<'a>(body: &'a str, element: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{element}>"))?;
    Some(rest.split_once(&format!("</{element}>"))?.0)
}

#[tokio::test]
async fn calls_without_a_rule_are_forwarded() {
    let way = Way::open().await;
    way.proxy
        .add(Rule::instead(Reply::empty(503)).only(&["DeleteRole"]));
    let created = way.call("CreateRole", &CREATE).await;
    assert_eq!(created.status, 200, "{}", created.body);
    assert!(created.request_id.is_some());
    assert_eq!(created.content_type.as_deref(), Some("text/xml"));
    assert_eq!(way.roles()[0]["name"], "r");
    let absent = way.call("GetRole", &[("RoleName", "absent")]).await;
    assert_eq!(absent.status, 404);
    assert_eq!(text(&absent.body, "Code"), Some("NoSuchEntity"));
    let calls = way.sandbox.calls(0);
    assert_eq!(calls[0].access_key.as_deref(), Some(SERVICE_ACCESS_KEY));
    assert_eq!(calls[0].region.as_deref(), Some("us-east-1"));
    assert_eq!(way.proxy.handled(), [""; 0]);
}

#[tokio::test]
async fn a_reply_comes_in_place_of_the_call_or_after_its_effect_and_is_used_up() {
    let way = Way::open().await;
    let failure = || Reply::authentication_failure("ExpiredToken");
    way.proxy
        .add(Rule::instead(failure()).only(&["CreateRole"]).times(2));
    for _ in 0..2 {
        let answer = way.call("CreateRole", &CREATE).await;
        assert_eq!(text(&answer.body, "Code"), Some("ExpiredToken"));
        assert_eq!(way.roles(), json!([]));
    }
    assert_eq!(way.sandbox.calls(0).len(), 0);
    way.proxy
        .add(Rule::after(failure()).only(&["CreateRole", "DeleteRole"]));
    let answer = way.call("CreateRole", &CREATE).await;
    assert_eq!(text(&answer.body, "Code"), Some("ExpiredToken"));
    assert_eq!(way.roles()[0]["name"], "r");
    assert_eq!(way.call("GetRole", &ROLE).await.status, 200);
    assert_eq!(way.call("DeleteRole", &ROLE).await.status, 403);
    assert_eq!(way.roles(), json!([]));
    way.proxy.clear();
    assert_eq!(way.call("CreateRole", &CREATE).await.status, 200);
    let creates = ["CreateRole"; 3].iter();
    let handled: Vec<_> = creates.chain(&["DeleteRole"]).collect();
    assert_eq!(way.proxy.handled().iter().collect::<Vec<_>>(), handled);
}

#[tokio::test]
async fn each_failure_has_its_status_and_only_awss_have_a_request_id() {
    let way = Way::open().await;
    for (name, reply) in Reply::failures() {
        way.proxy.add(Rule::instead(reply).times(1));
        let answer = way.call("ListRoles", &[]).await;
        let is_of_aws = answer.request_id.is_some();
        let kind = answer.content_type.as_deref().unwrap_or_default();
        if AUTHENTICATION_FAILURES.contains(&name.as_str()) {
            assert_eq!(text(&answer.body, "Code"), Some(name.as_str()));
            assert_eq!((answer.status, is_of_aws), (403, true), "{name}");
            let message = text(&answer.body, "Message").unwrap_or_default();
            let words = [
                "security token included in the request",
                "request signature",
            ];
            assert!(words.iter().any(|words| message.contains(words)), "{name}");
            continue;
        }
        let expected = match name.as_str() {
            "HTML with 200" => (200, false, "text/html; charset=utf-8", "<h1>"),
            "HTML with 502" => (502, false, "text/html; charset=utf-8", "<h1>"),
            "an empty 503" => (503, false, "", ""),
            "407 with HTML" => (407, false, "text/html", "<h1>"),
            "429" => (429, false, "text/plain", "Too Many"),
            "503 with XML" => (503, true, "text/xml", "<Code>ServiceUnavailable</Code>"),
            "truncated XML with 200" => (200, true, "text/xml", "<ListRolesResponse"),
            other => panic!("{other} is a new kind"),
        };
        let (status, of_aws, content_type, part) = expected;
        assert_eq!((answer.status, is_of_aws), (status, of_aws), "{name}");
        assert_eq!(kind, content_type, "{name}");
        assert!(answer.body.contains(part), "{name}: {}", answer.body);
        assert_eq!(answer.body.is_empty(), part.is_empty(), "{name}");
        let ends = answer.body.contains("</ListRolesResponse>");
        assert!(!ends, "{name}: the XML is complete");
    }
    assert_eq!(way.sandbox.calls(0).len(), 0);
}

#[tokio::test]
async fn a_denial_has_the_same_message_as_the_sandbox_gives() {
    let way = Way::open().await;
    for layer in PolicyLayer::ALL {
        for (denial, effect) in [(Denial::Implicit, "Allow"), (Denial::Explicit, "Deny")] {
            let action = match denial {
                Denial::Implicit => "iam:ListRoles",
                _ => "iam:CreateRole",
            };
            let mut statement = json!({"Effect": effect, "Action": action, "Resource": "*"});
            if layer == PolicyLayer::Endpoint {
                statement["Principal"] = json!("*");
            }
            let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
            let set = way.sandbox.set_policy(layer, Some(&policy));
            set.expect("the policy is valid");
            let create = [&CREATE[..], &[("Path", "/p/")]].concat();
            let by_sandbox = way.call("CreateRole", &create).await;
            let reply = Reply::Denied(layer, denial);
            way.proxy.add(Rule::instead(reply).times(1));
            let by_proxy = way.call("CreateRole", &create).await;
            assert_eq!((by_sandbox.status, by_proxy.status), (403, 403));
            for element in ["Code", "Message", "Type"] {
                let expected = text(&by_sandbox.body, element);
                assert!(expected.is_some());
                assert_eq!(text(&by_proxy.body, element), expected, "{layer}");
            }
            let set = way.sandbox.set_policy(layer, None);
            set.expect("a policy can be removed");
        }
    }
    let arn = "arn:aws:organizations::1:policy/o-a/service_control_policy/p-b";
    let denial = Denial::ExplicitBy(arn.to_owned());
    let reply = Reply::Denied(PolicyLayer::ServiceControl, denial);
    way.proxy.add(Rule::instead(reply));
    let denied = way.call("CreateRole", &CREATE).await.body;
    let words = format!("with an explicit deny in a service control policy: {arn}");
    assert!(text(&denied, "Message").is_some_and(|message| message.ends_with(&words)));
}

#[tokio::test]
async fn awss_answer_can_lack_its_request_id_or_be_about_another_account() {
    let way = Way::open().await;
    way.call("CreateRole", &CREATE).await;
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:iam::123456789012:role/x"}]}"#;
    let policy = [ROLE[0], ("PolicyName", "i"), ("PolicyDocument", document)];
    way.call("PutRolePolicy", &policy).await;
    way.proxy
        .add(Rule::changing(Change::WithoutRequestId).times(1));
    let answer = way.call("GetRole", &ROLE).await;
    assert_eq!((answer.status, answer.request_id), (200, None));
    let own = "arn:aws:iam::123456789012:role/r";
    assert_eq!(text(&answer.body, "Arn"), Some(own));

    let other = || Rule::changing(Change::OtherAccount("999999999999".to_owned()));
    way.proxy.add(other());
    let answer = way.call("GetRole", &ROLE).await;
    assert!(answer.request_id.is_some());
    let arn = "arn:aws:iam::999999999999:role/r";
    assert_eq!(text(&answer.body, "Arn"), Some(arn));
    let identity = way.call("GetCallerIdentity", &[]).await;
    assert_eq!(text(&identity.body, "Account"), Some("999999999999"));
    let arn = text(&identity.body, "Arn").unwrap_or_default();
    assert!(arn.starts_with("arn:aws:sts::999999999999:"), "{arn}");
    let answer = way.call("GetRolePolicy", &policy[..2]).await;
    let document = text(&answer.body, "PolicyDocument").unwrap_or_default();
    assert!(document.contains("123456789012"), "{document}");
    way.proxy.clear();
    let answer = way.call("GetRole", &ROLE).await;
    assert_eq!(text(&answer.body, "Arn"), Some(own));
}

#[tokio::test]
async fn a_call_hangs_until_the_rules_are_cleared_or_is_reset() {
    let way = Way::open().await;
    way.proxy.add(Rule::after(Reply::Reset).times(1));
    assert!(way.try_call("CreateRole", &CREATE).await.is_none());
    assert_eq!(way.roles()[0]["name"], "r");

    way.proxy
        .add(Rule::after(Reply::Hang).only(&["DeleteRole"]));
    let hanging = way.try_call("DeleteRole", &ROLE);
    let cleared = async {
        eventually("the role is deleted", async || {
            (way.roles() == json!([])).then_some(())
        })
        .await;
        // Other calls are answered meanwhile.
        assert_eq!(way.call("GetRole", &ROLE).await.status, 404);
        way.proxy.clear();
    };
    let mut hanging = std::pin::pin!(hanging);
    tokio::select! {
        _ = &mut hanging => panic!("the call does not hang"),
        () = cleared => {}
    }
    assert!(hanging.await.is_none());
}
