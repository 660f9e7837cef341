//! Strict parsing of query strings: every wrong parameter is reported, by its name, all at once.

use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Datelike, Utc};
use engine_roles_contract::{Code, FieldError};
use engine_roles_domain::invalid::Invalid;

use crate::problem::{self, Problem};

/// The parameters of a query string. Each is taken once, by its name; [`Parameters::end`] rejects the
/// request if a parameter was wrong, or was not taken.
pub(crate) struct Parameters {
    given: Vec<(String, String)>,
    /// Whether a parameter without a value counts as one that was not given.
    is_empty_none: bool,
    wrong: Vec<(Code, FieldError)>,
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self::of(query))
    }
}

impl Parameters {
    pub(crate) fn of(query: &str) -> Self {
        let given = form_urlencoded::parse(query.as_bytes());
        Self {
            given: given.into_owned().collect(),
            is_empty_none: false,
            wrong: Vec::new(),
        }
    }

    /// Returns whether a parameter was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        let mut given = self.given.iter();
        given.any(|(given, value)| given == name && !self.counts_as_none(value))
    }

    /// Returns a parameter without taking it.
    pub(crate) fn peek(&self, name: &str) -> Option<&str> {
        let mut given = self.given.iter();
        let found = given.find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Lets a parameter without a value count as one that was not given: a form sends a field that is not
    /// filled in so. Its name must be a parameter of the path all the same.
    pub(crate) fn empty_is_none(&mut self) {
        self.is_empty_none = true;
    }

    fn counts_as_none(&self, value: &str) -> bool {
        self.is_empty_none && value.is_empty()
    }

    /// Changes the values of a parameter.
    pub(crate) fn change(&mut self, name: &str, change: impl Fn(&str) -> String) {
        for (given, value) in &mut self.given {
            if given == name {
                *value = change(value);
            }
        }
    }

    /// Takes a parameter as it was sent.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        let mut found = None;
        let mut count = 0;
        self.given.retain_mut(|(given, value)| {
            if given != name {
                return true;
            }
            count += 1;
            found = Some(std::mem::take(value));
            false
        });
        if count > 1 {
            self.reject(name, "must not be given more than once");
            return None;
        }
        found.filter(|value| !self.counts_as_none(value))
    }

    /// Takes a parameter and parses it. `rule` is what its value must be.
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &'static str, rule: &str) -> Option<T> {
        self.read(name, rule, |text| text.parse().ok())
    }

    /// Takes a parameter and reads it with this function. `rule` is what its value must be.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        rule: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = read(&text);
        if value.is_none() {
            self.reject(name, rule);
        }
        value
    }

    /// Takes a value that gets into a name, an ARN or a policy, and checks its rule.
    pub(crate) fn valid<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(invalid) => {
                let code = problem::invalid_code(invalid.kind);
                self.add(code, name, invalid.to_string());
                None
            }
        }
    }

    /// Takes `limit`: 1 to `most`, 100 by default.
    pub(crate) fn limit(&mut self, most: i64) -> i64 {
        let rule = format!("must be a number from 1 to {most}");
        self.number("limit", &rule, 1..=most).unwrap_or(100)
    }

    /// Takes a whole number in this range.
    pub(crate) fn number(
        &mut self,
        name: &'static str,
        rule: &str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        self.read(name, rule, |text| {
            let number = text.parse().ok();
            number.filter(|number| range.contains(number))
        })
    }

    /// Takes a time. Postgres's times begin in 4713 BC and end in the year 294276, and RFC 3339 has only
    /// the years 0 to 9999.
    pub(crate) fn time(&mut self, name: &'static str) -> Option<DateTime<Utc>> {
        let rule = "must be a time as RFC 3339 writes it, such as 2026-11-26T10:00:00Z, in the years \
                    0001 to 9999";
        self.read(name, rule, |text| {
            let time: Option<DateTime<Utc>> = text.parse().ok();
            time.filter(|time| (1..=9999).contains(&time.year()))
        })
    }

    /// Takes `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.parsed(name, "must be true or false")
    }

    /// Rejects a parameter that breaks a rule.
    pub(crate) fn reject(&mut self, name: &str, reason: impl Into<String>) {
        self.add(Code::InvalidRequest, name, reason);
    }

    fn add(&mut self, code: Code, name: &str, reason: impl Into<String>) {
        let error = FieldError {
            field: name.to_owned(),
            reason: reason.into(),
        };
        self.wrong.push((code, error));
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When a parameter was wrong, or was not taken: then this path does not have it.
    pub(crate) fn end(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.given) {
            self.reject(&name, "is not a parameter of this path");
        }
        Problem::all(self.wrong)
    }
}

/// Rejects a request with a query, for paths that have no parameters.
pub(crate) async fn reject_parameters(request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    match Parameters::of(query).end() {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(parameters: &Parameters) -> Vec<String> {
        let errors = parameters.wrong.iter();
        errors.map(|(_, error)| error.field.clone()).collect()
    }

    #[test]
    fn each_wrong_parameter_is_noted_by_its_name() {
        let mut query =
            Parameters::of("limit=0&since=now&live=yes&live=no&cluster=*&x=1&flag=true");
        assert_eq!(query.limit(500), 100);
        assert_eq!(query.time("since"), None);
        assert_eq!(query.flag("live"), None);
        assert_eq!(query.flag("flag"), Some(true));
        let cluster = query.valid("cluster", engine_roles_domain::cluster::ClusterName::parse);
        assert_eq!(cluster, None);
        assert_eq!(query.given, [("x".to_owned(), "1".to_owned())]);
        assert_eq!(wrong(&query), ["limit", "since", "live", "cluster"]);
    }

    #[test]
    fn a_query_that_is_taken_whole_is_accepted() {
        let mut query = Parameters::of("since=2026-11-26T10%3A00%3A00%2B01%3A00&limit=7");
        assert_eq!(query.limit(10), 7);
        let since = query.time("since").expect("a time");
        assert_eq!(since.to_rfc3339(), "2026-11-26T09:00:00+00:00");
        assert!(query.end().is_ok());
        assert!(Parameters::of("").end().is_ok());
        for query in ["x=1", "x=", "x", "=", "=1"] {
            assert!(Parameters::of(query).end().is_err(), "{query}");
        }
    }

    #[test]
    fn a_known_parameter_without_a_value_counts_as_none_where_a_form_sends_it() {
        let mut query = Parameters::of("limit=&flag=&x=&x=");
        query.empty_is_none();
        assert!(!query.has("limit"));
        assert_eq!((query.limit(10), query.flag("flag")), (100, None));
        assert_eq!(wrong(&query), [""; 0]);
        let rejected = query.end().expect_err("x is not a parameter");
        assert!(rejected.describe().errors.iter().all(|it| it.field == "x"));
        for repeated in ["flag=&flag=", "flag=&flag=true", "flag=true&flag="] {
            let mut query = Parameters::of(repeated);
            query.empty_is_none();
            assert_eq!(query.flag("flag"), None);
            assert_eq!(wrong(&query), ["flag"], "{repeated}");
        }
        // The interface has no forms.
        let mut query = Parameters::of("flag=");
        assert_eq!(query.flag("flag"), None);
        assert_eq!(wrong(&query), ["flag"]);
    }
}
