//! The parameters of a call.

use crate::run::{MARK, Run};

/// A trust policy that lets EC2 assume the role.
pub(crate) const EC2_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// The parameters of a call, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(pub(crate) Vec<(String, String)>);

impl<const N: usize> From<&[(&str, &str); N]> for Params {
    fn from(pairs: &[(&str, &str); N]) -> Self {
        let pairs = pairs.iter();
        Self(
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }
}

impl From<&Params> for Params {
    fn from(params: &Params) -> Self {
        params.clone()
    }
}

impl Params {
    /// Returns the parameters of a new role that EC2 may assume.
    pub(crate) fn role(run: &Run, name: &str) -> Self {
        Self::from(&[
            ("RoleName", name),
            ("Path", &run.path()),
            ("AssumeRolePolicyDocument", EC2_TRUST),
        ])
        .marked(run)
    }

    /// Returns the parameters of a new instance profile.
    pub(crate) fn profile(run: &Run, name: &str) -> Self {
        Self::from(&[("InstanceProfileName", name), ("Path", &run.path())]).marked(run)
    }

    /// Returns the parameters of a new managed policy.
    pub(crate) fn policy(run: &Run, name: &str, document: &str) -> Self {
        Self::from(&[
            ("PolicyName", name),
            ("Path", &run.path()),
            ("PolicyDocument", document),
        ])
        .marked(run)
    }

    /// Sets a parameter; replaces an earlier value.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(found, _)| found != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Removes a parameter.
    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(found, _)| found != name);
        self
    }

    /// Adds a tag after the tags that are there.
    #[must_use]
    pub(crate) fn tag(mut self, key: &str, value: &str) -> Self {
        let tags = self.0.iter();
        let tags = tags.filter(|(name, _)| name.starts_with("Tags.") && name.ends_with(".Key"));
        let number = tags.count() + 1;
        for (field, text) in [("Key", key), ("Value", value)] {
            let name = format!("Tags.member.{number}.{field}");
            self.0.push((name, text.to_owned()));
        }
        self
    }

    /// Adds the tag that says to which run the new resource belongs.
    #[must_use]
    pub(crate) fn marked(self, run: &Run) -> Self {
        self.tag(MARK, &run.suffix)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}
