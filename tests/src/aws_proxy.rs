//! A proxy between the service and the sandbox that answers chosen calls in place of AWS: with
//! AWS's errors, with what other proxies and captive portals answer, or not at all.
//!
//! The sandbox's faults and policies play what AWS does by itself. This proxy plays what happens on
//! the way to AWS, and answers of AWS that the sandbox can't give.

pub(crate) mod http;
mod reply;

use std::sync::{Arc, Mutex, PoisonError};

use engine_roles_iam_sandbox::SandboxConfig;
use tokio::io::{AsyncBufReadExt, BufStream};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::loopback::LoopbackServer;
use http::{Request, Response};
pub use reply::{AUTHENTICATION_FAILURES, Denial, Reply};

/// A proxy on loopback. Dropping this value ends it.
#[derive(Debug)]
pub struct AwsProxy {
    server: LoopbackServer,
    shared: Arc<Shared>,
}

/// What the proxy does with some calls. All others it forwards.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Every action where there is none.
    actions: Vec<String>,
    /// The access key of the signature; any where there is none.
    access_key: Option<String>,
    /// How many calls it still applies to; any number where there is none.
    times: Option<u64>,
    handling: Handling,
}

#[derive(Clone, Debug)]
enum Handling {
    Instead(Reply),
    After(Reply),
    Changing(Change),
}

/// A change of AWS's own answer.
#[derive(Clone, Debug)]
pub enum Change {
    /// The answer has no header with AWS's request id.
    WithoutRequestId,
    /// The answer is about this account: in ARNs, and as the account of the caller. Policy documents
    /// stay as they are.
    OtherAccount(String),
    /// The answer has this header `Date`.
    Date(String),
}

impl Rule {
    /// A call gets this reply and does not reach AWS.
    pub fn instead(reply: Reply) -> Self {
        Self::new(Handling::Instead(reply))
    }

    /// A call reaches AWS and has its effect, and gets this reply in place of AWS's answer.
    pub fn after(reply: Reply) -> Self {
        Self::new(Handling::After(reply))
    }

    /// A call reaches AWS, and gets AWS's answer with this change.
    pub fn changing(change: Change) -> Self {
        Self::new(Handling::Changing(change))
    }

    /// Limits the rule to calls of these actions.
    #[must_use]
    pub fn only(mut self, actions: &[&str]) -> Self {
        self.actions = actions.iter().map(|&action| action.to_owned()).collect();
        self
    }

    /// Limits the rule to calls that are signed with this access key.
    #[must_use]
    pub fn signed_with(mut self, access_key: &str) -> Self {
        self.access_key = Some(access_key.to_owned());
        self
    }

    /// Limits the rule to this number of calls. Without a limit it applies until
    /// [`AwsProxy::clear`].
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    fn new(handling: Handling) -> Self {
        Self {
            actions: Vec::new(),
            access_key: None,
            times: None,
            handling,
        }
    }

    fn applies_to(&self, action: &str, request: &Request) -> bool {
        let signature = request.header("authorization").unwrap_or_default();
        let credential = self.access_key.as_ref();
        let credential = credential.map(|key| format!("Credential={key}/"));
        self.times != Some(0)
            && credential.is_none_or(|credential| signature.contains(&credential))
            && (self.actions.is_empty() || self.actions.iter().any(|named| named == action))
    }
}

#[derive(Debug)]
struct Shared {
    /// The URL of the sandbox.
    endpoint: String,
    account: SandboxConfig,
    http: reqwest::Client,
    state: Mutex<State>,
    /// How often the rules were cleared.
    cleared: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    /// The actions of the calls that a rule applied to.
    handled: Vec<String>,
}

/// What becomes of a call.
enum Outcome {
    Answered(Response),
    Hanging,
    Reset,
}

impl AwsProxy {
    /// Starts a proxy to the sandbox at this URL, which has this configuration.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(endpoint: impl Into<String>, account: &SandboxConfig) -> Self {
        let http = reqwest::Client::builder().no_proxy().build();
        let shared = Arc::new(Shared {
            endpoint: endpoint.into(),
            account: account.clone(),
            http: http.expect("a client without TLS can be built"),
            state: Mutex::default(),
            cleared: watch::Sender::default(),
        });
        let kept = Arc::clone(&shared);
        let server = LoopbackServer::start(move |caller| serve(caller, Arc::clone(&kept)));
        Self {
            server: server.await,
            shared,
        }
    }

    /// The URL for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Adds a rule. If several rules apply to a call, the oldest one decides.
    pub fn add(&self, rule: Rule) {
        self.shared.lock().rules.push(rule);
    }

    /// Removes all rules, so that all calls are forwarded, and resets the connections of the calls
    /// that hang.
    pub fn clear(&self) {
        self.shared.lock().rules.clear();
        self.shared.cleared.send_modify(|times| *times += 1);
    }

    /// The actions of the calls that a rule applied to, in order.
    pub fn handled(&self) -> Vec<String> {
        self.shared.lock().handled.clone()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what the first rule that applies to this action does, and counts the call.
    fn take(&self, action: &str, request: &Request) -> Option<Handling> {
        let mut state = self.lock();
        let rule = state
            .rules
            .iter_mut()
            .find(|rule| rule.applies_to(action, request))?;
        rule.times = rule.times.map(|times| times - 1);
        let handling = rule.handling.clone();
        state.handled.push(action.to_owned());
        Some(handling)
    }

    async fn handle(&self, request: &Request) -> Outcome {
        let action = request.parameter("Action").unwrap_or_default();
        let handling = self.take(&action, request);
        if let Some(Handling::Instead(reply)) = handling {
            return reply.to_outcome(request, &self.account);
        }
        // The sandbox gives no answer where one of its faults resets the connection.
        let Some(mut answer) = request.forward(&self.http, &self.endpoint).await else {
            return Outcome::Reset;
        };
        match handling {
            Some(Handling::After(reply)) => reply.to_outcome(request, &self.account),
            Some(Handling::Changing(change)) => {
                change.apply(&mut answer, &self.account.account_id);
                Outcome::Answered(answer)
            }
            _ => Outcome::Answered(answer),
        }
    }
}

impl Change {
    fn apply(&self, answer: &mut Response, account: &str) {
        match self {
            Self::WithoutRequestId => answer.remove_header(http::REQUEST_ID),
            Self::Date(date) => {
                answer.remove_header("date");
                answer.headers.push(("date".to_owned(), date.clone()));
            }
            // Documents are percent-encoded, so these patterns are not found in them.
            Self::OtherAccount(other) => {
                for (before, after) in [(":", ":"), (">", "<")] {
                    let own = format!("{before}{account}{after}");
                    let other = format!("{before}{other}{after}");
                    answer.body = answer.body.replace(&own, &other);
                }
            }
        }
    }
}

/// Answers the calls on a connection, one after another.
async fn serve(caller: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    caller.set_nodelay(true)?;
    let mut stream = BufStream::new(caller);
    while let Some(request) = Request::read(&mut stream).await? {
        // Before the rules are read, so that a later change of them is not missed.
        let mut cleared = shared.cleared.subscribe();
        match shared.handle(&request).await {
            Outcome::Answered(response) => {
                response.write(&mut stream).await?;
                continue;
            }
            Outcome::Hanging => tokio::select! {
                _ = cleared.changed() => {}
                // Until the caller closes the connection: it sends nothing before it has an answer.
                _ = stream.fill_buf() => {}
            },
            Outcome::Reset => {}
        }
        return stream.get_ref().set_zero_linger();
    }
    Ok(())
}
