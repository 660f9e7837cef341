//! The filter of a list, as it was sent.

use super::pieces::query;
use crate::request_query::Parameters;

/// The parameters of a filter as they were sent, for the form and for links.
#[derive(Clone, Debug)]
pub(super) struct Given {
    path: &'static str,
    filter: Vec<(&'static str, String)>,
}

impl Given {
    /// Returns the parameters with these names. `path` is the path of the page.
    pub(super) fn of(path: &'static str, names: &[&'static str], query: &Parameters) -> Self {
        let value = |name| query.peek(name).unwrap_or_default().to_owned();
        Self {
            path,
            filter: names.iter().map(|name| (*name, value(name))).collect(),
        }
    }

    /// Returns a parameter; an empty text where it was not sent.
    pub(super) fn value(&self, name: &str) -> &str {
        let mut filter = self.filter.iter();
        let found = filter.find(|(given, _)| *given == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Returns whether the filter selects anything.
    pub(super) fn has_filter(&self) -> bool {
        self.filter.iter().any(|(_, value)| !value.is_empty())
    }

    /// Returns the path of the page with this filter and these further parameters.
    pub(super) fn path(&self, further: &[(&str, &str)]) -> String {
        let filter = self.filter.iter();
        let mut parameters: Vec<_> = filter
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        parameters.extend(further);
        query(self.path, &parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_the_filter_and_leaves_out_what_is_empty() {
        let sent = Parameters::of("b=two+words&a=1&page=7&c=");
        let given = Given::of("/list", &["a", "b", "c"], &sent);
        assert_eq!(given.value("b"), "two words");
        assert_eq!((given.value("c"), given.value("page")), ("", ""));
        assert!(given.has_filter());
        let path = given.path(&[("page", "8"), ("sort", "")]);
        assert_eq!(path, "/list?a=1&b=two+words&page=8");
        let none = Given::of("/list", &["a"], &Parameters::of("page=7"));
        assert!(!none.has_filter());
        assert_eq!(none.path(&[]), "/list");
    }
}
