//! How a rule asks AWS or the sandbox, and records what it found.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;

use crate::account::Account;
use crate::answer::Answer;
use crate::observation::{Measurement, Observation, Seen};
use crate::params::Params;
use crate::run::{Mask, Run};
use crate::trouble::Trouble;

/// The first pause before a call is repeated. Each further pause is twice as long, up to
/// [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How many reads one after another must see a new resource before it counts as visible: IAM's reads
/// are answered by several servers.
const READS: usize = 3;

/// Which side a rule runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Aws,
    Sandbox,
}

/// What a rule gets to work with on one side.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) account: Arc<Account>,
    pub(crate) run: Run,
    pub(crate) side: Side,
    /// The id of the account.
    pub(crate) account_id: String,
    /// How long AWS's reads may lag behind its writes.
    pub(crate) longest_lag: Duration,
    mask: Mask,
    /// What the sandbox answered, in the order of the rule.
    expected: Vec<Observation>,
    seen: Seen,
}

/// A call whose answer is compared.
pub(crate) struct Ask<'a> {
    what: &'a str,
    action: &'a str,
    params: Params,
    by: Option<&'a Credentials>,
    show: Option<fn(&Answer) -> String>,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(what: &'a str, action: &'a str, params: impl Into<Params>) -> Self {
        Self {
            what,
            action,
            params: params.into(),
            by: None,
            show: None,
        }
    }

    /// The call is made with these credentials.
    #[must_use]
    pub(crate) fn by(mut self, credentials: &'a Credentials) -> Self {
        self.by = Some(credentials);
        self
    }

    /// This part of a success is compared too.
    #[must_use]
    pub(crate) fn showing(mut self, show: fn(&Answer) -> String) -> Self {
        self.show = Some(show);
        self
    }

    /// Whether a later answer to the same call may be another one, because IAM's reads lag behind its
    /// writes. A write that succeeded is never sent again.
    fn may_lag(&self, answer: &Answer, expected: &str) -> bool {
        let same_class = expected.starts_with(&answer.class());
        if self.by.is_some() {
            // New credentials and changed policies take effect after seconds.
            return is_read(self.action) || !answer.is_success();
        }
        if answer.is_success() {
            return is_read(self.action);
        }
        let lagging = ["NoSuchEntity", "AccessDenied", "DeleteConflict"];
        !same_class && (is_read(self.action) || lagging.contains(&answer.code().as_str()))
    }
}

fn is_read(action: &str) -> bool {
    let reads = ["Get", "List", "Simulate", "Assume"];
    reads.iter().any(|verb| action.starts_with(verb))
}

impl Probe {
    pub(crate) fn new(
        account: Arc<Account>,
        run: &Run,
        side: Side,
        (account_id, caller): (&str, &str),
        longest_lag: Duration,
    ) -> Self {
        Self {
            account,
            run: run.clone(),
            side,
            account_id: account_id.to_owned(),
            longest_lag,
            mask: Mask::new(run, caller, account_id),
            expected: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// Begins a rule. `expected` is what the sandbox answered; empty on the sandbox.
    pub(crate) fn begin(&mut self, expected: Vec<Observation>) {
        self.expected = expected;
        self.seen = Seen::default();
    }

    /// Returns what the rule saw.
    pub(crate) fn end(&mut self) -> Seen {
        std::mem::take(&mut self.seen)
    }

    /// Returns a text without what differs between two accounts and two runs.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.mask.over(text)
    }

    pub(crate) fn is_aws(&self) -> bool {
        self.side == Side::Aws && self.account.endpoints.are_of_aws()
    }

    /// Returns an ARN of this account.
    pub(crate) fn arn(&self, resource: &str) -> String {
        let partition = self.account.endpoints.partition.as_str();
        format!("arn:{partition}:iam::{}:{resource}", self.account_id)
    }

    /// Returns the ARN of a resource under this run's path. `kind` is `role` or `policy`.
    pub(crate) fn own_arn(&self, kind: &str, name: &str) -> String {
        self.arn(&format!("{kind}{}{name}", self.run.path()))
    }

    /// Makes a call and records its answer.
    ///
    /// # Errors
    /// As [`Account::call`].
    pub(crate) async fn see(
        &mut self,
        what: &str,
        action: &str,
        params: impl Into<Params>,
    ) -> Result<Answer, Trouble> {
        self.ask(Ask::new(what, action, params)).await
    }

    /// Makes a call and records its answer. On AWS, the call is repeated while its answer is not the
    /// sandbox's and may be an old one.
    ///
    /// # Errors
    /// As [`Account::call`].
    pub(crate) async fn ask(&mut self, ask: Ask<'_>) -> Result<Answer, Trouble> {
        let expected = self.expected.get(self.seen.observations.len());
        let expected = expected.map(|expected| expected.found.clone());
        let (started, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let answer = self.once(&ask).await?;
            let mut found = answer.outcome();
            if let Some(show) = ask.show.filter(|_| answer.is_success()) {
                found = format!("200 {}", show(&answer));
            }
            let found = self.mask.over(&found);
            let waited = started.elapsed();
            let other = expected.as_ref().filter(|expected| **expected != found);
            let again = other.is_some_and(|expected| ask.may_lag(&answer, expected));
            if !again || waited >= self.longest_lag {
                let observation = Observation::new(ask.what, found, waited);
                self.seen.observations.push(observation);
                return Ok(answer);
            }
            wait(&mut pause).await;
        }
    }

    /// Makes a call, and makes it again while AWS throttles it.
    async fn once(&self, ask: &Ask<'_>) -> Result<Answer, Trouble> {
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = match ask.by {
                Some(credentials) => {
                    let account = &self.account;
                    account.call_by(credentials, ask.action, &ask.params).await
                }
                None => self.account.call(ask.action, &ask.params).await,
            }?;
            if !answer.code().starts_with("Throttling") {
                return Ok(answer);
            }
            wait(&mut pause).await;
        }
    }

    /// Records something that was found in another way than by one call.
    pub(crate) fn note(&mut self, what: &str, found: &str) {
        let found = self.mask.over(found);
        let observation = Observation::new(what, found, Duration::ZERO);
        self.seen.observations.push(observation);
    }

    pub(crate) fn measured(&mut self, what: &str, time: Duration) {
        self.seen.measurements.push(Measurement {
            what: what.to_owned(),
            milliseconds: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        });
    }

    pub(crate) fn not_checked(&mut self, what: &str) {
        self.seen.not_checked.push(what.to_owned());
    }

    /// Makes a call that has to succeed, and repeats it while IAM may not see yet what it needs. The
    /// answer is not compared.
    ///
    /// # Errors
    /// [`Trouble::Failed`], and as [`Account::call`].
    pub(crate) async fn must(
        &self,
        action: &str,
        params: impl Into<Params>,
    ) -> Result<Answer, Trouble> {
        let ask = Ask::new("", action, params);
        let (started, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let answer = self.once(&ask).await?;
            if answer.is_success() {
                return Ok(answer);
            }
            let lagging = ["NoSuchEntity", "AccessDenied", "MalformedPolicyDocument"];
            let may_lag = self.is_aws() && lagging.contains(&answer.code().as_str());
            if !may_lag || started.elapsed() >= self.longest_lag {
                return Err(Trouble::Failed {
                    action: action.to_owned(),
                    answer: answer.outcome(),
                });
            }
            wait(&mut pause).await;
        }
    }

    /// Creates a role of this run and waits until reads see it. Returns its name.
    ///
    /// # Errors
    /// As [`Probe::must`].
    pub(crate) async fn role(&self, short: &str) -> Result<String, Trouble> {
        let name = self.run.name(short);
        let params = Params::role(&self.run, &name);
        self.must("CreateRole", &params).await?;
        self.is_seen("GetRole", &[("RoleName", name.as_str())])
            .await?;
        Ok(name)
    }

    /// Creates an instance profile of this run and waits until reads see it. Returns its name.
    ///
    /// # Errors
    /// As [`Probe::must`].
    pub(crate) async fn profile(&self, short: &str) -> Result<String, Trouble> {
        let name = self.run.name(short);
        let params = Params::profile(&self.run, &name);
        self.must("CreateInstanceProfile", &params).await?;
        let read = [("InstanceProfileName", name.as_str())];
        self.is_seen("GetInstanceProfile", &read).await?;
        Ok(name)
    }

    /// Creates a managed policy of this run and waits until reads see it. Returns its ARN.
    ///
    /// # Errors
    /// As [`Probe::must`].
    pub(crate) async fn policy(&self, short: &str, document: &str) -> Result<String, Trouble> {
        let name = self.run.name(short);
        let params = Params::policy(&self.run, &name, document);
        self.must("CreatePolicy", &params).await?;
        let arn = self.own_arn("policy", &name);
        self.is_seen("GetPolicy", &[("PolicyArn", arn.as_str())])
            .await?;
        Ok(arn)
    }

    /// Waits until several reads one after another succeed.
    ///
    /// # Errors
    /// As [`Probe::must`].
    pub(crate) async fn is_seen(
        &self,
        action: &str,
        params: &[(&str, &str); 1],
    ) -> Result<(), Trouble> {
        let reads = if self.is_aws() { READS } else { 1 };
        for _ in 0..reads {
            self.must(action, params).await?;
        }
        Ok(())
    }
}

/// Waits for a pause, and doubles the next one.
async fn wait(pause: &mut Duration) {
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}
