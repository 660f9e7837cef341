//! One run of the suite: which account it may use, the rules on both sides, and the clean-up.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use engine_roles_iam_sandbox::{Sandbox, SandboxConfig};
use futures::FutureExt;
use tokio::signal::unix::{SignalKind, signal};

use crate::account::{Account, Endpoints};
use crate::clean_up::{Swept, Which, clean_up};
use crate::params::Params;
use crate::probe::{Probe, Side};
use crate::report::{Checked, Report};
use crate::rules::{RULES, Rule};
use crate::run::Run;
use crate::trouble::Trouble;

/// What a run does.
#[derive(Debug)]
pub(crate) struct Options {
    /// The account that the credentials must belong to; none if the variable is not set.
    pub(crate) account: Option<String>,
    /// The budget of calls to AWS.
    pub(crate) calls: u64,
    /// How long AWS's reads may lag behind its writes.
    pub(crate) longest_lag: Duration,
    /// Only rules whose names contain one of these texts; all rules if empty.
    pub(crate) only: Vec<String>,
}

/// Why the rules ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All rules were checked.
    Completed,
    /// The budget of calls was used up.
    OutOfBudget,
    /// By a signal.
    Interrupted,
}

/// An account that the suite may use, and its caller.
pub(crate) struct Admitted {
    pub(crate) account: Arc<Account>,
    id: String,
    caller: String,
}

/// Asks STS whose credentials these are, before any call to IAM.
///
/// # Errors
/// [`Trouble::Refused`] if they don't belong to the account that the tester named.
pub(crate) async fn admit(options: &Options) -> Result<Admitted, Trouble> {
    const VARIABLE: &str = "ENGINE_ROLES_AWS_TEST_ACCOUNT";
    let named = options.account.as_deref().filter(|id| !id.is_empty());
    let Some(named) = named else {
        return Err(Trouble::Refused(format!(
            "{VARIABLE} is not set: set it to the id of the AWS account in which the suite may create \
             and delete roles. Nothing was done."
        )));
    };
    let account = Account::from_environment(options.calls).await?;
    let answer = account
        .call("GetCallerIdentity", &Params::default())
        .await?;
    let found = answer.text("Account").filter(|_| answer.is_success());
    let Some(found) = found else {
        let answer = answer.outcome();
        return Err(Trouble::Refused(format!(
            "STS does not say whose credentials these are: {answer}. Nothing was done."
        )));
    };
    if found != named {
        return Err(Trouble::Refused(format!(
            "the credentials belong to account {found}, and {VARIABLE} names {named}. Nothing was \
             done."
        )));
    }
    Ok(Admitted {
        account: Arc::new(account),
        id: found,
        caller: answer.text("Arn").unwrap_or_default(),
    })
}

/// Checks the rules, then removes what they created, whatever happened.
///
/// # Errors
/// If the sandbox does not start, or the clean-up fails: resources may be left then.
pub(crate) async fn run(
    options: &Options,
    admitted: &Admitted,
) -> Result<(Ended, Report, Swept), Trouble> {
    let run = Run::new();
    eprintln!(
        "account {}, run {}, at most {} calls",
        admitted.id, run.suffix, options.calls
    );
    let (_sandbox, sandbox) = sandbox_side(admitted, options, &run).await?;
    let aws = Probe::new(
        Arc::clone(&admitted.account),
        &run,
        Side::Aws,
        (&admitted.id, &admitted.caller),
        options.longest_lag,
    );
    let mut report = Report::default();
    let checking = Box::pin(check_all(options, aws, sandbox, &mut report));
    let ended = tokio::select! {
        ended = checking => ended,
        () = interrupted() => Ended::Interrupted,
    };
    eprintln!("removing what the run created");
    let sweeping = Box::pin(clean_up(&admitted.account, Which::OfRun(&run.suffix)));
    let swept = tokio::select! {
        swept = sweeping => swept?,
        () = interrupted() => return Err(Trouble::Refused(
            "interrupted while removing: run the suite with --clean-up".to_owned(),
        )),
    };
    Ok((ended, report, swept))
}

/// Starts the sandbox with which AWS is compared.
async fn sandbox_side(
    admitted: &Admitted,
    options: &Options,
    run: &Run,
) -> Result<(Sandbox, Probe), Trouble> {
    let of_aws = &admitted.account.endpoints;
    let config = SandboxConfig {
        account_id: admitted.id.clone(),
        partition: of_aws.partition.as_str().to_owned(),
        role_policies: true,
        ..SandboxConfig::default()
    };
    let started = Sandbox::start(config).await;
    let sandbox = started.map_err(|error| Trouble::Refused(error.to_string()))?;
    let endpoints = Endpoints {
        iam: sandbox.endpoint(),
        sts: sandbox.endpoint(),
        ..of_aws.clone()
    };
    let keys = Credentials::new("AKIASUITE00000000000", "not-checked", None, None, "sandbox");
    let provider = SharedCredentialsProvider::new(keys);
    let account = Account::new(endpoints, provider, u64::MAX)?;
    let answer = account
        .call("GetCallerIdentity", &Params::default())
        .await?;
    let caller = answer.text("Arn").unwrap_or_default();
    let caller = (admitted.id.as_str(), caller.as_str());
    let lag = options.longest_lag;
    let probe = Probe::new(Arc::new(account), run, Side::Sandbox, caller, lag);
    Ok((sandbox, probe))
}

async fn check_all(
    options: &Options,
    mut aws: Probe,
    mut sandbox: Probe,
    report: &mut Report,
) -> Ended {
    let wanted = RULES.iter().filter(|rule| {
        let mut only = options.only.iter();
        options.only.is_empty() || only.any(|text| rule.name.contains(text.as_str()))
    });
    for rule in wanted {
        eprintln!("checking: {}", rule.name);
        let checked = Box::pin(check(rule, &mut aws, &mut sandbox)).await;
        let (checked, ends) = checked;
        report.rules.push(checked);
        if ends {
            let is_used_up = aws.account.budget.check().is_err();
            // Otherwise the report says why the last rule could not be checked.
            return if is_used_up {
                Ended::OutOfBudget
            } else {
                Ended::Completed
            };
        }
    }
    Ended::Completed
}

/// Checks one rule on both sides. Returns also whether no other rule can be checked.
async fn check(rule: &'static Rule, aws: &mut Probe, sandbox: &mut Probe) -> (Checked, bool) {
    sandbox.begin(Vec::new());
    let expected = checked(rule, sandbox).await;
    let seen = sandbox.end();
    aws.begin(seen.observations.clone());
    let outcome = match expected {
        Ok(()) => checked(rule, aws).await,
        Err(trouble) => Err(Trouble::Unexpected(format!(
            "in the sandbox: {}",
            trouble.chain()
        ))),
    };
    let trouble = outcome.err();
    let ends = trouble.as_ref().is_some_and(Trouble::ends_the_run);
    let found = Checked {
        rule: rule.name,
        aws: aws.end(),
        sandbox: seen,
        trouble: trouble.map(|trouble| aws.masked(&trouble.chain())),
    };
    (found, ends)
}

/// Runs a rule. A panic of the support for the end-to-end tests is an error of the rule, so that
/// everything is removed afterwards.
async fn checked(rule: &Rule, probe: &mut Probe) -> Result<(), Trouble> {
    match AssertUnwindSafe((rule.check)(probe)).catch_unwind().await {
        Ok(result) => result,
        Err(_) => Err(Trouble::Unexpected("panicked: see above".to_owned())),
    }
}

/// Returns when the process gets SIGINT or SIGTERM.
async fn interrupted() {
    let signals = [SignalKind::interrupt(), SignalKind::terminate()];
    let [Ok(mut interrupt), Ok(mut terminate)] = signals.map(signal) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
