//! Events as the owner's function `audit_append` takes them.

use engine_roles_domain::audit::{Actor, Cause, InstallationEvent, TraceId};
use engine_roles_domain::binding::{EventDetail, State};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::connection::run;
use crate::row::to_json;
use crate::{Store, StoreError};

/// What an event says, without what the statement that writes it takes from the binding's row.
#[derive(Serialize)]
struct Event<'a> {
    id: Uuid,
    action: &'static str,
    actor: &'a Actor,
    key_id: Option<Uuid>,
    source: Option<String>,
    request_id: Option<&'a str>,
    trace_id: Option<&'a str>,
    from_state: Option<&'static str>,
    aws_request_ids: &'a [String],
    detail: Value,
}

impl<'a> Event<'a> {
    fn new(id: Uuid, cause: &'a Cause, action: &'static str, detail: Value) -> Self {
        Self {
            id,
            action,
            actor: &cause.actor,
            key_id: cause.key.map(|key| key.0),
            source: cause.source.map(|source| source.to_string()),
            request_id: cause.request_id.as_deref(),
            trace_id: cause.trace.as_ref().map(TraceId::as_str),
            from_state: None,
            aws_request_ids: &[],
            detail,
        }
    }
}

/// Returns the event of a change of a binding for `audit_append`; none where the change has no event.
pub(crate) fn of_binding(
    id: Uuid,
    cause: &Cause,
    from_state: Option<State>,
    aws_request_ids: &[String],
    event: Option<&EventDetail>,
) -> Option<Value> {
    let event = event?;
    Some(to_json(&Event {
        from_state: from_state.map(State::as_str),
        aws_request_ids,
        ..Event::new(id, cause, event.action().as_str(), to_json(event))
    }))
}

/// Returns an event about the installation for `audit_append`.
pub(crate) fn of_installation(cause: &Cause, event: &InstallationEvent) -> Value {
    of_installation_after(cause, &[], event)
}

/// Like [`of_installation`], with the ids of the calls to AWS that led to the event.
pub(crate) fn of_installation_after(
    cause: &Cause,
    aws_request_ids: &[String],
    event: &InstallationEvent,
) -> Value {
    let (action, detail) = (event.action().as_str(), to_json(event));
    to_json(&Event {
        aws_request_ids,
        ..Event::new(Uuid::now_v7(), cause, action, detail)
    })
}

impl Store {
    /// Adds events about the installation to the audit log.
    ///
    /// # Errors
    /// When the database does not answer. All events were added then, or none.
    pub async fn append_events(
        &self,
        events: &[(Cause, InstallationEvent)],
    ) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let events = events.iter();
        let events: Vec<Value> = events
            .map(|(cause, event)| of_installation(cause, event))
            .collect();
        run!(
            self,
            fetch_one,
            sqlx::query!(
                r#"/* audit_log */
                SELECT count(audit_append(event, clock.now, $1, NULL, NULL, NULL, NULL, NULL))
                    AS "added!"
                FROM unnest($2::jsonb[]) AS event, (SELECT service_now() AS now) clock"#,
                self.namespace.as_str(),
                &events,
            )
        )?;
        Ok(())
    }
}
