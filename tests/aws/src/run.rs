//! The names of one run, by which its resources are found again.

use regex::Regex;

/// The beginning of the name of every resource that the suite creates, and of the service's roles.
pub(crate) const NAME: &str = "engine-roles-aws-test-";
/// The path of the resources that the suite creates itself.
pub(crate) const PATH: &str = "/engine-roles-aws-test/";
/// The beginning of the path of the service's resources: a run's namespace begins with `aws-test-`.
pub(crate) const SERVICE_PATH: &str = "/ai-unlimited/engine/aws-test-";
/// The key of the tag that every resource of the suite carries. Its value is the run's suffix.
pub(crate) const MARK: &str = "engine-roles-aws-test";
/// The beginning of the names of the clusters, and so of their secrets.
pub(crate) const CLUSTER: &str = "aws-test-";

/// One run of the suite.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Eight random characters, lower case.
    pub(crate) suffix: String,
}

impl Run {
    pub(crate) fn new() -> Self {
        let mut suffix = uuid::Uuid::new_v4().simple().to_string();
        suffix.truncate(8);
        Self { suffix }
    }

    /// Returns the full name of a resource.
    pub(crate) fn name(&self, short: &str) -> String {
        format!("{NAME}{}-{short}", self.suffix)
    }

    /// Returns the path of this run's resources.
    pub(crate) fn path(&self) -> String {
        format!("{PATH}{}/", self.suffix)
    }

    /// Returns the namespace of the service.
    pub(crate) fn namespace(&self) -> String {
        format!("aws-test-{}", self.suffix)
    }

    /// Returns the name of a cluster.
    pub(crate) fn cluster(&self, short: &str) -> String {
        format!("{CLUSTER}{}-{short}", self.suffix)
    }
}

/// Replaces in a text what differs between two accounts and two runs, so that the rest can be
/// compared.
#[derive(Clone, Debug)]
pub(crate) struct Mask {
    replaced: Vec<(String, &'static str)>,
    ids: Regex,
}

impl Mask {
    /// `caller` is the ARN of the caller, `account` the id of the account.
    pub(crate) fn new(run: &Run, caller: &str, account: &str) -> Self {
        let replaced = [
            (caller, "<CALLER>"),
            (account, "<ACCOUNT>"),
            (&run.suffix, "<RUN>"),
        ];
        Self {
            replaced: replaced.map(|(text, by)| (text.to_owned(), by)).into(),
            ids: Regex::new("A(ROA|IPA|NPA|SIA|KIA|IDA)[A-Z0-9]{12,}")
                .expect("the pattern is valid"),
        }
    }

    pub(crate) fn over(&self, text: &str) -> String {
        let start = self.ids.replace_all(text, "<ID>").into_owned();
        let masked = self.replaced.iter();
        let masked = masked.filter(|(text, _)| !text.is_empty());
        masked.fold(start, |text, (found, by)| text.replace(found, by))
    }
}
