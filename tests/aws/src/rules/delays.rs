//! How long IAM's reads lag behind its writes. The times are printed, not compared.

use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::params::Params;
use crate::probe::Probe;
use crate::rules::roles::READ_SECRETS;
use crate::scoped::{Scoped, allow, assume, create};
use crate::trouble::Trouble;

const PAUSE: Duration = Duration::from_millis(200);
/// How many reads one after another must agree: they are answered by several servers.
const READS: usize = 5;

/// Reads until several reads one after another are as expected; records when the last other answer
/// came.
async fn measure(
    probe: &mut Probe,
    what: &str,
    (action, params): (&str, &Params),
    is_expected: impl Fn(&Answer) -> bool,
) -> Result<(), Trouble> {
    let started = Instant::now();
    let (mut agreed, mut last_other) = (0, Duration::ZERO);
    while agreed < READS {
        let answer = probe.account.call(action, params).await?;
        if is_expected(&answer) {
            agreed += 1;
        } else {
            (agreed, last_other) = (0, started.elapsed());
            if last_other > probe.longest_lag {
                let lag = probe.longest_lag;
                return Err(Trouble::Unexpected(format!("{what}: not within {lag:?}")));
            }
        }
        if probe.is_aws() {
            tokio::time::sleep(PAUSE).await;
        }
    }
    probe.measured(what, last_other);
    Ok(())
}

pub(super) async fn delays(probe: &mut Probe) -> Result<(), Trouble> {
    let name = probe.run.name("delays");
    let this = Params::from(&[("RoleName", name.as_str())]);
    let path = probe.run.path();
    let listed = Params::from(&[("PathPrefix", path.as_str()), ("MaxItems", "1000")]);
    probe
        .must("CreateRole", &Params::role(&probe.run, &name))
        .await?;
    measure(
        probe,
        "CreateRole until GetRole sees it",
        ("GetRole", &this),
        Answer::is_success,
    )
    .await?;
    let shows = |answer: &Answer| answer.texts("RoleName").contains(&name);
    measure(
        probe,
        "CreateRole until ListRoles sees it",
        ("ListRoles", &listed),
        shows,
    )
    .await?;
    let policy = this.clone().with("PolicyName", "p");
    let put = policy.clone().with("PolicyDocument", READ_SECRETS);
    probe.must("PutRolePolicy", &put).await?;
    let read = ("GetRolePolicy", &policy);
    measure(
        probe,
        "PutRolePolicy until GetRolePolicy sees it",
        read,
        Answer::is_success,
    )
    .await?;
    let changed = READ_SECRETS.replace("GetSecretValue", "DescribeSecret");
    probe
        .must("PutRolePolicy", &put.with("PolicyDocument", &changed))
        .await?;
    let is_new = |answer: &Answer| answer.body.contains("DescribeSecret");
    measure(
        probe,
        "a changed policy until GetRolePolicy sees it",
        read,
        is_new,
    )
    .await?;
    probe.must("TagRole", &this.clone().tag("lag", "1")).await?;
    let tagged = |answer: &Answer| answer.tags().contains(&("lag".into(), "1".into()));
    measure(
        probe,
        "TagRole until GetRole sees it",
        ("GetRole", &this),
        tagged,
    )
    .await?;
    probe.must("DeleteRolePolicy", &policy).await?;
    let is_gone = |answer: &Answer| answer.code() == "NoSuchEntity";
    measure(
        probe,
        "DeleteRolePolicy until GetRolePolicy sees it",
        read,
        is_gone,
    )
    .await?;
    probe.must("DeleteRole", &this).await?;
    measure(
        probe,
        "DeleteRole until GetRole sees it",
        ("GetRole", &this),
        is_gone,
    )
    .await?;
    let hides = |answer: &Answer| !shows(answer);
    measure(
        probe,
        "DeleteRole until ListRoles sees it",
        ("ListRoles", &listed),
        hides,
    )
    .await?;
    effect(probe).await
}

/// Measures how long it takes until a new role can be assumed, and until a new policy has an effect.
async fn effect(probe: &mut Probe) -> Result<(), Trouble> {
    let target = probe.role("delays-target").await?;
    let this = Params::from(&[("RoleName", target.as_str())]);
    let started = Instant::now();
    let statements = [allow(&["iam:GetRole"], "*")];
    let role = create(probe, &Scoped::new("delays-scoped", &statements)).await?;
    let session = assume(probe, &role, None).await?;
    probe.measured("CreateRole until AssumeRole succeeds", started.elapsed());
    loop {
        let answer = probe.account.call_by(&session, "GetRole", &this).await?;
        if answer.is_success() {
            probe.measured(
                "CreateRole until its policy has an effect",
                started.elapsed(),
            );
            return Ok(());
        }
        if started.elapsed() > probe.longest_lag {
            let found = answer.outcome();
            return Err(Trouble::Unexpected(format!(
                "the policy has no effect: {found}"
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
