//! Removes what runs of the suite have created, and nothing else: a resource is removed only if its
//! name or path is the suite's and it carries the suite's tag.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::account::Account;
use crate::answer::Answer;
use crate::journal::Kind;
use crate::params::Params;
use crate::run::{MARK, NAME, PATH, SERVICE_PATH};
use crate::secrets_manager;
use crate::trouble::Trouble;

/// How often everything is listed and removed: reads lag, and some deletes must wait for others.
const PASSES: usize = 8;
const PAUSE_AT_AWS: Duration = Duration::from_secs(4);

/// Which resources are removed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'a> {
    /// Those of the run with this suffix.
    OfRun(&'a str),
    /// Those of all runs.
    OfAllRuns,
}

/// What was removed, and what is left.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    pub(crate) removed: BTreeSet<String>,
    /// What could not be removed, and why.
    pub(crate) left: Vec<String>,
    /// What has the suite's name but not its tag, and was not touched.
    pub(crate) without_tag: BTreeSet<String>,
}

/// Removes the resources in several passes, until one finds nothing.
///
/// # Errors
/// If AWS does not answer, or does not let the account be listed.
pub(crate) async fn clean_up(account: &Account, which: Which<'_>) -> Result<Swept, Trouble> {
    let mut swept = Swept::default();
    for pass in 0..PASSES {
        if pass > 0 && account.endpoints.are_of_aws() {
            tokio::time::sleep(PAUSE_AT_AWS).await;
        }
        let removed = swept.removed.len();
        swept.left.clear();
        // Profiles before the roles in them, and policies after the roles that use them.
        for (kind, name) in candidates(account, which).await? {
            remove(account, which, (kind, &name), &mut swept).await?;
        }
        if account.endpoints.are_of_aws() {
            remove_secrets(account, which, &mut swept).await;
        }
        if swept.removed.len() == removed && swept.left.is_empty() {
            break;
        }
    }
    Ok(swept)
}

async fn call(account: &Account, action: &str, params: &Params) -> Result<Answer, Trouble> {
    for _ in 0..5 {
        let answer = account.call_to_remove(action, params).await?;
        if !answer.code().starts_with("Throttling") {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    account.call_to_remove(action, params).await
}

/// Returns the resources that may be the suite's, by their names and paths.
async fn candidates(
    account: &Account,
    which: Which<'_>,
) -> Result<BTreeSet<(Kind, String)>, Trouble> {
    let mut found = match which {
        Which::OfRun(_) => account.journal.all(),
        Which::OfAllRuns => BTreeSet::new(),
    };
    for (kind, action, element) in [
        (
            Kind::InstanceProfile,
            "ListInstanceProfiles",
            "InstanceProfileName",
        ),
        (Kind::Role, "ListRoles", "RoleName"),
        (Kind::Policy, "ListPolicies", "PolicyName"),
    ] {
        let mut params = Params::default().with("MaxItems", "1000");
        if kind == Kind::Policy {
            params = params.with("Scope", "Local");
        }
        loop {
            let answer = call(account, action, &params).await?;
            if !answer.is_success() {
                return Err(Trouble::Failed {
                    action: action.to_owned(),
                    answer: answer.outcome(),
                });
            }
            // A profile has the path and the name of its role inside of it, which do no harm: the
            // tag decides.
            let paths = answer.texts("Arn");
            let names = answer.texts(element);
            let ours = names.into_iter().filter(|name| {
                let end = format!("/{name}");
                let mut arns = paths.iter().filter(|arn| arn.ends_with(&end));
                name.to_lowercase().starts_with(NAME)
                    || arns.any(|arn| arn.contains(PATH) || arn.contains(SERVICE_PATH))
            });
            found.extend(ours.map(|name| (kind, name.to_lowercase())));
            match answer.text("Marker") {
                Some(marker) => params = params.with("Marker", &marker),
                None => break,
            }
        }
    }
    Ok(found)
}

/// Removes one resource if it carries the tag.
async fn remove(
    account: &Account,
    which: Which<'_>,
    (kind, name): (Kind, &str),
    swept: &mut Swept,
) -> Result<(), Trouble> {
    let label = format!("{} {name}", kind.as_str());
    let read = match kind {
        Kind::Role => call(account, "GetRole", &Params::from(&[("RoleName", name)])).await?,
        Kind::InstanceProfile => {
            let this = Params::from(&[("InstanceProfileName", name)]);
            call(account, "GetInstanceProfile", &this).await?
        }
        Kind::Policy => match arn_of_policy(account, name).await? {
            Some(arn) => {
                call(
                    account,
                    "GetPolicy",
                    &Params::from(&[("PolicyArn", arn.as_str())]),
                )
                .await?
            }
            None => return Ok(()),
        },
    };
    if !read.is_success() {
        let is_gone = ["NoSuchEntity", "ValidationError"].contains(&read.code().as_str());
        if !is_gone {
            swept.left.push(format!("{label}: {}", read.outcome()));
        }
        return Ok(());
    }
    let tags = own_tags(&read);
    let mark = tags.iter().find(|(key, _)| key == MARK);
    let Some((_, run)) = mark else {
        swept.without_tag.insert(label);
        return Ok(());
    };
    if matches!(which, Which::OfRun(this) if this != run) {
        return Ok(());
    }
    let done = match kind {
        Kind::Role => remove_role(account, name).await?,
        Kind::InstanceProfile => remove_profile(account, name, &read).await?,
        Kind::Policy => {
            let arn = read.text("Arn").unwrap_or_default();
            call(
                account,
                "DeletePolicy",
                &Params::from(&[("PolicyArn", arn.as_str())]),
            )
            .await?
        }
    };
    if done.is_success() {
        swept.removed.insert(label);
    } else if done.code() != "NoSuchEntity" {
        swept.left.push(format!("{label}: {}", done.outcome()));
    }
    Ok(())
}

/// Returns the tags of the resource itself, without those of the roles in an instance profile.
fn own_tags(answer: &Answer) -> Vec<(String, String)> {
    let roles = answer
        .body
        .split_once("<Roles>")
        .and_then(|(before, rest)| {
            let (_, after) = rest.split_once("</Roles>")?;
            Some(format!("{before}{after}"))
        });
    let outside = Answer {
        body: roles.unwrap_or_else(|| answer.body.clone()),
        ..answer.clone()
    };
    outside.tags()
}

async fn arn_of_policy(account: &Account, name: &str) -> Result<Option<String>, Trouble> {
    let params = Params::default()
        .with("Scope", "Local")
        .with("MaxItems", "1000");
    let mut params = params.with("PathPrefix", PATH);
    loop {
        let answer = call(account, "ListPolicies", &params).await?;
        let end = format!("/{name}");
        let mut arns = answer.texts("Arn").into_iter();
        if let Some(arn) = arns.find(|arn| arn.to_lowercase().ends_with(&end)) {
            return Ok(Some(arn));
        }
        match answer.text("Marker") {
            Some(marker) => params = params.with("Marker", &marker),
            None => return Ok(None),
        }
    }
}

async fn remove_profile(account: &Account, name: &str, read: &Answer) -> Result<Answer, Trouble> {
    let this = Params::from(&[("InstanceProfileName", name)]);
    for role in read.texts("RoleName") {
        let member = this.clone().with("RoleName", &role);
        call(account, "RemoveRoleFromInstanceProfile", &member).await?;
    }
    call(account, "DeleteInstanceProfile", &this).await
}

async fn remove_role(account: &Account, name: &str) -> Result<Answer, Trouble> {
    let this = Params::from(&[("RoleName", name)]);
    let profiles = call(account, "ListInstanceProfilesForRole", &this).await?;
    for profile in profiles.texts("InstanceProfileName") {
        let member = this.clone().with("InstanceProfileName", &profile);
        call(account, "RemoveRoleFromInstanceProfile", &member).await?;
    }
    let inline = call(account, "ListRolePolicies", &this).await?;
    for policy in inline.texts("member") {
        let policy = this.clone().with("PolicyName", &policy);
        call(account, "DeleteRolePolicy", &policy).await?;
    }
    let attached = call(account, "ListAttachedRolePolicies", &this).await?;
    for arn in attached.texts("PolicyArn") {
        let policy = this.clone().with("PolicyArn", &arn);
        call(account, "DetachRolePolicy", &policy).await?;
    }
    call(account, "DeleteRole", &this).await
}

async fn remove_secrets(account: &Account, which: Which<'_>, swept: &mut Swept) {
    let run = match which {
        Which::OfRun(run) => Some(run),
        Which::OfAllRuns => None,
    };
    let arns = match secrets_manager::list(account, run).await {
        Ok(arns) => arns,
        Err(trouble) => {
            swept.left.push(format!("secrets: {}", trouble.chain()));
            return;
        }
    };
    for arn in arns {
        match secrets_manager::delete(account, &arn).await {
            Ok(()) => _ = swept.removed.insert(format!("secret {arn}")),
            Err(trouble) => swept
                .left
                .push(format!("secret {arn}: {}", trouble.chain())),
        }
    }
}
