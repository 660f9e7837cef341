//! The events of the audit log before the follow begins.

use std::collections::VecDeque;

use chrono::{TimeDelta, Utc};
use engine_roles_contract::{AuditPage, AuditQuery};

use super::super::connection::Session;
use super::super::failure::Failure;
use super::super::screen::print_line;
use super::events;

/// The most events on a page.
pub(super) const LONGEST_PAGE: i64 = 1000;
/// How many times longer the next part of the log is that is searched for the last events.
const GROWTH: i64 = 8;

/// Prints the last matching events, or all of them, and returns the number after which new events
/// follow.
pub(super) async fn print(
    session: &Session,
    filter: &AuditQuery,
    count: Option<u32>,
) -> Result<i64, Failure> {
    let Some(count) = count else {
        return each_page(session, filter, 0, |page| page.print(session)).await;
    };
    let head = head(session).await?;
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    if wanted == 0 {
        return Ok(head);
    }
    // The interface returns events in their order only, so the last ones are looked for in the last
    // part of the log, and in a longer part if they are fewer there.
    let mut length = LONGEST_PAGE.max(count.into());
    loop {
        let after = head.saturating_sub(length).max(0);
        let mut last = VecDeque::new();
        let next = each_page(session, filter, after, |page| {
            last.extend(page.lines(session));
            let surplus = last.len().saturating_sub(wanted);
            last.drain(..surplus);
            Ok(())
        });
        let next = next.await?;
        if last.len() == wanted || after == 0 {
            let mut last = last.iter();
            last.try_for_each(|line| print_line(line))?;
            return Ok(next);
        }
        length = length.saturating_mul(GROWTH);
    }
}

/// A page of events, and its JSON.
struct Page {
    page: AuditPage,
    text: String,
}

impl Page {
    fn print(&self, session: &Session) -> Result<(), Failure> {
        events::print(&self.page, &self.text, session.screen)
    }

    fn lines(&self, session: &Session) -> Vec<String> {
        events::lines(&self.page, &self.text, session.screen)
    }
}

/// Reads the matching events after a number page by page, and returns the number of the last event
/// that the service examined.
async fn each_page(
    session: &Session,
    filter: &AuditQuery,
    mut after: i64,
    mut take: impl FnMut(&Page) -> Result<(), Failure>,
) -> Result<i64, Failure> {
    loop {
        let query = AuditQuery {
            after: Some(after),
            limit: Some(LONGEST_PAGE),
            ..filter.clone()
        };
        let answer = session.client.audit(&query).await?;
        let page = Page {
            page: answer.body,
            text: answer.text,
        };
        take(&page)?;
        after = page.page.next_after;
        let read = i64::try_from(page.page.items.len()).unwrap_or(i64::MAX);
        if read < LONGEST_PAGE {
            return Ok(after);
        }
    }
}

/// Returns the number of the last event: a page without a matching event examines the whole log, and
/// no event is in the future.
async fn head(session: &Session) -> Result<i64, Failure> {
    let query = AuditQuery {
        since: Utc::now().checked_add_signed(TimeDelta::days(1)),
        limit: Some(1),
        ..AuditQuery::default()
    };
    Ok(session.client.audit(&query).await?.body.next_after)
}
