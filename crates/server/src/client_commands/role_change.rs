//! The commands `role put` and `role delete`.

use std::time::Duration;

use clap::Args;
use engine_roles_client::{Answer, ClusterRole, EntityTag, Error};
use engine_roles_contract::{Binding, Code, Open, State};
use tokio::time::sleep;

use super::binding;
use super::connection::{ConnectionArgs, Session};
use super::exit::Exit;
use super::failure::Failure;
use super::progress;
use super::role_flags::RoleFlags;
use super::wait::{Deadline, WaitArgs, is_in_progress, until_settled};
use super::wire::word;

/// The pause before a change is sent again, where the service does not say how long.
const PAUSE: Duration = Duration::from_secs(1);

/// The arguments of `role put`.
#[derive(Debug, Args)]
pub(super) struct PutArgs {
    /// Name of the cluster
    cluster: String,
    #[command(flatten)]
    flags: RoleFlags,
    #[command(flatten)]
    condition: ConditionArgs,
    /// Only if the cluster never had a role
    #[arg(
        long,
        conflicts_with = "if_match",
        help_heading = "Condition and waiting"
    )]
    if_new: bool,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
}

/// The arguments of `role delete`.
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// Name of the cluster
    cluster: String,
    #[command(flatten)]
    condition: ConditionArgs,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
}

/// The flag for the state that a binding must have.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Condition and waiting")]
struct ConditionArgs {
    /// Only if the binding still has the generation of this etag, which `role get` shows; `*` for any
    /// live binding
    #[arg(long, value_name = "ETAG", value_parser = condition)]
    if_match: Option<Condition>,
}

/// Which binding a change requires.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Live,
    Tag(EntityTag),
}

/// Reads an entity tag; a shell may have taken its quotes.
fn condition(text: &str) -> Result<Condition, String> {
    if text == "*" {
        return Ok(Condition::Live);
    }
    let tag = text.parse().or_else(|_| format!("\"{text}\"").parse());
    let tag = tag.map_err(|error: engine_roles_client::InvalidEntityTag| error.to_string());
    tag.map(Condition::Tag)
}

impl ConditionArgs {
    fn apply<'a>(&self, role: ClusterRole<'a>) -> ClusterRole<'a> {
        match &self.if_match {
            Some(Condition::Live) => role.if_exists(),
            Some(Condition::Tag(tag)) => role.if_match(tag.clone()),
            None => role,
        }
    }
}

/// Provisions a role or changes it.
pub(super) async fn put(session: &Session, args: &PutArgs) -> Result<Exit, Failure> {
    let body = args.flags.body()?;
    let role = args.condition.apply(session.client.role(&args.cluster));
    let role = if args.if_new { role.if_new() } else { role };
    let change = Change {
        session,
        cluster: &args.cluster,
        wanted: State::Active,
        limit: args.wait.limit(),
    };
    change
        .make(role, async |role| role.put_text(body.clone()).await)
        .await
}

/// Tears a role down.
pub(super) async fn delete(session: &Session, args: &DeleteArgs) -> Result<Exit, Failure> {
    let role = args.condition.apply(session.client.role(&args.cluster));
    let change = Change {
        session,
        cluster: &args.cluster,
        wanted: State::Deleted,
        limit: args.wait.limit(),
    };
    change.make(role, async |role| role.delete().await).await
}

/// A change that is sent once, and whose outcome is then read until the work is done.
struct Change<'a> {
    session: &'a Session,
    cluster: &'a str,
    /// The state that the change leads to.
    wanted: State,
    /// How long to wait; none for not at all.
    limit: Option<Duration>,
}

impl Change<'_> {
    async fn make(
        &self,
        role: ClusterRole<'_>,
        send: impl AsyncFn(ClusterRole<'_>) -> Result<Answer<Binding>, Error>,
    ) -> Result<Exit, Failure> {
        let deadline = Deadline::after(self.limit.unwrap_or_default());
        let cluster = self.cluster;
        let text = match self.wanted {
            State::Deleted => format!("tearing down the role of cluster {cluster}"),
            _ => format!("provisioning the role of cluster {cluster}"),
        };
        let sending = self.sent(&role, send, deadline);
        let answer =
            progress::during(self.session.screen, &text, deadline.began(), sending).await?;
        if !answer.is_pending() {
            binding::print(&answer, self.session.screen)?;
            return Ok(Exit::Done);
        }
        let accepted = (answer.body.binding_id, answer.body.generation);
        let read = self.session.client.role(cluster);
        let last = until_settled(self.session, &read, &text, Ok(answer), deadline).await?;
        binding::print(&last, self.session.screen)?;
        if accepted != (last.body.binding_id, last.body.generation) {
            let reason = "another request has changed what the cluster's role should be";
            return Err(Failure::Outcome(reason.to_owned()));
        }
        if is_in_progress(&last) {
            return Ok(Exit::InProgress);
        }
        self.outcome(&last.body)
    }

    /// Sends the change. While a teardown is in progress, nothing is recorded, so the change is sent
    /// again until the teardown has ended or the time is over.
    async fn sent(
        &self,
        role: &ClusterRole<'_>,
        send: impl AsyncFn(ClusterRole<'_>) -> Result<Answer<Binding>, Error>,
        deadline: Deadline,
    ) -> Result<Answer<Binding>, Error> {
        loop {
            let role = match deadline.wait_of_change() {
                Some(wait) => role.clone().wait(wait),
                None => role.clone().respond_async(),
            };
            let answer = send(role).await;
            let teardown = Open::Known(Code::TeardownInProgress);
            let (Err(error), Some(left)) = (&answer, deadline.left()) else {
                return answer;
            };
            if error.code() != Some(&teardown) {
                return answer;
            }
            sleep(error.retry_after().unwrap_or(PAUSE).min(left)).await;
        }
    }

    fn outcome(&self, binding: &Binding) -> Result<Exit, Failure> {
        if binding.state.is(&self.wanted) && binding.last_error.is_none() {
            return Ok(Exit::Done);
        }
        Err(Failure::Outcome(unsettled(binding)))
    }
}

/// Returns why the work on a binding did not lead to what was requested.
pub(super) fn unsettled(binding: &Binding) -> String {
    let (cluster, state) = (&binding.cluster, word(&binding.state));
    match &binding.last_error {
        Some(error) => format!(
            "the role of cluster {cluster} is {state}; {}",
            binding::sentence(error)
        ),
        None => format!("the role of cluster {cluster} is {state}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_may_have_lost_its_quotes() {
        let tag = |text: &str| Condition::Tag(text.parse().expect("a tag"));
        assert_eq!(condition("3-17"), Ok(tag("\"3-17\"")));
        assert_eq!(condition("\"3-17\""), Ok(tag("\"3-17\"")));
        assert_eq!(condition("*"), Ok(Condition::Live));
        for text in ["W/\"3\"", "a b", "\"3"] {
            assert!(condition(text).is_err(), "{text}");
        }
    }
}
